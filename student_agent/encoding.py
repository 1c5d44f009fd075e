"""The encoder job: packets of anchors become a small text encoder of its own, which needs no teacher afterwards.

1. Isolate the process: packets, anchor sets and a tokenizer are all there is to learn from.
2. Verify the packets; they must be of one teacher and one reading, and every set at hand must be the one it names.
3. Learn (`student_agent.distil`), and write the encoder; nothing judges it here.
"""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoTokenizer

from m2kt.anchors import AnchorSet, read_set
from m2kt.errors import AlignmentRefused, ModelError, UsageError
from m2kt.files import write_atomically
from m2kt.neural.encoders import Inputs, States
from m2kt.neural.models import Tokenizer, offline, set_threads
from m2kt.packet import anchors, tensors
from m2kt.packet.anchors import AnchorStates
from m2kt.signing import TrustStore
from student_agent.bag import Bag, Shape, pieces
from student_agent.distil import Schedule, learn
from student_agent.grounding import read_bytes, verified
from student_agent.isolation import isolate
from student_agent.specs import check_spec

REQUIRED = ("anchors", "sets", "trust", "tokenizer", "out")
OPTIONAL = ("epochs", "seed", "threads")


def open_anchor_packets(packets: list[bytes], trust: TrustStore, sets: list[AnchorSet]) -> list[AnchorStates]:
    """Verify packets of anchors and their ledgers, one for each set, in order; `AlignmentRefused` when they are not of
    one teacher and one reading, or a set is not the one that its packet names."""
    if len(packets) != len(sets):
        raise AlignmentRefused(f"{len(packets)} packets of anchors and {len(sets)} sets: give one set for each packet")
    found, spaces = [], set()
    for data, held in zip(packets, sets, strict=True):
        packet = verified(data, trust)
        states = anchors.read(packet)
        held.require(states.digest)
        found.append(states)
        spaces.add((packet.manifest.teacher.weights_sha256, states.reading, states.states.shape[1]))
    if len(spaces) != 1:
        raise AlignmentRefused("the packets of anchors are not of one teacher and one reading: they share no space")
    return found


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Spec: ``anchors`` files and their ``sets`` (lists, in order), ``trust`` directory or key file, ``tokenizer``
    directory, ``out`` directory; optional ``epochs``, ``seed``, ``threads``."""
    isolate()
    check_spec(spec, REQUIRED, OPTIONAL)
    offline()
    set_threads(spec.get("threads"))
    started, held = time.perf_counter(), [read_set(Path(each)) for each in spec["sets"]]
    if images := [each.name for each in held if each.kind != "text"]:
        raise UsageError(f"{', '.join(images)}: a set of images; this job reads texts")
    opened = open_anchor_packets(
        [read_bytes(each) for each in spec["anchors"]], TrustStore.from_path(Path(spec["trust"])), held
    )
    tokenizer = load_tokenizer(Path(spec["tokenizer"]))
    texts = [text for each in held for text in each.items if isinstance(text, str)]
    states: NDArray[Any] = np.concatenate([each.states for each in opened])
    schedule = Schedule(epochs=spec.get("epochs", Schedule.epochs), seed=spec.get("seed", 0))
    model = learn(pieces(tokenizer, texts), states, len(tokenizer), schedule)
    card = {
        "anchors": {each.set_name: each.digest for each in opened},
        "teacher_reading": opened[0].reading,
        "activations_moved": len(states),
        "parameters": sum(each.numel() for each in model.parameters()),
        "vocabulary": len(tokenizer),
        "width": states.shape[1],
        "shape": asdict(Shape()) | {"bands": [table.shape for table in model.tables]},
        "order": np.concatenate(model.rows).tolist(),
    }
    write(Path(spec["out"]), model, card)
    told = {key: card[key] for key in ("activations_moved", "parameters")}
    return {**told, "encoder": spec["out"], "seconds": round(time.perf_counter() - started, 2)}


def load_tokenizer(directory: Path) -> Tokenizer:
    """The tokenizer of a local directory; `ModelError` says what is wrong."""
    try:
        found: Tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers raises anything here
        raise ModelError(f"no tokenizer in {directory}: {type(error).__name__}: {error}") from error
    return found


def write(out: Path, model: Bag, card: dict[str, Any]) -> None:
    """Weights, then the card: a directory with a card is whole."""
    weights = {f"encoder/{name}": each.detach().numpy() for name, each in model.named_parameters()}
    write_atomically(out / "encoder.safetensors", tensors.encode(weights))
    write_atomically(out / "encoder.json", json.dumps(card).encode())


def read(directory: Path) -> Bag:
    """The encoder that this job wrote; `UsageError` says what is wrong."""
    try:
        card = json.loads((directory / "encoder.json").read_bytes())
        weights = tensors.decode((directory / "encoder.safetensors").read_bytes())
        shape = Shape(**card["shape"])
        order = np.asarray(card["order"], np.int64)
        model = Bag(card["vocabulary"], order, card["width"], shape)
        named = {name.removeprefix("encoder/"): torch.from_numpy(each.copy()) for name, each in weights.items()}
        model.load_state_dict(dict(model.named_buffers()) | named)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise UsageError(f"{directory} holds no encoder: {error}", hint="Run the job `encoder` first.") from error
    return model.train(False)


@torch.inference_mode()
def vectors(model: Bag, tokenizer: Tokenizer, inputs: Inputs) -> States:
    """Unit vectors of texts, (n, width)."""
    found: States = model(pieces(tokenizer, list(inputs))).numpy()
    return found
