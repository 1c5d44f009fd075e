"""The doorbell. A message holds a job's id and nothing else, under one task name; the ledger in Postgres is the truth.

So every open issue about Celery on Redis (lost and doubled messages, silence after a reconnect) costs at most the
second until the worker's next look at the ledger. Nothing is acknowledged and nothing redelivered: a ring that was
heard is gone from Redis, so there is no visibility timeout to run out under a long job.
"""

import logging
import uuid

from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from m2kt.errors import QueueAway

TASK = "m2kt.run"

_PATIENCE_SECONDS = 1.0
_QUIET = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}

log = logging.getLogger(__name__)


def make_celery(redis_url: str) -> Celery:
    """The one Celery configuration of broker and worker; a test holds the effective values to it."""
    app = Celery("m2kt", broker=redis_url, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_acks_late=False,
        task_default_queue="m2kt",
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={"ack_emulation": False, "socket_connect_timeout": 3},
    )
    return app


class Bell:
    """Tells the worker that a job is due. Losing a ring costs time, never a job."""

    def __init__(self, redis_url: str) -> None:
        self._celery = make_celery(redis_url)
        # Without these, kombu retries an absent Redis for ever and holds the request that much.
        self._celery.conf.broker_transport_options = {
            **_QUIET,
            "ack_emulation": False,
            "socket_connect_timeout": _PATIENCE_SECONDS,
            "socket_timeout": _PATIENCE_SECONDS,
        }

    def send(self, job: str) -> None:
        """Ring for a job; `QueueAway` when nobody hears it."""
        try:
            self._celery.send_task(TASK, args=[job], retry=False, ignore_result=True)
        except (OperationalError, RedisError, OSError) as error:
            raise QueueAway(f"the bell for job {job} was not heard: {type(error).__name__}") from error

    def ring(self, job: uuid.UUID) -> None:
        """Ring for a job; nobody is told when it is lost."""
        try:
            self.send(str(job))
        except QueueAway as error:
            log.warning("%s; the worker will find it in the ledger", error.detail)

    def close(self) -> None:
        self._celery.close()


def check_redis(redis_url: str) -> None:
    """Raise `QueueAway` unless Redis answers within a second."""
    try:
        with Redis.from_url(
            redis_url, socket_connect_timeout=_PATIENCE_SECONDS, socket_timeout=_PATIENCE_SECONDS
        ) as redis:
            redis.ping()
    except (RedisError, OSError) as error:
        raise QueueAway(f"Redis does not answer: {type(error).__name__}") from error
