"""A head that was grounded in a student, and its files: `head.json`, `head.safetensors`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2kt.errors import M2KTError, ModelError
from m2kt.files import write_atomically
from m2kt.neural.linear import Head, Rows
from m2kt.packet import tensors
from student_agent.anchoring import Fit, relative
from student_agent.head import Direction

CARD, WEIGHTS = "head.json", "head.safetensors"
_HEAD = ("mean", "scale", "weight", "bias")
_CARRY = ("source_mean", "scale", "weight", "target_mean")


@dataclass(frozen=True, eq=False)
class Grounded:
    """A head, and how a student's states come before it."""

    head: Head
    direction: Direction
    carry: Fit | NDArray[Any] | None  # the map to the teacher's space, or the student's states of the anchors
    symbols: tuple[str, ...]
    report: dict[str, float]

    def logits(self, states: NDArray[np.floating]) -> Rows:
        """Of the student's ``states`` (n, d_S), one for each symbol, (n, C)."""
        if isinstance(self.carry, Fit):
            return self.head.logits(self.carry(states))
        return self.head.logits(states if self.carry is None else relative(states, self.carry))

    def answers(self, states: NDArray[np.floating]) -> NDArray[np.int64]:
        """What is said of the student's ``states`` (n, d_S): numbers of symbols, (n,)."""
        found: NDArray[np.int64] = self.logits(states).argmax(1)
        return found


def save(out: Path, made: Grounded, card: Mapping[str, Any]) -> None:
    """Weights, then the card with their digest: a directory with a card is whole."""
    parts: dict[str, NDArray[Any]] = {f"head/{name}": getattr(made.head, name) for name in _HEAD}
    if isinstance(made.carry, Fit):
        parts |= {f"carry/{name}": getattr(made.carry, name) for name in _CARRY}
    elif made.carry is not None:
        parts["carry/anchors"] = made.carry
    data = tensors.encode({name: each.astype(np.float32) for name, each in parts.items()})
    write_atomically(out / WEIGHTS, data)
    write_atomically(out / CARD, json.dumps({**card, "weights_sha256": _digest(data)}, indent=1).encode())


def load(directory: Path) -> tuple[Grounded, dict[str, Any]]:
    """The head in a directory, and its card; `ModelError` when it holds none, or one that changed."""
    try:
        card: dict[str, Any] = json.loads((directory / CARD).read_bytes())
        data = (directory / WEIGHTS).read_bytes()
        if _digest(data) != card["weights_sha256"]:
            raise ValueError(f"{WEIGHTS} changed after it was written")
        held = tensors.decode(data)
        head = Head(**{name: held[f"head/{name}"].astype(np.float64) for name in _HEAD})
        report = {name: float(card[name]) for name in ("explained", "residual", "ridge", "away")}
        made = Grounded(head, Direction(card["direction"]), _carry(held, report), tuple(card["symbols"]), report)
    except (OSError, ValueError, KeyError, TypeError, M2KTError) as error:
        raise ModelError(f"{directory} holds no head: {error}", hint="Ground the packet again.") from error
    return made, card


def _carry(held: Mapping[str, NDArray[Any]], report: Mapping[str, float]) -> Fit | NDArray[Any] | None:
    if "carry/anchors" in held:
        return held["carry/anchors"]
    if "carry/weight" not in held:
        return None
    named = {name: held[f"carry/{name}"].astype(np.float64) for name in _CARRY}
    nothing: Rows = np.zeros((0, len(named["target_mean"])))  # residuals served the training, and are not kept
    return Fit(**named, residuals=nothing, ridge=report["ridge"], explained=report["explained"])


def _digest(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"
