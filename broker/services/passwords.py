"""Passwords: kept as scrypt digests (RFC 7914), checked at one speed whether or not the account is there."""

import base64
import hashlib
import hmac
import secrets
import threading
from functools import cache

from m2kt.errors import UsageError

LEAST, MOST = 12, 256
"""Characters (NIST SP 800-63B, 3.1.1.2: at least 8, and no rules of composition)."""

COST, BLOCK, PARALLEL = 2**15, 8, 3
"""OWASP's password storage cheat sheet: 32 MiB, and a good tenth of a second."""

_AT_ONCE = threading.BoundedSemaphore(2)
"""Each takes its 32 MiB: whoever tries passwords by the hundred must not take the broker's memory."""


def one_time() -> str:
    """A password that nobody can guess, to be changed at once."""
    return secrets.token_urlsafe(12)


def keep(password: str) -> str:
    """What is written down of it; `UsageError` for one that is too short or too long."""
    if not LEAST <= len(password) <= MOST:
        raise UsageError(f"a password has {LEAST} to {MOST} characters", hint="A sentence is a good one.")
    salt = secrets.token_bytes(16)
    digest = _digest(password, salt, COST, BLOCK, PARALLEL)
    return "$".join(("scrypt", str(COST), str(BLOCK), str(PARALLEL), _text(salt), _text(digest)))


def matches(password: str, kept: str | None) -> bool:
    """Whether ``kept`` was made of this password. Without an account it takes as long, and says no."""
    _, cost, block, parallel, salt, digest = (kept or _nobody()).split("$")
    found = _digest(password[: MOST + 1], base64.b64decode(salt), int(cost), int(block), int(parallel))
    return hmac.compare_digest(found, base64.b64decode(digest)) and kept is not None


@cache
def _nobody() -> str:
    return keep(one_time())


def _digest(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    room = 2 * 128 * block * (cost + parallel)
    with _AT_ONCE:
        return hashlib.scrypt(
            password.encode("utf-8", "surrogatepass"), salt=salt, n=cost, r=block, p=parallel, maxmem=room
        )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
