"""Bytes: every blob's, whether anybody may pull it or not."""

from hashlib import sha256

from sqlalchemy import Result, select
from sqlalchemy.orm import Session

from broker.models import Blob, Chunk, Packet
from broker.storage import BlobStore
from broker.storage.postgres import CHUNK
from m2kt.client.statements import Report
from m2kt.errors import StorageAway


def check(session: Session, store: BlobStore, report: Report) -> int:
    """Every blob, every chunk, and what packets say of them; returns how many blobs there are. Bytes that are not in
    Postgres are read from ``store``."""
    sizes = {row.sha256: row.size for row in session.execute(select(Blob.sha256, Blob.size))}
    for digest, size in sizes.items():
        fault = _fault_inside(session, digest, size)
        if fault == NO_CHUNKS:
            fault = _fault_outside(session, store, digest, size)
        if fault:
            report(f"blobs {digest}", fault)
    for stray in session.scalars(select(Chunk.sha256).distinct().where(Chunk.sha256.not_in(select(Blob.sha256)))):
        report(f"chunks {stray}", "they belong to no blob")
    for packet, digest, size in session.execute(select(Packet.packet_id, Packet.content_sha256, Packet.size)):
        if sizes.get(digest) != size:
            report(f"packets {packet}", f"its content has {sizes.get(digest)} bytes, its row says {size}")
    return len(sizes)


NO_CHUNKS = "it has no chunks"


def _fault_inside(session: Session, digest: str, size: int) -> str | None:
    wanted = select(Chunk.seq, Chunk.data).where(Chunk.sha256 == digest).order_by(Chunk.seq)
    with session.execute(wanted.execution_options(yield_per=16)) as chunks:
        return _fault(digest, size, chunks)


def _fault_outside(session: Session, store: BlobStore, digest: str, size: int) -> str | None:
    found, length = sha256(), 0
    try:
        for piece in store.read(session, digest, 0, size):
            found.update(piece)
            length += len(piece)
    except StorageAway as error:
        return f"its bytes cannot be read: {error.detail}"
    if length != size:
        return f"its chunks have {length} bytes, its row says {size}"
    return None if digest == f"sha256:{found.hexdigest()}" else "its bytes are not those of its name"


def _fault(digest: str, size: int, chunks: Result[int, bytes]) -> str | None:
    found, length, places = sha256(), 0, 0
    for seq, data in chunks:
        if seq != places or length != seq * CHUNK:
            return f"its chunk {places} is missing, or is not {CHUNK} bytes long"
        found.update(data)
        length, places = length + len(data), places + 1
    if not places and size:
        return NO_CHUNKS
    if length != size:
        return f"its chunks have {length} bytes, its row says {size}"
    return None if digest == f"sha256:{found.hexdigest()}" else "the bytes of its chunks are not those of its name"
