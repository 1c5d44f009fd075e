import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from m2kt.packet import Array, DomainRef, Extraction, Manifest, PacketKind, Teacher

VECTORS = Path(__file__).parent / "vectors"
DIGEST = "sha256:" + "ab" * 32


def small_tensors() -> dict[str, Array]:
    return {
        "concepts/centroids": np.array([[1.0, -2.0], [0.5, 3.0]], np.float16),
        "concepts/classes": np.array([0, 1, 1], np.uint8),  # three bytes: what follows is not aligned
        "concepts/dispersion": np.array([0.25, 1.5], np.float32),
        "graph/templates": np.array([[0, 2, 7]], np.int32),
        "symbols/strings": np.array(9, np.int64),
    }


def small_manifest(**changes: object) -> Manifest:
    fields: dict[str, object] = {
        "kind": PacketKind.KNOWLEDGE,
        "name": "chains/small",
        "version": "1.2.3-rc.1+build",
        "created": "2026-01-31T12:00:00Z",
        "domain": DomainRef("chains", "0.1.0"),
        "teacher": Teacher("examples/teacher", "llama", "llama", 1000, DIGEST, DIGEST),
        "extraction": Extraction("m2kt.extract/1", {"probes": 64, "layer": "last"}, 7),
        "confidence": {"mean": "0.97"},
        "coverage": {"templates": "2 of 2"},
        "licence": "Apache-2.0",
        "parents": (DIGEST,),
        "precision": {"concepts/dispersion": 10},
        "ledger": {"bytes": 45, "concepts": 2},
        "symbols": ("é", "a\tb", "\n"),
        "leads": ("", " is "),
        "tensors": small_tensors(),
    }
    return Manifest.describe(**(fields | changes))  # type: ignore[arg-type]


@pytest.fixture
def tensors() -> dict[str, Array]:
    return small_tensors()


@pytest.fixture
def manifest() -> Manifest:
    return small_manifest()


@pytest.fixture
def describe() -> Callable[..., Manifest]:
    return small_manifest


@pytest.fixture
def golden() -> Callable[[str, bytes], None]:
    """Compares with a file of vectors/; M2KT_WRITE_VECTORS=1 writes it (then look at the diff)."""

    def compare(name: str, data: bytes) -> None:
        path = VECTORS / name
        if os.environ.get("M2KT_WRITE_VECTORS"):
            path.write_bytes(data)
        assert path.read_bytes() == data

    return compare
