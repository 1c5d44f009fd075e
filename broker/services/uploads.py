"""Uploads that resume: a packet's bytes in parts, each of which is durable or not there at all.

    open --append--> open          offset checked under the row's lock
    open --complete--> complete    all bytes there, digest right, packet published: one transaction
    open --complete--> aborted     all bytes there, and they are not those that were announced
    open --abort--> aborted        by its publisher
    open --time--> expired         nobody went on with it

Nothing leaves the other three. What they leave lying about is cleared by a sweep, after the commit that ended them.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from broker.models import Upload, UploadState
from broker.services import packets, publishing, quotas
from broker.services.agents import Principal
from broker.services.publishing import Desk, Published
from broker.storage import BlobStore, Bytes
from broker.storage.pieces import chained, pieces
from m2kt.errors import Conflict, NotFound, QuotaExceeded, TooLarge, UploadGone, UploadOffset, UsageError

PART_BYTES = 16 * 2**20
"""What clients are told to send at once, and the most that is taken: it is held in memory."""

MIN_PART_BYTES = 64 * 1024
"""Of all parts but the last: so that an upload has few of them."""

MAX_OPEN = 16
KEEP = timedelta(days=7)
"""How long the row of an upload that ended tells how."""

BITE = 50
NOW = func.clock_timestamp()


@dataclass(frozen=True)
class Begun:
    upload: Upload
    fresh: bool


@dataclass(frozen=True)
class Ended:
    """A completed upload and its packet; or one whose bytes were wrong, which must be committed, too."""

    upload: Upload
    published: Published | None


def begin(session: Session, desk: Desk, digest: str, length: int, by: Principal) -> Begun:
    """A new upload, or the open one of the same bytes by the same agent: so that a lost answer is no loss."""
    if length > desk.max_bytes:
        raise TooLarge(f"the packet would have {length} bytes, the limit is {desk.max_bytes}")
    quotas.require(session, desk.quota, by, digest, length)
    mine = select(func.count()).where(Upload.publisher == by.name, Upload.state == UploadState.OPEN)
    if session.scalars(mine).one() >= MAX_OPEN and _open(session, digest, by) is None:
        raise QuotaExceeded(f"{by.name} has {MAX_OPEN} uploads that are not finished", hint="Finish or abort one.")
    row = {"publisher": by.name, "digest": digest, "length": length, "received": 0, "expires": NOW + desk.patience}
    fresh = session.scalars(
        insert(Upload).values(id=uuid.uuid4(), **row).on_conflict_do_nothing().returning(Upload)
    ).first()
    if fresh is not None:
        return Begun(fresh, fresh=True)
    found = _open(session, digest, by)
    if found is None or found.length != length:
        raise Conflict("another upload of this digest is under way, with another length", hint="Abort it first.")
    return Begun(found, fresh=False)


def _open(session: Session, digest: str, by: Principal) -> Upload | None:
    wanted = select(Upload).where(Upload.publisher == by.name, Upload.digest == digest)
    return session.scalar(wanted.where(Upload.state == UploadState.OPEN))


def get(session: Session, upload_id: uuid.UUID, by: Principal, *, lock: bool = False) -> Upload:
    """An upload of this agent; others' do not exist for it."""
    found = session.get(Upload, upload_id, with_for_update=lock, populate_existing=lock)
    if found is None or found.publisher != by.name:
        raise NotFound(f"there is no upload {upload_id}", hint="Begin one: POST /v1/uploads.")
    return found


def append(session: Session, desk: Desk, upload_id: uuid.UUID, offset: int, data: Bytes, by: Principal) -> Upload:
    """Take in a part; `UploadOffset` unless it begins where the upload ends. The part is durable when this commits."""
    upload = _held(session, upload_id, by)
    if offset != upload.received:
        raise _elsewhere(upload)
    left = upload.length - offset
    if len(data) > left:
        raise UsageError(f"the part has {len(data)} bytes, {left} are missing")
    if len(data) < min(left, MIN_PART_BYTES):
        raise UsageError(f"every part but the last has at least {MIN_PART_BYTES} bytes")
    desk.store.append(session, upload.id, offset, data)
    upload.received = offset + len(data)
    for _, piece in pieces(data):
        upload.chain = chained(upload.chain, piece)
    upload.expires = NOW + desk.patience
    session.flush()
    return upload


def _elsewhere(upload: Upload) -> UploadOffset:
    error = UploadOffset(f"the next part begins at {upload.received}")
    error.received = upload.received
    return error


def _held(session: Session, upload_id: uuid.UUID, by: Principal) -> Upload:
    """The upload, locked, and still open."""
    upload = get(session, upload_id, by, lock=True)
    if upload.state == UploadState.COMPLETE:
        raise Conflict(f"the upload is complete: it is packet {upload.packet_id}", hint="There is nothing left to do.")
    if upload.state != UploadState.OPEN:
        raise UploadGone(f"the upload is {upload.state}: {upload.reason}")
    return upload


def complete(session: Session, desk: Desk, upload_id: uuid.UUID, by: Principal, project: str | None = None) -> Ended:
    """Publish what was uploaded. A second time is answered like the first. What `publishing.publish` refuses leaves
    the upload open: it may be a key that is not registered yet."""
    upload = get(session, upload_id, by, lock=True)
    if upload.state == UploadState.COMPLETE:
        return Ended(upload, Published(packets.get(session, upload.packet_id or ""), fresh=False))
    _held(session, upload_id, by)
    if upload.received < upload.length:
        raise _elsewhere(upload)
    data = desk.store.assemble(session, upload.id, upload.length)
    if f"sha256:{sha256(data).hexdigest()}" != upload.digest:
        _end(session, upload, UploadState.ABORTED, "its bytes are not those that were announced")
        return Ended(upload, None)
    published = publishing.publish(session, desk, data, publisher=by, project=project, digest=upload.digest)
    upload.packet_id = published.packet.packet_id
    _end(session, upload, UploadState.COMPLETE, None)
    return Ended(upload, published)


def abort(session: Session, upload_id: uuid.UUID, by: Principal) -> None:
    """Give an upload up; again changes nothing."""
    upload = get(session, upload_id, by, lock=True)
    if upload.state == UploadState.COMPLETE:
        _held(session, upload_id, by)
    if upload.state == UploadState.OPEN:
        _end(session, upload, UploadState.ABORTED, "its publisher gave it up")


def _end(session: Session, upload: Upload, state: UploadState, reason: str | None) -> None:
    upload.state, upload.reason, upload.expires = state, reason, NOW + KEEP
    session.flush()


# The sweep


def expire(session: Session) -> int:
    """Give up what nobody went on with; returns how many."""
    late = _old(UploadState.OPEN)
    change = update(Upload).where(Upload.id.in_(late.scalar_subquery()))
    values = {"state": UploadState.EXPIRED, "reason": "nobody went on with it in time", "expires": NOW + KEEP}
    done = session.execute(change.values(values).returning(Upload.id).execution_options(synchronize_session=False))
    return len(done.all())


def clear(session: Session, store: BlobStore) -> int:
    """Drop the parts of uploads that have ended; returns of how many."""
    ended = select(Upload).where(Upload.state != UploadState.OPEN, ~Upload.cleared).limit(BITE)
    found = list(session.scalars(ended.with_for_update(skip_locked=True)))
    for each in found:
        store.discard(session, each.id)
        each.cleared = True
    session.flush()
    return len(found)


def forget(session: Session) -> None:
    """Drop the rows of uploads that ended long ago."""
    states = [each for each in UploadState if each != UploadState.OPEN]
    old = _old(*states).where(Upload.cleared)
    gone = delete(Upload).where(Upload.id.in_(old.scalar_subquery()))
    session.execute(gone.execution_options(synchronize_session=False))


def _old(*states: UploadState) -> Select[uuid.UUID]:
    late = select(Upload.id).where(Upload.state.in_(states), Upload.expires < NOW).order_by(Upload.expires)
    return late.limit(BITE).with_for_update(skip_locked=True)
