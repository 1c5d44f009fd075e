"""The one writer of the tree. A lock in the database lets one in at a time, wherever the others run.

It never signs on top of a tree that is not the one it signed last: a database that was changed stops it.
"""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, extract, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from broker.models import LogCheckpoint, LogLeaf, LogTile
from broker.services.tlog import stored_tiles
from m2kt.errors import CheckpointInvalid, LogTampered, UsageError
from m2kt.log import Checkpoint, Kind, Note, NoteKey, issue, tiles, tree
from m2kt.log.checkpoints import is_origin
from m2kt.log.notes import verify
from m2kt.packet.merkle import leaf_hash
from m2kt.signing.keys import PrivateKey, PublicKey, key_id, load_trusted

BATCH = 4096
REFRESH_SECONDS = 60
"""How often an unchanged checkpoint is signed anew, with the time: a reader takes an old time for a frozen log."""

_LOCK = 0x6D326B74_6C6F6701
_TAKE = text(
    """
    UPDATE log_leaves AS leaf SET index = place.index
    FROM (SELECT id, :size + row_number() OVER (ORDER BY id) - 1 AS index
          FROM (SELECT id FROM log_leaves WHERE index IS NULL ORDER BY id LIMIT :batch) AS waiting) AS place
    WHERE leaf.id = place.id RETURNING leaf.index, leaf.entry
    """
)


@dataclass(frozen=True)
class Keeper:
    """Who signs the log: its name, the broker's key, those that it had before, and how many witnesses must cosign."""

    origin: str
    key: PrivateKey
    former: tuple[PublicKey, ...] = ()
    quorum: int = 0

    @property
    def note_keys(self) -> list[NoteKey]:
        return [NoteKey(self.origin, key, kind) for key in (self.key.public_key(), *self.former) for kind in Kind]


def read_keeper(key: PrivateKey, origin: str | None, former_keys: Path | None, quorum: int) -> Keeper:
    """The keeper that the settings describe. A log without a name is called after the broker's first key."""
    origin = origin or f"m2kt.log/{key_id(key.public_key())[:16]}"
    if not is_origin(origin):
        raise UsageError(f"M2KT_LOG_ORIGIN: {origin!a} is no name of a log", hint="Write it like log.example.org/m2kt.")
    former = [load_trusted(path).key for path in sorted(former_keys.glob("*.pub"))] if former_keys else []
    return Keeper(origin, key, tuple(former), quorum)


def database_time(session: Session) -> int:
    """Seconds since the epoch by the one clock that all replicas share."""
    return int(session.scalars(select(extract("epoch", func.clock_timestamp()))).one())


def newest(session: Session) -> LogCheckpoint | None:
    """The largest checkpoint, published or not."""
    return session.scalars(
        select(LogCheckpoint).order_by(LogCheckpoint.size.desc()).limit(1).execution_options(populate_existing=True)
    ).first()


def integrate(session: Session, keeper: Keeper) -> int:
    """One batch, all of it in the caller's transaction:

    1. take the lock, or leave it to whoever has it;
    2. see that the tree is still the one that was signed last (`LogTampered`);
    3. give waiting entries their places and extend the tiles;
    4. sign the new tree, or the old one anew when its time is a minute old.

    Returns how many entries were integrated; `BATCH` says that more may wait.
    """
    # 1.
    if not session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))):
        return 0
    # 2.
    head = newest(session)
    size = require_intact(session, keeper, head)
    # 3.
    leaves = _take(session, size)
    changed = tiles.extend(stored_tiles(session), size, leaves) if leaves else {}
    _write_tiles(session, changed)
    # 4.
    now = database_time(session)
    if leaves or head is None:
        root = tree.root(tiles.reader(stored_tiles(session, changed)), size + len(leaves))
        _sign(session, keeper, Checkpoint(keeper.origin, size + len(leaves), root), now)
    elif head.published and not keeper.quorum and now - head.time >= REFRESH_SECONDS:
        note = issue(Checkpoint.parse(Note.from_bytes(head.note.encode()).text), keeper.key, now)
        head.note, head.time = note.to_bytes().decode(), now
        session.flush()
    return len(leaves)


def require_intact(session: Session, keeper: Keeper, head: LogCheckpoint | None) -> int:
    """The size of the tree, once the newest checkpoint is ours and says what leaves and tiles say."""
    last = session.scalars(select(func.max(LogLeaf.index))).one()
    size = 0 if last is None else last + 1
    if head is None:
        if size:
            raise LogTampered(f"{size} entries are integrated, and no checkpoint is there")
        return 0
    signed = _ours(keeper, head)
    if (signed.size, head.size) != (size, size):
        raise LogTampered(f"the newest checkpoint is of {signed.size} entries, {size} are integrated")
    if tree.root(tiles.reader(stored_tiles(session)), size) != signed.root:
        raise LogTampered(f"the tiles do not give the root that was signed for {size} entries")
    return size


def _ours(keeper: Keeper, head: LogCheckpoint) -> Checkpoint:
    """What we signed last."""
    try:
        note = Note.from_bytes(head.note.encode())
        found = Checkpoint.parse(note.text)
        if found.origin == keeper.origin:
            verify(note, keeper.note_keys)
    except CheckpointInvalid as error:
        raise LogTampered(f"the newest checkpoint in the database: {error.detail}") from error
    if found.origin != keeper.origin:
        raise UsageError(
            f"this database holds the log {found.origin}, not {keeper.origin}",
            hint=f"Set M2KT_LOG_ORIGIN={found.origin}: a log keeps its name for ever.",
        )
    return found


def _take(session: Session, size: int) -> list[bytes]:
    """Leaf hashes of the entries that now have the places from ``size`` on, in order."""
    taken = session.execute(_TAKE, {"size": size, "batch": BATCH}).all()
    return [leaf_hash(bytes(entry)) for _, entry in sorted(taken)]


def _write_tiles(session: Session, changed: dict[tuple[int, int], bytes]) -> None:
    if not changed:
        return
    rows = [{"level": level, "index": index, "hashes": hashes} for (level, index), hashes in changed.items()]
    wanted = insert(LogTile)
    session.execute(
        wanted.on_conflict_do_update(
            index_elements=[LogTile.level, LogTile.index], set_={"hashes": wanted.excluded.hashes}
        ),
        rows,
    )


def _sign(session: Session, keeper: Keeper, checkpoint: Checkpoint, now: int) -> None:
    note = issue(checkpoint, keeper.key, now).to_bytes().decode()
    if not keeper.quorum:
        _forget_older(session, checkpoint.size)
    session.add(LogCheckpoint(size=checkpoint.size, note=note, time=now, published=not keeper.quorum))
    session.flush()


def _forget_older(session: Session, size: int) -> None:
    """Rows that nobody reads could be changed unseen; what was signed before, witnesses and readers remember."""
    session.execute(delete(LogCheckpoint).where(LogCheckpoint.size < size))


def due_for_witnesses(session: Session, keeper: Keeper) -> LogCheckpoint | None:
    """The newest checkpoint, when witnesses should see it: it is unpublished, or its time is a minute old."""
    head = newest(session)
    if head is None or not keeper.quorum:
        return None
    fresh = head.published and database_time(session) - head.time < REFRESH_SECONDS
    return None if fresh else head


def publish(session: Session, size: int, note: Note, time: int) -> bool:
    """Publish a checkpoint whose note carries cosignatures of a quorum; the caller has checked them."""
    head = session.get(LogCheckpoint, size, with_for_update=True, populate_existing=True)
    if head is None or time < head.time:
        return False
    head.note, head.time, head.published = note.to_bytes().decode(), time, True
    session.flush()
    _forget_older(session, size)
    return True
