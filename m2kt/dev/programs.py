"""The broker and its worker, executed: this package imports nothing of them."""

import http.client
import sys
from collections.abc import Mapping
from functools import partial

from m2kt.dev.keys import Keys
from m2kt.dev.layout import Layout
from m2kt.dev.ports import LOOPBACK
from m2kt.dev.process import mark, marked
from m2kt.dev.service import Kind, Service

BROKER = Kind("broker", leftovers=lambda layout: marked(layout.root, "broker"))
WORKER = Kind(
    "worker",
    leftovers=lambda layout: marked(layout.root, "worker"),
    stop_seconds=20.0,  # it finishes its job or hands it back
)


def url(port: int) -> str:
    """The broker's address."""
    return f"http://{LOOPBACK}:{port}"


def environment(layout: Layout, keys: Keys, database_url: str, redis_url: str) -> dict[str, str]:
    """What both programs are told (docs/operations.md has the table)."""
    return {
        "M2KT_DATABASE_URL": database_url,
        "M2KT_REDIS_URL": redis_url,
        "M2KT_BROKER_KEY": str(keys.broker),
        "M2KT_ADMIN_KEYS": str(keys.admins),
        "M2KT_WORKER_KEY": str(keys.worker),
        "M2KT_WORK_DIR": str(layout.work),
        "PYTHONUNBUFFERED": "1",
    }


def broker(layout: Layout, env: Mapping[str, str], port: int) -> Service:
    """The API and dashboard on ``port``."""
    argv = _module("uvicorn", "--factory", "broker.main:create_app", "--host", LOOPBACK, "--port", str(port))
    told = _told(BROKER, layout, env, port)
    return Service(BROKER, layout, argv, told, partial(_broker_ready, port), port, inherit=True)


def worker(layout: Layout, env: Mapping[str, str], broker_port: int) -> Service:
    """The worker that runs scans and jobs."""
    argv = _module("broker.worker")
    return Service(WORKER, layout, argv, _told(WORKER, layout, env, broker_port), _worker_ready, inherit=True)


def _module(*words: str) -> list[str]:
    return [sys.executable, "-m", *words]


def _told(kind: Kind, layout: Layout, env: Mapping[str, str], broker_port: int) -> dict[str, str]:
    return {**env, "M2KT_PUBLIC_URL": url(broker_port), **mark(layout.root, kind.name)}


def _broker_ready(port: int, pid: int, said: str) -> bool:
    """Whether /readyz says so. Not `httpx`: a proxy in the environment has no say about loopback."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5.0)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _worker_ready(pid: int, said: str) -> bool:
    """Celery's own words, which it logs once it listens to the queue."""
    return " ready." in said
