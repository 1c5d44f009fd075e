"""Blobs in chunks."""

from hashlib import sha256

from sqlalchemy import func, select

from broker.models import Blob, Chunk
from broker.storage.postgres import CHUNK, PostgresBlobs

DATA = bytes(range(256)) * (CHUNK // 128) + b"tail"
DIGEST = f"sha256:{sha256(DATA).hexdigest()}"


def test_a_blob_is_named_by_its_digest_and_stored_once(session):
    store = PostgresBlobs()
    store.put(session, DATA, DIGEST)
    store.put(session, DATA, DIGEST)
    assert session.scalar(select(func.count()).select_from(Blob)) == 1
    assert session.scalar(select(func.max(func.length(Chunk.data)))) == CHUNK


def test_any_range_is_read_from_the_chunks_that_hold_it(session):
    store = PostgresBlobs()
    store.put(session, DATA, DIGEST)
    for start, stop in ((0, len(DATA)), (0, 1), (CHUNK - 1, CHUNK + 1), (CHUNK, 2 * CHUNK), (len(DATA) - 4, len(DATA))):
        assert b"".join(store.read(session, DIGEST, start, stop)) == DATA[start:stop]


def test_a_deleted_blob_leaves_no_chunk(session):
    store = PostgresBlobs()
    store.put(session, DATA, DIGEST)
    store.delete(session, DIGEST)
    assert session.scalar(select(func.count()).select_from(Chunk)) == 0
