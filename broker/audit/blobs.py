"""Bytes: every blob's, whether anybody may pull it or not."""

from hashlib import sha256

from sqlalchemy import Result, select
from sqlalchemy.orm import Session

from broker.models import Blob, Chunk, Packet
from broker.storage.postgres import CHUNK
from m2kt.client.statements import Report


def check(session: Session, report: Report) -> int:
    """Every blob, every chunk, and what packets say of them; returns how many blobs there are."""
    sizes = {row.sha256: row.size for row in session.execute(select(Blob.sha256, Blob.size))}
    for digest, size in sizes.items():
        wanted = select(Chunk.seq, Chunk.data).where(Chunk.sha256 == digest).order_by(Chunk.seq)
        with session.execute(wanted.execution_options(yield_per=16)) as chunks:
            fault = _fault(digest, size, chunks)
        if fault:
            report(f"blobs {digest}", fault)
    for stray in session.scalars(select(Chunk.sha256).distinct().where(Chunk.sha256.not_in(select(Blob.sha256)))):
        report(f"chunks {stray}", "they belong to no blob")
    for packet, digest, size in session.execute(select(Packet.packet_id, Packet.content_sha256, Packet.size)):
        if sizes.get(digest) != size:
            report(f"packets {packet}", f"its content has {sizes.get(digest)} bytes, its row says {size}")
    return len(sizes)


def _fault(digest: str, size: int, chunks: Result[int, bytes]) -> str | None:
    found, length, places = sha256(), 0, 0
    for seq, data in chunks:
        if seq != places or length != seq * CHUNK:
            return f"its chunk {places} is missing, or is not {CHUNK} bytes long"
        found.update(data)
        length, places = length + len(data), places + 1
    if length != size:
        return f"its chunks have {length} bytes, its row says {size}"
    return None if digest == f"sha256:{found.hexdigest()}" else "the bytes of its chunks are not those of its name"
