"""The worker's hand on the log: several sequencers, witnesses that cosign, refuse, or are away."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from broker.models import LogCheckpoint, LogLeaf
from broker.services import tlog
from broker.services.sequencer import Keeper, integrate
from broker.worker import sequencing as module
from broker.worker.sequencing import Sequencing
from m2kt.errors import NotLogged
from m2kt.log import Kind, NoteKey, Policy, Witness, open_checkpoint
from m2kt.log.service import WitnessServer
from m2kt.packet import merkle
from m2kt.signing.keys import generate

ORIGIN = "log.test"
NOW = 1_900_000_000
VKEY = NoteKey("away.test", generate().public_key(), Kind.COSIGNATURE).text


def test_several_sequencers_make_one_log(live, keys):
    """Two threads integrate while four append; nobody loses an entry, and the tree is that of all of them in order."""
    keeper, done = Keeper("log.test", keys.broker), threading.Event()
    failures: list[Exception] = []

    def integrating() -> None:
        while not done.is_set():
            try:
                with live.begin() as session:
                    integrate(session, keeper)
            except Exception as error:
                failures.append(error)
                return

    def appending(who: int) -> None:
        for number in range(50):
            with live.begin() as session:
                tlog.append(session, "test", b"%d %d" % (who, number))

    threads = [threading.Thread(target=appending, args=(each,)) for each in range(4)]
    sequencers = [threading.Thread(target=integrating) for _ in range(2)]
    for each in (*threads, *sequencers):
        each.start()
    for each in threads:
        each.join()
    done.set()
    for each in sequencers:
        each.join()
    assert failures == []
    with live.begin() as session:
        integrate(session, keeper)
        rows = list(session.scalars(select(LogLeaf).order_by(LogLeaf.index)))
        assert [each.index for each in rows] == list(range(200))
        root = merkle.root([merkle.leaf_hash(each.entry) for each in rows])
        assert opened(session, keeper).checkpoint.root == root
        assert session.scalars(select(func.count()).select_from(LogCheckpoint)).one() == 1


def opened(session, keeper, policy: Policy | None = None):
    policy = policy or Policy(keeper.origin, (keeper.key.public_key(),))
    return open_checkpoint(tlog.published(session).note.encode(), policy)


class Watcher:
    """A witness on a socket, and how to start it again elsewhere."""

    def __init__(self, keys, state: Path) -> None:
        self.witness = Witness("w.test/1", generate(), {ORIGIN: [keys.broker.public_key()]}, state, lambda: NOW)
        self._server = WitnessServer(("127.0.0.1", 0), self.witness)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def text(self) -> str:
        return f"{self.witness.verifier.text} http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def watcher(keys, tmp_path) -> Iterator[Watcher]:
    found = Watcher(keys, tmp_path / "witness")
    yield found
    found.close()


@pytest.fixture
def watched(bench, watcher):
    """A bench whose log one witness must cosign."""
    settings = bench.settings.model_copy(update={"log_witnesses": (watcher.text,), "log_quorum": 1})
    return replace(bench, settings=settings, keeper=replace(bench.keeper, quorum=1))


def add(live, *names: bytes) -> None:
    with live.begin() as session:
        for each in names:
            tlog.append(session, "test", each)


def published(live, keeper, watcher) -> int:
    policy = Policy(ORIGIN, (keeper.key.public_key(),), (watcher.witness.verifier,), 1)
    with live.begin() as session:
        return opened(session, keeper, policy).checkpoint.size


def test_a_checkpoint_is_shown_once_its_witness_has_cosigned_it(watched, watcher, live):
    sequencing = Sequencing(watched)
    for size, names in ((2, (b"a", b"b")), (5, (b"c", b"d", b"e"))):
        add(live, *names)
        sequencing.step()
        assert published(live, watched.keeper, watcher) == size
    again = Sequencing(watched)  # a worker that does not know what the witness has
    add(live, b"f")
    again.step()
    assert published(live, watched.keeper, watcher) == 6
    sequencing.close()
    again.close()


def test_without_its_witness_nothing_new_is_shown_and_later_all_is(watched, watcher, live, keys, tmp_path):
    sequencing = Sequencing(watched)
    add(live, b"a")
    sequencing.step()
    away = replace(
        watched,
        settings=watched.settings.model_copy(
            update={"log_witnesses": (f"{watcher.witness.verifier.text} http://127.0.0.1:1",)}
        ),
    )
    add(live, b"b")
    Sequencing(away).step()
    assert published(live, watched.keeper, watcher) == 1
    sequencing.step()
    assert published(live, watched.keeper, watcher) == 2
    sequencing.close()


def test_a_witness_that_is_away_is_not_asked_all_the_time(watched, live, caplog):
    away = watched.settings.model_copy(update={"log_witnesses": (f"{VKEY} http://127.0.0.1:1",)})
    sequencing = Sequencing(replace(watched, settings=away))
    add(live, b"a")
    for _ in range(3):
        sequencing.step()
    assert caplog.text.count("0 of 1 witnesses cosigned") == 1


def test_a_witness_stops_a_log_that_was_restored_from_a_backup(watched, watcher, live, caplog, monkeypatch):
    monkeypatch.setattr(module, "AWAY_SECONDS", 0)
    sequencing = Sequencing(watched)
    add(live, b"a", b"b", b"c")
    sequencing.step()
    with live.begin() as session:
        session.execute(text("TRUNCATE log_leaves, log_tiles, log_checkpoints"))
    add(live, b"a", b"other")
    sequencing.step()
    assert "has seen 3 entries, the log has 2" in caplog.text
    with live.begin() as session, pytest.raises(NotLogged):
        tlog.published(session)
    add(live, b"c", b"d")
    sequencing.step()
    assert "answers 422" in caplog.text
    with live.begin() as session, pytest.raises(NotLogged):
        tlog.published(session)
    sequencing.close()
