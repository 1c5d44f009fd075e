"""Every route with every sort of caller: what OpenAPI says about who may call it (``x-m2kt-roles``) is tried out.

Callers are a member of the project that the things of the world belong to, a member of another one and, where the role
may be, somebody at home in every project, for each role; and somebody who does not sign, a stranger, a revoked member.
``bench.auth`` does it over the network, the tests do it without.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.forge import base
from m2kt.client import Client
from m2kt.exchange import RoundPlan
from m2kt.exchange.packets import description
from m2kt.signing.keys import PrivateKey, generate, key_id

ROLES = ("teacher", "student", "worker", "reviewer", "auditor", "admin")
WIDE = ("worker", "auditor", "admin")
HOME, OTHER, EVERY = "alpha", "beta", "*"
ANYONE = "anyone"

GUARDED = ("packets", "names", "channels", "teachers", "jobs", "exchanges", "agents")
"""Things of a project, by the part of the path before their name: to outsiders they do not exist."""

FREE = (
    "leases",
    "uploads",
    "tags",
    "concepts",
    "versions",
    "statements",
    "maps",
    "graphs",
    "heat-maps",
    "alignments",
    "enrolments",
    "accounts",
    "rounds",
    "complaints",
    "tile",
    "inclusion",
)
"""What a service looks after itself: outsiders succeed with none of a project's, in whichever words."""

PUBLIC = ("tile", "inclusion")


@dataclass(frozen=True)
class Answer:
    status: int
    code: str
    text: str


Send = Callable[[str, str, PrivateKey | None, bytes], Answer]
"""Method, path and query, signing key, body."""


@dataclass(frozen=True)
class Caller:
    """``key`` is None for who does not sign; ``role`` None for who has none (any more)."""

    name: str
    role: str | None
    project: str | None
    key: PrivateKey | None


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    roles: tuple[str, ...]

    @property
    def parts(self) -> list[tuple[str, str]]:
        """``(part before it, name)`` of each parameter; what follows without a part of its own is part of the thing."""
        return re.findall(r"/([\w-]+)/{(\w+)}", self.path)


@dataclass(frozen=True)
class World:
    """A project with one thing of each sort, and everybody who may come along."""

    callers: tuple[Caller, ...]
    targets: Mapping[str, str]
    marks: tuple[str, ...]
    """Words that an answer to an outsider must not have in it."""


def routes(document: Mapping[str, Any]) -> list[Route]:
    """All operations; `LookupError` names the ones that do not say who may call them, and how they would."""
    found, missing = [], []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            roles = operation.get("x-m2kt-roles")
            if not roles:
                missing.append(
                    f"{method.upper()} {path} does not say who may call it: give its endpoint a "
                    "Depends(allow(Role...)) or a Depends(anyone('why')) of broker.web.deps"
                )
            route = Route(method.upper(), path, tuple(roles or ()))
            missing += [
                f"{method.upper()} {path}: add {part!r} to GUARDED or FREE in broker/web/guard.py and in "
                "bench/matrix.py, and one such thing of the project alpha to `targets` in bench/matrix.py"
                for part, _ in route.parts
                if part not in GUARDED + FREE
            ]
            found.append(route)
    if missing:
        raise LookupError("\n".join(missing))
    return found


_TASK = description("matrix-task", ("yes", "no"), f"sha256:{'0' * 64}", 1, f"sha256:{'0' * 64}", "1")


def build(client_of: Callable[[PrivateKey | None], Client], admin: PrivateKey) -> World:
    """Make the world through the front door, as the administrator ``admin`` of every project."""
    root = client_of(admin)
    callers = [*_members(root)]
    key = next(each.key for each in callers if each.key and (each.role, each.project) == ("teacher", HOME))
    teacher = client_of(key)
    published = teacher.publish(base(key).but("name", "matrix/alpha").to_bytes())
    job = teacher.submit_job("noop", {"mark": "matrix-job-spec"}, not_before="2100-01-01T00:00:00Z")
    root.cancel_job(job["id"])  # an ended job's events end, too
    exchange = teacher.open_exchange(_TASK, RoundPlan(seed=0, rounds=1, samples_per_round=1), join_seconds=3600)
    target, gone = generate(), generate()
    root.register_agent("matrix-target", "teacher", target.public_key(), HOME)
    root.register_agent("matrix-gone", "admin", gone.public_key(), HOME)
    root.revoke_agent("matrix-gone")
    token = root.make_token("teacher", project=HOME)
    root.make_account("matrix-account", "viewer", project=HOME)
    callers += [
        Caller("nobody", None, None, None),
        Caller("stranger", None, None, generate()),
        Caller("revoked", None, HOME, gone),
    ]
    targets = {
        "packets": published["packet_id"],
        "names": published["name"],
        "versions": published["version"],
        "channels": f"{published['name']}/stable",
        "teachers": published["publisher"],
        "jobs": job["id"],
        "leases": job["id"],
        "exchanges": exchange["id"],
        "rounds": "0",
        "complaints": "matrix-target",
        "agents": "matrix-target",
        "uploads": teacher.begin_upload("sha256:" + "0" * 64, 2**17)["id"],
        "tags": "matrix-tag",
        "concepts": "0",
        "enrolments": str(token["id"]),
        "accounts": "matrix-account",
        "tile": "0/000",
        "inclusion": "0" * 64,
    }
    marks = (published["packet_id"], "matrix/alpha", job["id"], "matrix-job-spec", "matrix-target", "teacher-alpha")
    return World(tuple(callers), targets, (*marks, exchange["id"], _TASK["name"], key_id(target.public_key())))


def _members(root: Client) -> Iterator[Caller]:
    for role in ROLES:
        for project in (HOME, OTHER, *([EVERY] if role in WIDE else [])):
            key, name = generate(), f"{role}-{'every' if project == EVERY else project}"
            root.register_agent(name, role, key.public_key(), project)
            yield Caller(name, role, project, key)


def run(found: list[Route], world: World, send: Send) -> list[str]:
    """What went otherwise than declared. Those who are to be refused come first, and of those who are not the readers:
    what the others change would be seen in the answers."""
    cells = [(route, caller) for route in found for caller in world.callers]
    cells.sort(key=lambda cell: (_admitted(*cell), cell[0].method != "GET"))
    return [fault for route, caller in cells if (fault := _try(route, caller, world, send))]


def _try(route: Route, caller: Caller, world: World, send: Send) -> str | None:
    path = re.sub(r"/([\w-]+)/{\w+}(?:/{\w+})*", lambda each: f"/{each[1]}/{world.targets[each[1]]}", route.path)
    body = b"" if route.method == "GET" else b"{}"
    answer = send(route.method, path, caller.key, body)
    fault = _fault(route, caller, answer, world)
    return fault and f"{route.method} {route.path} by {caller.name}: {answer.status} {answer.code}, {fault}"


def _fault(route: Route, caller: Caller, answer: Answer, world: World) -> str | None:
    if answer.status >= 500 and answer.code not in ("not-logged", "queue-away"):
        return "the broker failed"
    outside = caller.role is None or caller.project == OTHER
    if outside and any(each in answer.text for each in world.marks if not _said(each, route, world)):
        return "it shows something of another project"
    if route.roles == (ANYONE,):
        return _fault_of_open(route, caller, answer)
    expected = _refusal(route, caller)
    if expected is not None:
        return None if (answer.status, answer.code) == expected else f"expected {expected[0]} {expected[1]}"
    if caller.project == OTHER and _free(route):
        return None if answer.status >= 400 else "expected a refusal"
    return _fault_of_admitted(answer)


def _said(mark: str, route: Route, world: World) -> bool:
    """Whether the caller said the word: an answer may repeat it."""
    return any(world.targets[part].startswith(mark) for part, _ in route.parts)


def _refusal(route: Route, caller: Caller) -> tuple[int, str] | None:
    """How a caller is to be refused."""
    if caller.key is None:
        return 401, "request-unsigned"
    if caller.role is None:
        return 403, "key-not-valid" if caller.project else "key-unknown"
    if caller.role not in route.roles:
        return 403, "forbidden"
    if caller.project == OTHER and any(part in GUARDED for part, _ in route.parts):
        return 404, "not-found"
    return None


def _fault_of_open(route: Route, caller: Caller, answer: Answer) -> str | None:
    """Everybody may ask; what there is to see is another question. A bad signature is never passed over in silence
    where it would count."""
    if any(part in GUARDED for part, _ in route.parts):
        if caller.name == "nobody" or caller.project == OTHER:
            return None if answer.code == "not-found" else "expected 404 not-found"
        if caller.role is None:
            return None if answer.status == 403 else "expected 403"
        return _fault_of_admitted(answer)
    return "expected an answer" if answer.status in (401, 403) and caller.role is not None else None


def _fault_of_admitted(answer: Answer) -> str | None:
    refused_role = answer.code == "forbidden" and "this needs one of" in answer.text
    if refused_role or answer.status == 401 or answer.code in ("key-unknown", "key-not-valid"):
        return "expected to be admitted"
    return None


def _free(route: Route) -> bool:
    return any(part in FREE and part not in PUBLIC for part, _ in route.parts)


def _admitted(route: Route, caller: Caller) -> bool:
    return route.roles == (ANYONE,) or _refusal(route, caller) is None


def answer_of(status: int, text: str) -> Answer:
    """An answer with the code of its problem, if it is one."""
    try:
        found = json.loads(text)
        code = str(found["code"]) if status >= 400 else ""
    except (ValueError, KeyError, TypeError):
        code = ""
    return Answer(status, code, text)
