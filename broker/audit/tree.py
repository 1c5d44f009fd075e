"""The log as it is stored: leaves, tiles and checkpoints are one tree, which the broker signed."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.models import LogCheckpoint, LogLeaf, LogTile
from broker.services.sequencer import Keeper
from m2kt.client.statements import Report
from m2kt.errors import CheckpointInvalid
from m2kt.log import Checkpoint, Note, tiles
from m2kt.log.notes import verify
from m2kt.log.tiles import Place
from m2kt.packet import merkle


def check(session: Session, keeper: Keeper, report: Report) -> int:
    """Every leaf, tile and checkpoint; returns how many entries have a place."""
    placed = select(LogLeaf.index, LogLeaf.entry).where(LogLeaf.index.is_not(None)).order_by(LogLeaf.index)
    leaves = []
    for expected, (index, entry) in enumerate(session.execute(placed)):
        if index != expected:
            report(f"log_leaves with index {expected}", "this leaf is missing")
            return expected
        leaves.append(merkle.leaf_hash(entry))
    _check_tiles(session, leaves, report)
    _check_checkpoints(session, keeper, leaves, report)
    return len(leaves)


def _check_tiles(session: Session, leaves: Sequence[bytes], report: Report) -> None:
    derived = tiles.extend(lambda *_: b"", 0, list(leaves)) if leaves else {}
    rows = session.execute(select(LogTile.level, LogTile.index, LogTile.hashes))
    stored = {(level, index): hashes for level, index, hashes in rows}
    for level, index in sorted({*derived, *stored}):
        where = f"log_tiles {level} {index}"
        if (level, index) not in stored:
            report(where, f"this tile ({Place(level, index).path}) is missing")
        elif derived.get((level, index)) != stored[level, index]:
            report(where, "its hashes are not those of the entries below it")


def _check_checkpoints(session: Session, keeper: Keeper, leaves: Sequence[bytes], report: Report) -> None:
    rows = session.execute(select(LogCheckpoint.size, LogCheckpoint.note).order_by(LogCheckpoint.size)).all()
    if leaves and (not rows or rows[-1][0] != len(leaves)):
        report("log_checkpoints", f"no checkpoint of the {len(leaves)} entries that are integrated is there")
    for size, text in rows:
        fault = _fault(keeper, size, text, leaves)
        if fault:
            report(f"log_checkpoints {size}", fault)


def _fault(keeper: Keeper, size: int, text: str, leaves: Sequence[bytes]) -> str | None:
    try:
        note = Note.from_bytes(text.encode())
        signed = Checkpoint.parse(note.text)
        verify(note, keeper.note_keys)
    except CheckpointInvalid as error:
        return error.detail
    if signed.size != size or size > len(leaves):
        return f"the note is of {signed.size} entries, the row says {size}, {len(leaves)} are integrated"
    return None if merkle.root(list(leaves[:size])) == signed.root else "the leaves do not give the root that it signs"
