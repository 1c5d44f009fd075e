"""An agent that is stopped while it holds leases: ``python -m bench.stale URL KEY JOBS`` leases, waits, and finishes.

Its starter stops it (SIGSTOP) once it says ``held``, and continues it when the leases are over. It then tries to finish
all the same and prints one JSON line: how many finishes the broker answered, and how many of them it refused. With a
fourth word it is a good agent: it finishes each job before it leases the next.
"""

import http.client
import json
import secrets
import sys
import time
from pathlib import Path
from typing import Any

from bench.embedded import Sender
from bench.load import STALE_SITE
from m2kt.signing.keys import load_private

PATIENCE_SECONDS = 20.0
GOOD = 4


def main() -> None:
    url, key, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    sender, session = Sender(url, load_private(key)), secrets.token_hex(8)
    if len(sys.argv) > GOOD:
        while (one := _lease(sender, session, 1, patience=0)) and count > 0:
            _finish(sender, session, one[0])
            count -= 1
        return
    held = _lease(sender, session, count)
    print("held", len(held), flush=True)
    sys.stdin.readline()  # continued, and told so
    answers = [_finish(sender, session, each) for each in held]
    print(json.dumps({"tried": len(answers), "refused": sum(each == 409 for each in answers)}), flush=True)


def _lease(sender: Sender, session: str, count: int, patience: float = PATIENCE_SECONDS) -> list[dict[str, Any]]:
    """Up to ``count`` leases; fewer when nothing more is due for a while."""
    held: list[dict[str, Any]] = []
    end = time.monotonic() + patience
    while len(held) < count:
        status, lease = _asked(sender, "/v1/leases", {"session": session, "kinds": ["noop"], "site": STALE_SITE})
        if status == http.client.OK:
            held.append(lease)
        elif held or time.monotonic() >= end:
            break
        else:
            time.sleep(0.2)
    return held


def _finish(sender: Sender, session: str, lease: dict[str, Any]) -> int:
    body = {"session": session, "fence": lease["fence"], "outcome": "succeeded", "result": {"by": session}}
    return _asked(sender, f"/v1/leases/{lease['job']}/finish", body)[0]


def _asked(sender: Sender, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """An answer that is not about the weather."""
    while True:
        try:
            status, said = sender.post(path, body)
        except (OSError, http.client.HTTPException, ValueError):
            status, said = 503, {}
        if status < http.client.INTERNAL_SERVER_ERROR:
            return status, said
        time.sleep(0.1)


if __name__ == "__main__":
    main()
