"""Enrolment, seen from the agent's host: the key is made here and stays here; the broker gets its public half."""

import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from m2kt.client import Client
from m2kt.errors import KeyFileError, Unavailable
from m2kt.signing import keys
from m2kt.signing.keys import PrivateKey

ATTEMPTS = 4
PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Enrolled:
    """What the broker knows this host's key as."""

    name: str
    role: str
    project: str
    key_id: str


def enrol(
    broker: str,
    token: str,
    name: str,
    key_file: Path,
    *,
    role: str | None = None,
    project: str | None = None,
    transport: httpx.BaseTransport | None = None,
) -> Enrolled:
    """Enrol the key in ``key_file``, which is made (mode 0600, its public half beside it) when there is none.

    Safe to repeat: the key lies on disk before the token is spent, and the broker takes the same key again. A lost
    answer is asked for again here, too. Raises `TokenRefused` and what is below it, `Conflict` for a taken name.
    """
    key = ensure_key(key_file)
    with Client(broker, key, transport=transport) as client:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                told = client.enrol(token, name, key.public_key(), role=role, project=project)
                return Enrolled(str(told["name"]), str(told["role"]), str(told["project"]), str(told["key_id"]))
            except Unavailable:
                if attempt == ATTEMPTS:
                    raise
                time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
    raise AssertionError("unreachable")


def ensure_key(path: Path) -> PrivateKey:
    """The private key in ``path``; a new one where there is no file. One that is there is never replaced."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        keys.write_private(path, keys.generate())
    key = keys.load_private(path)
    public = path.with_name(f"{path.name}.pub")
    if not public.exists():
        keys.write_public(public, key.public_key())
    elif keys.key_id(keys.load_trusted(public).key) != keys.key_id(key.public_key()):
        raise KeyFileError(f"{public} is not the public half of {path}", hint="Choose another path for the key.")
    return key
