"""Blobs outside Postgres: two phases, and a collector that cannot take what a packet refers to."""

import random
import threading
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from broker.audit import blobs
from broker.db import make_engine, make_sessions
from broker.models import Blob, PendingBlob
from broker.storage.external import ExternalBlobs
from broker.storage.objects import PIECE, FileObjects
from broker.storage.place import open_store
from broker.storage.postgres import PostgresBlobs
from m2kt.errors import StorageAway, UsageError

DATA = bytes(range(256)) * (PIECE // 128) + b"tail"


def name(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"


@pytest.fixture
def sessions(migrated_engine):
    """Sessions that really commit: two phases need two transactions."""
    engine = make_engine(migrated_engine.url.render_as_string(hide_password=False))
    yield make_sessions(engine)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM blobs"))
        connection.execute(text("DELETE FROM pending_blobs"))
        connection.execute(text("DELETE FROM uploads"))
    engine.dispose()


@pytest.fixture(params=["file", "s3"])
def store(request, sessions, tmp_path, monkeypatch):
    if request.param == "file":
        yield open_store(f"file://{tmp_path}/blobs", sessions)
        return
    yield open_store(f"s3://{request.getfixturevalue('bucket')}/some/prefix", sessions)


@pytest.fixture(scope="module")
def s3_url():
    """An S3 of our own on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_url, monkeypatch):
    import boto3

    told = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1"}
    for each, value in {**told, "AWS_ENDPOINT_URL_S3": s3_url}.items():
        monkeypatch.setenv(each, value)
    boto3.client("s3").create_bucket(Bucket="packets")
    return "packets"


def kept(sessions, store, data: bytes) -> None:
    with sessions.begin() as session:
        store.put(session, data, name(data))


def read(sessions, store, data: bytes, start: int = 0, stop: int | None = None) -> bytes:
    with sessions.begin() as session:
        pieces = store.read(session, name(data), start, len(data) if stop is None else stop)
    return b"".join(pieces)


def test_any_range_is_read_after_the_session_has_ended(store, sessions):
    kept(sessions, store, DATA)
    kept(sessions, store, DATA)
    for start, stop in ((0, len(DATA)), (0, 1), (PIECE - 1, PIECE + 1), (len(DATA) - 4, len(DATA)), (5, 5)):
        assert read(sessions, store, DATA, start, stop) == DATA[start:stop]
    with sessions.begin() as session:
        assert session.scalar(select(func.count()).select_from(Blob)) == 1
        assert session.scalar(select(func.count()).select_from(PendingBlob)) == 0


def test_what_no_transaction_refers_to_is_collected_after_the_grace(store, sessions):
    with sessions() as session:
        store.put(session, DATA, name(DATA))
        session.rollback()
    with sessions.begin() as session:
        assert store.collect(session, 3600) == 0
    with sessions.begin() as session:
        assert store.collect(session, 0) == 1
    with pytest.raises(StorageAway):
        read(sessions, store, DATA)


def test_what_a_blob_refers_to_stays_and_goes_when_it_is_deleted(store, sessions):
    kept(sessions, store, DATA)
    with sessions.begin() as session:
        assert store.collect(session, 0) == 0
    assert read(sessions, store, DATA) == DATA
    with sessions.begin() as session:
        store.delete(session, name(DATA))
    assert read(sessions, store, DATA) == DATA  # somebody may be reading it
    with sessions.begin() as session:
        assert store.collect(session, 0) == 1
    with pytest.raises(StorageAway):
        read(sessions, store, DATA)


def test_a_publication_whose_bytes_were_collected_meanwhile_fails_and_leaves_no_unknown_garbage(store, sessions):
    draft = store.begin(DATA, name(DATA))
    draft.sheet.result()
    with sessions.begin() as session:
        assert store.collect(session, 0) == 1
    with pytest.raises(StorageAway), sessions.begin() as session:
        draft.keep(session)
    draft.drop()
    with sessions.begin() as session:
        assert session.scalar(select(func.count()).select_from(Blob)) == 0
        assert session.scalars(select(PendingBlob.sha256)).all() == [name(DATA)]


def test_a_draft_that_nobody_wants_leaves_nothing_under_its_name(sessions, tmp_path):
    store = open_store(f"file://{tmp_path}/blobs", sessions)
    draft = store.begin(DATA, name(DATA))
    draft.sheet.result()
    draft.drop()
    assert not [each for each in tmp_path.rglob("*") if each.is_file()]


def test_a_draft_whose_writer_was_killed_is_collected(sessions, tmp_path):
    store = open_store(f"file://{tmp_path}/blobs", sessions)
    store.begin(DATA, name(DATA)).sheet.result()
    assert [each for each in tmp_path.rglob("*") if each.is_file()]
    with sessions.begin() as session:
        assert store.collect(session, 0) == 1
    assert not [each for each in tmp_path.rglob("*") if each.is_file()]


def test_a_draft_is_not_read_before_it_is_finished(store, sessions):
    with sessions.begin() as session:
        draft = store.begin(DATA, name(DATA))
        draft.keep(session)
        draft.confirm()
        draft.finish()
        draft.drop()
    assert read(sessions, store, DATA) == DATA


def test_what_lay_in_postgres_before_is_still_read(store, sessions):
    kept(sessions, PostgresBlobs(), DATA)
    assert read(sessions, store, DATA, 3, PIECE + 3) == DATA[3 : PIECE + 3]


def test_parts_of_an_upload_are_put_together_and_go(store, sessions):
    from broker.models import Upload

    with sessions.begin() as session:
        upload = Upload(publisher="ada", digest=name(DATA), length=len(DATA), received=0, expires=text("now()"))
        session.add(upload)
        session.flush()
        for start in (0, PIECE + 7):
            store.append(session, upload.id, start, DATA[start : start + PIECE + 7])
        store.append(session, upload.id, 0, DATA[: PIECE + 7])
    with sessions.begin() as session:
        assert store.assemble(session, upload.id, len(DATA)) == DATA
        store.discard(session, upload.id)
        store.discard(session, upload.id)
        assert store.assemble(session, upload.id, 0) == b""


def publish_some(sessions, store, datas, seed, acknowledged) -> None:
    dice = random.Random(seed)
    for _ in range(40):
        data = dice.choice(datas)
        with suppress(StorageAway), sessions() as session:
            store.put(session, data, name(data))
            if dice.random() < 0.3:
                session.rollback()
            else:
                session.commit()
                acknowledged.append(data)


def collect_until(over, sessions, store) -> None:
    while not over.is_set():
        with sessions.begin() as session:
            store.collect(session, 0)


def test_no_acknowledged_blob_is_lost_while_publishers_and_collectors_race(tmp_path, sessions):
    """Four publishers of the same few blobs, some of whom give up; two collectors without any grace at all."""
    store = ExternalBlobs(FileObjects(tmp_path / "blobs"), sessions)
    datas = [b"blob %d " % number * 50 for number in range(6)]
    acknowledged, over = [], threading.Event()
    words = (sessions, store, datas)
    publishers = [threading.Thread(target=publish_some, args=(*words, seed, acknowledged)) for seed in range(4)]
    collectors = [threading.Thread(target=collect_until, args=(over, sessions, store)) for _ in range(2)]
    for each in (*publishers, *collectors):
        each.start()
    for each in publishers:
        each.join()
    over.set()
    for each in collectors:
        each.join()
    assert acknowledged
    for data in set(acknowledged):
        assert read(sessions, store, data) == data


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    import os

    objects = FileObjects(tmp_path)
    objects.put("sha256/aa/first", b"old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(5, "I/O error")))
    with pytest.raises(StorageAway):
        objects.put("sha256/aa/first", b"new")
    assert [each.name for each in (tmp_path / "sha256/aa").iterdir()] == ["first"]
    assert b"".join(objects.get("sha256/aa/first", 0, 3) or ()) == b"old"
    assert objects.get("sha256/aa/second", 0, 3) is None


def test_a_blob_that_was_cut_is_an_error_and_not_a_short_answer(tmp_path, sessions):
    store = ExternalBlobs(FileObjects(tmp_path), sessions)
    kept(sessions, store, DATA)
    hexadecimal = sha256(DATA).hexdigest()
    path = Path(tmp_path / "sha256" / hexadecimal[:2] / hexadecimal)
    path.write_bytes(DATA[:100])
    with pytest.raises(StorageAway):
        read(sessions, store, DATA)


def test_an_s3_that_is_away_is_unavailable(sessions, monkeypatch):
    told = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1"}
    for each, value in {**told, "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(each, value)
    with pytest.raises(StorageAway):
        kept(sessions, open_store("s3://packets", sessions), DATA)


@pytest.mark.parametrize("where", ["", "postgres", "file://", "file://host/x", "ftp://x/y", "s3://", "s3://b/p?x=1"])
def test_a_place_that_is_none_is_refused(where, sessions):
    with pytest.raises(UsageError, match="M2KT_BLOBS"):
        open_store(where, sessions)


def test_the_audit_reads_blobs_where_they_lie_and_names_those_that_were_changed(sessions, tmp_path):
    store = ExternalBlobs(FileObjects(tmp_path), sessions)
    kept(sessions, store, DATA)
    found: list[tuple[str, str]] = []
    with sessions() as session:
        assert (blobs.check(session, store, lambda *finding: found.append(finding)), found) == (1, [])
        path = next(each for each in tmp_path.rglob("*") if each.is_file())
        path.write_bytes(DATA[:-1] + b"?")
        blobs.check(session, store, lambda *finding: found.append(finding))
        path.unlink()
        blobs.check(session, store, lambda *finding: found.append(finding))
    assert [where for where, _ in found] == [f"blobs {name(DATA)}"] * 2
