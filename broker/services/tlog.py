"""The transparency log as others see it: entries go in with what they state, tiles and proofs come out.

`broker.services.sequencer` turns waiting entries into the tree. Nothing that no published checkpoint covers is shown.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from broker.models import LogCheckpoint, LogLeaf, LogTile
from m2kt.errors import LogTampered, NotFound, NotLogged, UsageError
from m2kt.log import Proof, tiles, tree
from m2kt.log.entries import entry_of
from m2kt.log.tiles import Place
from m2kt.signing.dsse import Envelope


def append(session: Session, kind: str, pae: bytes) -> None:
    """Have a statement logged; to be called in the transaction that makes it true. The same one twice is one entry."""
    append_all(session, kind, [pae])


def append_all(session: Session, kind: str, paes: Sequence[bytes]) -> None:
    """The same for many statements of one kind."""
    rows = [{"entry": entry_of(each), "kind": kind} for each in paes]
    if rows:
        session.execute(insert(LogLeaf).on_conflict_do_nothing(), rows)


def published(session: Session) -> LogCheckpoint:
    """The newest checkpoint that may be shown."""
    wanted = select(LogCheckpoint).where(LogCheckpoint.published).order_by(LogCheckpoint.size.desc()).limit(1)
    found = session.scalars(wanted.execution_options(populate_existing=True)).first()
    if found is None:
        raise NotLogged("the log has no checkpoint yet")
    return found


def stored_tiles(session: Session, over: Mapping[tuple[int, int], bytes] | None = None) -> tiles.ReadTile:
    """Tiles from the database, those in ``over`` in their place."""

    def read(level: int, index: int) -> bytes:
        if over and (level, index) in over:
            return over[level, index]
        found = session.scalar(select(LogTile.hashes).where(LogTile.level == level, LogTile.index == index))
        if found is None:
            raise LogTampered(f"tile {Place(level, index).path} is missing")
        return found

    return read


def resource(session: Session, place: Place) -> bytes:
    """A tile's or a bundle's bytes; `NotFound` for what the published tree does not have."""
    size = published(session).size
    if tiles.width_at(size, place.level or 0, place.index) < place.width:
        raise NotFound("the log has no such tile, or not so wide", hint="Look at the size in /v1/log/checkpoint.")
    if place.level is not None:
        return stored_tiles(session)(place.level, place.index)[: place.width * tiles.HASH_BYTES]
    first = place.index * tiles.WIDTH
    wanted = select(LogLeaf.entry).where(LogLeaf.index.between(first, first + place.width - 1)).order_by(LogLeaf.index)
    return tiles.encode_entries(list(session.scalars(wanted)))


def proof(session: Session, entry: bytes) -> Proof:
    """Where an entry stands in the published tree; `NotLogged` while it waits, `NotFound` for a stranger."""
    known, index = _find(session, entry)
    if not known:
        raise NotFound("the log has no such entry", hint="An entry is SHA-256 of a statement's DSSE encoding, in hex.")
    checkpoint = published(session)
    if index is None or index >= checkpoint.size:
        raise NotLogged("the entry waits to be integrated")
    read = tiles.reader(stored_tiles(session))
    return Proof(index, tuple(tree.inclusion_proof(read, index, checkpoint.size)), checkpoint.note.encode())


def proof_of(session: Session, envelope: bytes) -> str | None:
    """The proof that a statement, in its envelope, stands in the log, or nothing while it waits."""
    with suppress(NotLogged):
        return proof(session, entry_of(Envelope.from_bytes(envelope).pae)).to_text()
    return None


def _find(session: Session, entry: bytes) -> tuple[bool, int | None]:
    found = session.execute(select(LogLeaf.index).where(LogLeaf.entry == entry)).one_or_none()
    return found is not None, found[0] if found else None


def consistency(session: Session, old: int, new: int) -> list[bytes]:
    """That the tree of ``new`` entries, which is published, begins with that of ``old``."""
    if old > new or new > published(session).size:
        raise UsageError("consistency is proven between sizes that the log had, the smaller first")
    return prove(session, old, new)


def prove(session: Session, old: int, new: int) -> list[bytes]:
    """The same between any two sizes that are integrated, for witnesses, who see a checkpoint before others do."""
    return tree.consistency_proof(tiles.reader(stored_tiles(session)), old, new)


def leaves(session: Session, *, before: int, limit: int) -> Sequence[LogLeaf]:
    """Integrated entries, newest first, from the one before place ``before``."""
    wanted = select(LogLeaf).where(LogLeaf.index < before).order_by(LogLeaf.index.desc()).limit(limit)
    return session.scalars(wanted).all()


@dataclass(frozen=True)
class Pulse:
    """How the sequencer is doing, for the machines that watch."""

    size: int
    waiting: int
    age_seconds: float


def pulse(session: Session, clock: Callable[[Session], int]) -> Pulse:
    newest = session.execute(
        select(LogCheckpoint.size, LogCheckpoint.time)
        .where(LogCheckpoint.published)
        .order_by(LogCheckpoint.size.desc())
        .limit(1)
    ).one_or_none()
    waiting = session.scalars(select(func.count()).where(LogLeaf.index.is_(None))).one()
    size, time = newest or (0, 0)
    return Pulse(size, waiting, float(clock(session) - time))
