"""A peer's own checkpoint: what it has learned so far in one exchange, in one file that is whole or not there.

Weights, optimiser and schedule after a round, and that round's losses: a peer that is killed at any moment goes on from
the last round that it finished. The file never leaves its host.
"""

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from m2kt.errors import RuntimeFault, UsageError
from m2kt.files import write_atomically
from m2kt.neural.exchange import Losses, Peer

SCHEMA = "m2kt.exchange.checkpoint/1"


@dataclass(frozen=True)
class Learned:
    """The last round that a peer has learned from, its losses there, and whose predictions it did without."""

    round: int
    losses: Losses
    left_out: tuple[str, ...] = ()


def save(path: Path, exchange: str, peer: Peer, learned: Learned) -> None:
    """Replace the checkpoint."""
    said = {
        "schema": SCHEMA,
        "bound": _bound(exchange, peer),
        "round": learned.round,
        "losses": asdict(learned.losses),
        "left_out": list(learned.left_out),
        "model": peer.model.state_dict(),
        "optimizer": peer.optimizer.state_dict(),
        "schedule": peer.schedule.state_dict() if peer.schedule else None,
    }
    buffer = io.BytesIO()
    torch.save(said, buffer)
    write_atomically(path, buffer.getvalue(), 0o600)


def restore(path: Path, exchange: str, peer: Peer) -> Learned | None:
    """Bring a freshly made peer to where its checkpoint left off; None without one.

    `UsageError` for a checkpoint of another exchange, peer, plan or task.
    """
    if not path.exists():
        return None
    found = _read(path)
    if found.get("schema") != SCHEMA or found.get("bound") != _bound(exchange, peer):
        raise UsageError(
            f"{path} is the checkpoint of another exchange, peer, plan or task",
            hint="Name another state directory, or move that file away.",
        )
    try:
        peer.model.load_state_dict(found["model"])
        peer.optimizer.load_state_dict(found["optimizer"])
        if peer.schedule:
            peer.schedule.load_state_dict(found["schedule"])
        return Learned(found["round"], Losses(**found["losses"]), tuple(found["left_out"]))
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        raise UsageError(f"{path} does not fit what the peer factory made: {error}") from error


def _bound(exchange: str, peer: Peer) -> dict[str, str]:
    return {"exchange": exchange, "peer": peer.name, "plan": peer.plan.digest, "task": peer.task.digest}


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)  # our own file; and no code in it is run
    except Exception as error:  # torch raises whatever its readers do
        raise RuntimeFault(f"{path} cannot be read: {type(error).__name__}") from error
    if not isinstance(found, dict):
        raise RuntimeFault(f"{path} is no checkpoint")
    return found
