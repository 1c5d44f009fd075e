"""States of pretrained models, kept in ``var/real`` from one run to the next; never committed."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from m2kt.neural.encoders import Encoder, States


def encoded(encoder: Encoder, inputs: Sequence[str], directory: Path) -> States:
    """``encoder.encode(inputs)``, computed once for these weights, this reading and these inputs."""
    named = "\0".join((encoder.sha256, encoder.reading, *inputs))
    path = directory / f"{sha256(named.encode()).hexdigest()[:32]}.npy"
    if path.exists():
        found: States = np.load(path)
        return found
    states = encoder.encode(inputs)
    directory.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npy")
    np.save(partial, states)
    partial.replace(path)
    return states
