"""Requests that a broker must refuse: each is one that it would have taken, with one thing wrong."""

import base64
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from bench.wire import Wire, signed
from m2kt.signing.http import content_digest, new_nonce
from m2kt.signing.keys import PrivateKey, key_id

UNSIGNED = frozenset({"request-unsigned"})
CLOCK = frozenset({"clock-skew"})


@dataclass(frozen=True)
class Holder:
    """An agent, and the session that it signs with, if it runs."""

    key: PrivateKey
    session: str | None = None


@dataclass(frozen=True)
class Cast:
    """Who takes part: agents that may act, and some that may not any more."""

    url: str
    running: Holder
    alone: Holder
    fenced: Holder
    """The session before that of ``running``; the same key."""
    revoked: Holder


Attack = tuple[Wire, frozenset[str]]
"""A request, and the codes of which one is the right refusal."""


def honest(cast: Cast, dice: random.Random, who: Holder | None = None) -> Wire:
    """A request that is to be taken; fresh each time."""
    holder = who or dice.choice((cast.running, cast.alone))
    what = dice.choice(("order", "read", *(["beat"] if holder.session else [])))
    if what == "order":
        return _posted(cast, holder, dice)
    if what == "read":
        return _signed(cast, holder, "GET", f"/v1/jobs?limit={dice.randrange(1, 5)}")
    return _signed(cast, holder, "POST", "/v1/heartbeat", b'{"held": []}')


def _signed(cast: Cast, who: Holder, method: str, path: str, body: bytes = b"", age: int = 0) -> Wire:
    return signed(cast.url, who.key, method, path, body, who.session, age=age)


def _posted(cast: Cast, who: Holder, dice: random.Random, age: int = 0) -> Wire:
    body = json.dumps({"kind": "noop", "spec": {"n": dice.getrandbits(40)}}).encode()
    return _signed(cast, who, "POST", "/v1/jobs", body, age)


# Altered on the way: each from a request that nobody has sent yet.


def _path(cast: Cast, dice: random.Random) -> Wire:
    wire = _posted(cast, cast.alone, dice)
    return replace(wire, path=dice.choice(("/v1/leases", "/v1/packets", "/v1/session", "/v1/%6aobs", "/v1/enrolments")))


def _query(cast: Cast, dice: random.Random) -> Wire:
    wire = _posted(cast, cast.alone, dice)
    return replace(wire, path=f"/v1/jobs?{dice.choice(('project=beta', 'limit=2', 'x'))}")


def _method(cast: Cast, dice: random.Random) -> Wire:
    if dice.random() < 0.5:
        return replace(_posted(cast, cast.alone, dice), method="GET")
    return replace(_signed(cast, cast.alone, "GET", "/v1/jobs"), method="POST").carrying(b'{"kind": "noop"}')


def _host(cast: Cast, dice: random.Random) -> Wire:
    names = ("broker.example", "127.0.0.1", "localhost:80", "127.0.0.1:1", "broker.example:8000")
    return _posted(cast, cast.alone, dice).having("Host", dice.choice(names))


def _body(cast: Cast, dice: random.Random) -> Wire:
    return _posted(cast, cast.running, dice).carrying(json.dumps({"kind": "noop", "priority": 1}).encode())


def _body_and_digest(cast: Cast, dice: random.Random) -> Wire:
    body = json.dumps({"kind": "noop", "priority": dice.randrange(1, 9)}).encode()
    altered = _posted(cast, cast.running, dice).carrying(body)
    return altered.having("Content-Digest", content_digest(sha256(body).digest()))


def _nonce(cast: Cast, dice: random.Random) -> Wire:
    return _input(_posted(cast, cast.alone, dice), r'nonce="[^"]*"', f'nonce="{new_nonce()}"')


def _created(cast: Cast, dice: random.Random) -> Wire:
    wire = _posted(cast, cast.alone, dice)
    at = int(re.findall(r"created=(\d+)", wire.of("Signature-Input"))[0])
    return _input(wire, r"created=\d+", f"created={at + dice.choice((-9, -1, 1, 9))}")


def _other_key(cast: Cast, dice: random.Random) -> Wire:
    other = key_id(cast.running.key.public_key())
    return _input(_posted(cast, cast.alone, dice), r'keyid="[^"]*"', f'keyid="{other}"')


def _fewer_components(cast: Cast, dice: random.Random) -> Wire:
    gone = dice.choice(("@method", "@authority", "@path", "@query", "content-digest"))
    return _input(_posted(cast, cast.alone, dice), rf'"{gone}" ?', "")


def _signature(cast: Cast, dice: random.Random) -> Wire:
    wire = _posted(cast, cast.alone, dice)
    raw = bytearray(base64.b64decode(wire.of("Signature").removeprefix("m2kt=:").removesuffix(":")))
    raw[dice.randrange(64)] ^= 1 << dice.randrange(8)
    return wire.having("Signature", f"m2kt=:{base64.b64encode(bytes(raw)).decode()}:")


def _missing_header(cast: Cast, dice: random.Random) -> Wire:
    return _posted(cast, cast.alone, dice).having(dice.choice(("Signature", "Signature-Input", "Content-Digest")), None)


def _session_dropped(cast: Cast, dice: random.Random) -> Wire:
    return _posted(cast, cast.running, dice).having("M2KT-Session", None)


def _session_added(cast: Cast, dice: random.Random) -> Wire:
    return _posted(cast, cast.alone, dice).having("M2KT-Session", str(cast.running.session))


def _session_exchanged(cast: Cast, dice: random.Random) -> Wire:
    """What a fenced process would need: its own request, in the name of the session that followed."""
    return _posted(cast, cast.fenced, dice).having("M2KT-Session", str(cast.running.session))


def _input(wire: Wire, pattern: str, value: str) -> Wire:
    return wire.having("Signature-Input", re.sub(pattern, value, wire.of("Signature-Input")))


# Signed well, by who may not.


def _old(cast: Cast, dice: random.Random) -> Wire:
    return _posted(cast, cast.alone, dice, age=dice.choice((-1, 1)) * dice.randrange(70, 4000))


def _fenced(cast: Cast, dice: random.Random) -> Wire:
    path, body = dice.choice(
        (("/v1/jobs", b'{"kind": "noop"}'), ("/v1/heartbeat", b"{}"), ("/v1/session/close", b""), ("/v1/jobs", None))
    )
    return _signed(cast, cast.fenced, "GET" if body is None else "POST", path, body or b"")


def _beside(cast: Cast, dice: random.Random) -> Wire:
    return _posted(cast, Holder(cast.running.key), dice)


def _revoked(cast: Cast, dice: random.Random) -> Wire:
    return honest(cast, dice, dice.choice((cast.revoked, Holder(cast.revoked.key))))


ATTACKS: Mapping[str, tuple[Callable[[Cast, random.Random], Wire], frozenset[str]]] = {
    "path": (_path, UNSIGNED),
    "query": (_query, UNSIGNED),
    "method": (_method, UNSIGNED),
    "host": (_host, UNSIGNED),
    "body": (_body, UNSIGNED),
    "body and digest": (_body_and_digest, UNSIGNED),
    "nonce": (_nonce, UNSIGNED),
    "created": (_created, UNSIGNED),
    "key id": (_other_key, UNSIGNED),
    "components": (_fewer_components, UNSIGNED),
    "signature": (_signature, UNSIGNED),
    "header": (_missing_header, UNSIGNED),
    "session dropped": (_session_dropped, UNSIGNED),
    "session added": (_session_added, UNSIGNED),
    "session exchanged": (_session_exchanged, UNSIGNED),
    "old": (_old, CLOCK),
    "old session": (_fenced, frozenset({"session-ended"})),
    "beside the session": (_beside, frozenset({"session-required"})),
    "after revocation": (_revoked, frozenset({"key-not-valid"})),
}


def attacks(cast: Cast, dice: random.Random) -> Iterator[tuple[str, Attack]]:
    """One of each kind."""
    for name, (make, codes) in ATTACKS.items():
        yield name, (make(cast, dice), codes)
