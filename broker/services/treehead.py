"""The log's head as people look at it: what was signed, by whom, and whether the tree in the database is still it."""

import base64
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from broker.models import LogCheckpoint, LogLeaf
from broker.services import sequencer
from broker.services.sequencer import Keeper
from broker.services.tlog import prove, stored_tiles
from m2kt.errors import CheckpointInvalid, LogTampered, UsageError
from m2kt.log import Checkpoint, Note, tiles, tree

MOST = 10_000
"""Waiting entries are counted so far."""


@dataclass(frozen=True)
class Cosigner:
    name: str
    key_hash: str
    ours: bool
    """Whether it is the log's own key."""


@dataclass(frozen=True)
class TreeHead:
    """``fault``: why nobody should believe it, found just now. What the note says is shown, not believed."""

    origin: str
    size: int
    root: str
    time: int
    waiting: int
    note: str
    published: bool
    signatures: tuple[Cosigner, ...]
    fault: str | None


def look(session: Session, keeper: Keeper) -> TreeHead:
    """Compute the root again, along the tree's right edge, and compare it with what was signed."""
    head = sequencer.newest(session)
    fault = _fault(session, keeper, head)
    for _ in range(3):  # the sequencer may have signed another one between two of our looks
        now = sequencer.newest(session)
        if fault is None or _same(head, now):
            break
        head, fault = now, _fault(session, keeper, now)
    waiting = select(LogLeaf.id).where(LogLeaf.index.is_(None)).limit(MOST)
    count = session.scalars(select(func.count()).select_from(waiting.subquery())).one()
    if head is None:
        return TreeHead(keeper.origin, 0, "", 0, count, "", False, (), fault)
    size, root = _said(head)
    return TreeHead(
        keeper.origin, size, root, head.time, count, head.note, head.published, _signatures(head, keeper), fault
    )


def begins_with(session: Session, head: TreeHead, old: int, root: str) -> str:
    """What to say when the tree of ``head`` begins with that of ``old`` entries, whose ``root`` (hex or base64) is
    remembered; `ProofInvalid` when it does not, `UsageError` for what is no size or root. Without a root: the one that
    the tree had then, to be compared by eye."""
    if head.fault is not None:
        raise LogTampered(head.fault)
    if not 0 < old <= head.size:
        raise UsageError(f"the log has {head.size} entries", hint="A size from 1 to that has a root to compare.")
    read = tiles.reader(stored_tiles(session))
    was, now = tree.root(read, old), bytes.fromhex(head.root)
    tree.verify_consistency(old, head.size, _root(root) if root else was, now, prove(session, old, head.size))
    said = f"The {head.size:,} entries of now begin with the {old:,} of then"
    return f"{said}: their root was {was.hex()}." + ("" if root else " Compare that with the one that you remember.")


def _root(text: str) -> bytes:
    """As people copy it: in hex, or from a checkpoint in base64."""
    with suppress(ValueError):
        return bytes.fromhex(text)
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise UsageError("a root is 64 hexadecimal digits, or what a checkpoint has in base64") from error


def _same(one: LogCheckpoint | None, other: LogCheckpoint | None) -> bool:
    return (one and one.note) == (other and other.note)


def _fault(session: Session, keeper: Keeper, head: LogCheckpoint | None) -> str | None:
    try:
        sequencer.require_intact(session, keeper, head)
    except (LogTampered, UsageError) as error:
        return f"The log no longer matches: {error.detail}"
    return None


def _said(head: LogCheckpoint) -> tuple[int, str]:
    try:
        found = Checkpoint.parse(Note.from_bytes(head.note.encode()).text)
    except CheckpointInvalid:
        return head.size, "unreadable"
    return found.size, found.root.hex()


def _signatures(head: LogCheckpoint, keeper: Keeper) -> tuple[Cosigner, ...]:
    try:
        note = Note.from_bytes(head.note.encode())
    except CheckpointInvalid:
        return ()
    ours = {(each.name, each.hash) for each in keeper.note_keys}
    return tuple(Cosigner(each.name, each.hash.hex(), (each.name, each.hash) in ours) for each in note.signatures)
