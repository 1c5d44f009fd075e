"""The feed under transactions that commit in another order than they began: no reader misses any event."""

import random
import threading
import time
from datetime import timedelta

from broker.main import create_app
from broker.services import feed
from m2kt.client import Client
from tests.broker.conftest import URL, AppTransport


def write(session, name):
    feed.note(session, feed.STATE, "sha256:x", name, "1.0.0")


def read(live, after):
    with live.begin() as session:
        feed.number(session)
    with live.begin() as session:
        return feed.read(session, after)


def test_what_commits_late_is_seen_by_whoever_has_read_further(live):
    with live() as early:
        early.begin()
        write(early, "early")
        with live.begin() as late:
            write(late, "late")
        first = read(live, 0)
        assert [each.name for each in first.events] == ["late"]
        early.commit()
    assert [each.name for each in read(live, first.next).events] == ["early"]


def test_numbers_are_given_out_by_one_at_a_time(live):
    with live.begin() as session:
        write(session, "a")
    with live() as numberer:
        numberer.begin()
        assert feed.number(numberer) == 1
        with live.begin() as session:
            write(session, "b")
        assert read(live, 0).events == []  # the other one is at it, and has not committed
        numberer.commit()
    assert [(each.number, each.name) for each in read(live, 0).events] == [(1, "a"), (2, "b")]


def test_what_was_rolled_back_leaves_no_gap(live):
    for number in range(4):
        with live() as session:
            session.begin()
            write(session, str(number))
            (session.rollback if number % 2 else session.commit)()
    assert [each.number for each in read(live, 0).events] == [1, 2]


class Writer(threading.Thread):
    """Commits a few events at a time, slowly, and sometimes none."""

    def __init__(self, live, seed):
        super().__init__()
        self.live, self.luck, self.seed, self.written = live, random.Random(seed), seed, []

    def run(self):
        for step in range(12):
            with self.live() as session:
                session.begin()
                names = [f"{self.seed}-{step}-{each}" for each in range(self.luck.randint(1, 3))]
                for each in names:
                    write(session, each)
                    time.sleep(self.luck.random() * 0.01)
                if self.luck.random() < 0.2:
                    session.rollback()
                else:
                    session.commit()
                    self.written += names


class Reader(threading.Thread):
    """Remembers the last number that it was told, and nothing else."""

    def __init__(self, live, done):
        super().__init__()
        self.live, self.done, self.after, self.seen = live, done, 0, []

    def run(self):
        while not self.done.is_set():
            self.look()
        self.look()

    def look(self):
        found = read(self.live, self.after)
        self.seen += [(each.number, each.name) for each in found.events]
        self.after = found.next


def test_readers_beside_writers_miss_nothing_and_see_nothing_twice(live):
    done = threading.Event()
    writers = [Writer(live, seed) for seed in range(4)]
    readers = [Reader(live, done) for _ in range(3)]
    for each in (*writers, *readers):
        each.start()
    for each in writers:
        each.join()
    done.set()
    for each in readers:
        each.join()
        each.look()
    written = sorted(name for each in writers for name in each.written)
    for each in readers:
        assert [number for number, _ in each.seen] == list(range(1, len(written) + 1))
        assert sorted(name for _, name in each.seen) == written


def test_a_long_poll_answers_as_soon_as_there_is_news(live, live_settings, portal, keys):
    """An administrator waits: the event tells of no packet that is there, and only they hear of every one."""
    app, heard = create_app(live_settings, sessions=live), []
    client = Client(URL, keys.admin, None, AppTransport(app, portal))
    waiting = threading.Thread(target=lambda: heard.append(client.feed(0, wait=20)))
    begun = time.monotonic()
    waiting.start()
    with live.begin() as session:
        write(session, "news")
    waiting.join()
    assert [each["name"] for each in heard[0]["items"]] == ["news"]
    assert time.monotonic() - begun < 15


def test_old_events_go_in_bites_and_the_next_number_follows_the_newest(live):
    for _ in range(3):
        with live.begin() as session:
            write(session, "a")
        read(live, 0)
    with live.begin() as session:
        assert feed.forget(session, timedelta(0)) == 2
    with live.begin() as session:
        write(session, "b")
    assert [(each.number, each.name) for each in read(live, 3).events] == [(4, "b")]
