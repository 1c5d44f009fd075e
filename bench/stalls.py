"""Stopped agents of the chaos run: each holds leases, sleeps through their end, and tries to finish all the same."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

from bench.embedded import Sender, Stack
from bench.load import STALE_SITE, Load

JOBS = 10
"""Leases of one agent."""


class Stalls:
    """Rounds, one after the other, in a thread; in the last one the agent is not stopped and does the work."""

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
                self._round(stopped=False)
                for _ in range(JOBS):
                    self._load.ordered(sender, {"kind": "noop", "labels": {"site": STALE_SITE}})
            self._round(stopped=True)
        end = time.monotonic() + 60
        while self._left() and time.monotonic() < end:
            self._round(stopped=False)
        sender.close()

    def _left(self) -> bool:
        query = "SELECT 1 FROM jobs WHERE needs_site = %s AND state IN ('queued', 'running') LIMIT 1"
        with self._stack.database() as database:
            return database.execute(query, (STALE_SITE,)).fetchone() is not None

    def _round(self, *, stopped: bool) -> None:
        words = [self._stack.url, str(self._stack.addresses.admin_key), str(JOBS)]
        with subprocess.Popen(
            [sys.executable, "-m", "bench.stale", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as agent:
            assert agent.stdin
            assert agent.stdout
            agent.stdout.readline()
            if stopped:
                os.kill(agent.pid, signal.SIGSTOP)
                time.sleep(self._lease_seconds + 0.3)
                os.kill(agent.pid, signal.SIGCONT)
            agent.stdin.write(b"on\n")
            agent.stdin.flush()
            said = json.loads(agent.stdout.readline())
        if stopped:
            self.tried += said["tried"]
            self.refused += said["refused"]
