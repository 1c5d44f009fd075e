"""Relay and sweeper: what a dead replica left is told and rescued by any other."""

import os
import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from broker.jobs import Bell
from broker.models import Job, Outbox
from broker.worker import upkeep
from broker.worker.tidy import tidy
from broker.worker.upkeep import Upkeep
from m2kt.errors import QueueAway


class Ears:
    """A bell that is heard, or not."""

    def __init__(self):
        self.heard, self.deaf = [], False

    def send(self, job):
        if self.deaf:
            raise QueueAway("away")
        self.heard.append(job)


@pytest.fixture
def ears():
    return Ears()


@pytest.fixture
def running(live, keys, ears, monkeypatch):
    for name in ("RELAY_SECONDS", "SWEEP_SECONDS", "QUIET_SECONDS"):
        monkeypatch.setattr(upkeep, name, 0.05)
    keeper = Upkeep(live, ears, keys.broker, keep_days=30)
    keeper.start()
    yield keeper
    keeper.stop()


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def waiting(live):
    with live.begin() as session:
        return session.scalar(select(func.count()).select_from(Outbox))


def test_what_was_committed_by_a_replica_that_died_is_told_by_another(ledger, live, ears, running):
    job = ledger.submit()
    until(lambda: ears.heard == [str(job)])
    until(lambda: waiting(live) == 0)


def test_a_burst_is_told_with_fewer_bells_than_jobs(ledger, live, ears, monkeypatch, keys):
    for _ in range(9):
        ledger.submit()
    Upkeep(live, ears, keys.broker, 30)._drained()
    assert (len(ears.heard), waiting(live)) == (3, 0)


def test_without_redis_the_outbox_keeps_its_rows_for_a_while(ledger, live, ears, running):
    ears.deaf = True
    ledger.submit()
    time.sleep(0.3)
    assert waiting(live) == 1
    ears.deaf = False
    until(lambda: waiting(live) == 0)


def test_two_replicas_tell_each_row_once(ledger, live, ears, running, keys):
    other = Upkeep(live, ears, keys.broker, 30)
    other.start()
    jobs = {str(ledger.submit()) for _ in range(4)}
    until(lambda: waiting(live) == 0)
    other.stop()
    assert len(ears.heard) == len(set(ears.heard))
    assert set(ears.heard) <= jobs


def test_the_sweeper_rescues_and_forgets(ledger, live, running):
    lost, old = ledger.submit(), ledger.submit(a=1)
    ledger.claim(seconds=0.01)
    with live.begin() as session:
        session.execute(
            update(Job).where(Job.id == old).values(state="failed", finished=func.now() - timedelta(days=31))
        )
    until(lambda: ledger.state(lost) == "queued")

    def forgotten():
        with live.begin() as session:
            return session.get(Job, old) is None

    until(forgotten)


def test_files_of_forgotten_jobs_go_and_all_others_stay(ledger, bench):
    kept, folder = ledger.submit(), bench.settings.work_dir / "jobs"
    folder.mkdir()
    gone = "00000000-0000-4000-8000-000000000000"
    names = (f"{gone}-1.log", f"{kept}-1.log", f"{gone}-2.log", "notes-of-mine.txt")
    for name in names:
        (folder / name).touch()
    (folder / f"{gone}-fence1.memory").mkdir()
    long_ago = time.time() - 31 * 86400
    for name in (*names[:2], names[3], f"{gone}-fence1.memory"):
        os.utime(folder / name, (long_ago, long_ago))
    tidy(bench)
    assert {each.name for each in folder.iterdir()} == set(names[1:])


def test_a_bell_that_nobody_hears_says_so_to_the_relay():
    bell = Bell("redis://127.0.0.1:1/0")
    with pytest.raises(QueueAway):
        bell.send("x")
    bell.close()


def test_upkeep_ends_at_once_when_told(live, keys, ears):
    keeper = Upkeep(live, ears, keys.broker, 30)
    keeper.start()
    keeper.stop()
    assert not {"relay", "sweeper"} & {each.name for each in threading.enumerate()}
