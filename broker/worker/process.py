"""The worker's process: the crew's threads, and Celery in the main thread, whose only task is to wake them."""

import logging
import os
import secrets
import signal
import socket
import sys
import time

from celery import Celery
from celery.platforms import EX_FAILURE, EX_OK
from celery.worker import state

from broker.db import make_engine, make_sessions
from broker.jobs import TASK, Bell, make_celery
from broker.sealing import SealKey
from broker.services.agents import read_standing
from broker.services.sequencer import read_keeper
from broker.settings import Settings
from broker.storage.place import open_store
from broker.worker import chores
from broker.worker.bench import Bench
from broker.worker.crew import Crew
from broker.worker.options import Options
from broker.worker.upkeep import Terms, Upkeep

AGAIN_SECONDS = 0.5

log = logging.getLogger(__name__)


def run(settings: Settings, options: Options | None = None, visible: str | None = None) -> int:
    """Work until told to stop (TERM or INT); returns the exit status. ``visible``: our own CUDA_VISIBLE_DEVICES."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    key = settings.signing_key()
    engine, bell = make_engine(settings.database_url, SealKey.of(key)), Bell(settings.redis_url)
    owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    sessions = make_sessions(engine)
    store = open_store(settings.blobs, sessions)
    left = chores.transport(settings, store)
    upkeep = Upkeep(sessions, bell, key, settings.keep_days, Terms.of(settings), left)
    bench = Bench(
        settings,
        sessions,
        upkeep.nudge,
        key,
        store,
        read_standing(settings.admin_keys, settings.worker_key),
        read_keeper(key, settings.log_origin, settings.former_broker_keys, settings.log_quorum),
        owner,
        options or Options(),
        visible=visible,
    )
    crew = Crew(bench)
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, _leave_early)
    upkeep.start()
    crew.start()
    try:
        return _keep_listening(settings.redis_url, crew, owner)
    finally:
        log.info("leaving: finishing or handing back what runs")
        crew.leave()
        upkeep.stop()
        bell.close()
        engine.dispose()


def _leave_early(*_: object) -> None:
    """A signal that comes before Celery listens for signals itself: Celery leaves as soon as it looks, and jobs are
    handed back all the same. No exception: one that is raised in a weak reference's callback is lost, and with it the
    signal."""
    state.should_stop = EX_OK


def _keep_listening(redis_url: str, crew: Crew, owner: str) -> int:
    """Until told to leave. What is no message at all in Redis ends Celery's worker; it must not end ours."""
    while (status := _listen(make_celery(redis_url), crew, owner)) == EX_FAILURE:
        log.error("the bell's listener broke and begins anew; jobs are found in the ledger meanwhile")
        time.sleep(AGAIN_SECONDS)
    return status


def _listen(celery: Celery, crew: Crew, owner: str) -> int:
    @celery.task(name=TASK, shared=False)  # type: ignore[untyped-decorator]  # Celery has no types
    def wake(job_id: str) -> None:
        """The ledger knows which job is next; the id serves the log only."""
        log.info("the bell rang for job %s", job_id)
        crew.wake()

    for each in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(each).setLevel(logging.WARNING)  # two lines for every bell
    # Solo: the task takes no time, and nothing may fork beside the crew's threads.
    worker = celery.Worker(
        pool="solo",
        concurrency=1,
        loglevel="INFO",
        hostname=f"m2kt@{owner}",
        quiet=True,
        without_gossip=True,
        without_mingle=True,  # asking for neighbours costs a second at every start
    )
    if state.should_stop is None:
        worker.start()
    return int(worker.exitcode or 0)
