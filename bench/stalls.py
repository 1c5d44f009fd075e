"""Stopped agents of the chaos run: each holds leases, sleeps through their end, and tries to finish all the same."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import psycopg

from bench.embedded import Sender, Stack
from bench.load import STALE_SITE, Load

JOBS = 10
"""Leases of one agent."""

CLEAR_SECONDS = 300.0


class Stalls:
    """Rounds, one after the other, in a thread; now and then, and at last, an agent that works as it should."""

    def __init__(self, stack: Stack, lease_seconds: float, rounds: int) -> None:
        self._stack, self._lease_seconds, self._rounds = stack, lease_seconds, rounds
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._load: Load | None = None
        self.tried = self.refused = 0

    def start(self, load: Load) -> None:
        self._load = load
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        assert self._load
        sender = Sender(self._stack.url, self._stack.admin)
        for _ in range(JOBS):
            self._load.ordered(sender, {"kind": "noop", "labels": {"site": STALE_SITE}})
        for number in range(self._rounds):
            if number % 5 == 4:  # ten attempts are all that a job has
                self._clear()
                for _ in range(JOBS):
                    self._load.ordered(sender, {"kind": "noop", "labels": {"site": STALE_SITE}})
            self._round()
        self._clear()
        sender.close()

    def _clear(self) -> None:
        """A good agent does what is left: nobody else may."""
        end = time.monotonic() + CLEAR_SECONDS
        while self._left() and time.monotonic() < end:
            subprocess.run([*self._agent(), "good"], check=True)

    def _left(self) -> bool:
        """What cannot be seen is taken for left: the database may be among the dead just now."""
        query = "SELECT 1 FROM jobs WHERE needs_site = %s AND state IN ('queued', 'running') LIMIT 1"
        with suppress(psycopg.OperationalError), self._stack.database() as database:
            return database.execute(query, (STALE_SITE,)).fetchone() is not None
        return True

    def _agent(self) -> list[str]:
        return [sys.executable, "-m", "bench.stale", self._stack.url, str(self._stack.addresses.admin_key), str(JOBS)]

    def _round(self) -> None:
        with subprocess.Popen(self._agent(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as agent:
            assert agent.stdin
            assert agent.stdout
            agent.stdout.readline()
            os.kill(agent.pid, signal.SIGSTOP)
            time.sleep(self._lease_seconds + 0.3)
            os.kill(agent.pid, signal.SIGCONT)
            agent.stdin.write(b"on\n")
            agent.stdin.flush()
            said = json.loads(agent.stdout.readline())
        self.tried += said["tried"]
        self.refused += said["refused"]
