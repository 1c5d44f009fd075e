"""Who may call what. Every route says it with one dependency, `allow` or `anyone`; a test and OpenAPI read the same."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from broker.db import Driver, transaction
from broker.models import Role
from broker.services import agents, rates
from broker.services.agents import Principal
from broker.services.callers import Callers, Told
from broker.services.rates import Allowance
from broker.services.scopes import EVERYWHERE, Scope
from broker.settings import Settings
from broker.storage import Order
from broker.web import guard
from broker.web.context import BodyDep, Context, ContextDep
from broker.web.reading import Reading
from m2kt.errors import Forbidden, M2KTError, RateLimited, RequestUnsigned, UnknownKey
from m2kt.signing.http import SignedRequest, Target, parse_and_verify
from m2kt.signing.keys import KeyId, PublicKey

SAFE_METHODS = frozenset({"GET", "HEAD"})

WITHOUT_SESSION = frozenset({"/v1/session", "/v1/agents/{name}/rotate"})
"""Routes that change something and may be called beside a running session: one opens the next session, the other needs
the key itself and takes it from nobody."""


STORING = frozenset({"/v1/packets"})
"""Routes whose body is stored as it is, under the digest that is signed."""


@dataclass(frozen=True)
class Signed:
    """A caller whose signature holds for the head of the request; the body is still to be compared."""

    principal: Principal
    request: SignedRequest
    at: datetime
    """When its head was here, by the database's clock."""


def verify_head(request: Request, context: ContextDep) -> Signed:
    """Who calls. The nonce is burnt by a transaction of its own: a request that is refused cannot be repeated either.
    What the caller has left is counted there, too, and stands in every answer (`broker.web.limits.RateHeaders`)."""
    return _told(request, context, None)


def _told(request: Request, context: Context, signed: SignedRequest | None) -> Signed:
    """The caller of a request, whose signature was verified if ``signed`` is there."""
    callers, safe = context.callers, request.method in SAFE_METHODS
    alone = safe or request.scope["route"].path in WITHOUT_SESSION
    with context.single.connection() as connection:
        signed = signed or _verified(request, context, lambda key: callers.key(connection, key))
        also = _announced(request, context, signed) if not safe else None
        row = callers.burn(connection, signed, durable=not safe, also=also)
        outcome = _judged(callers, row, signed, alone)
        allowance = _allowance(connection, outcome, context.settings.requests_per_minute)
    request.state.allowance = allowance
    if isinstance(outcome, M2KTError):
        raise outcome
    if allowance and allowance.retry_after:
        raise RateLimited(f"{outcome.name} may send {allowance.limit} requests a minute")
    return Signed(outcome, signed, row.now)


def _verified(request: Request, context: Context, lookup: Callable[[KeyId], PublicKey | None]) -> SignedRequest:
    return parse_and_verify(target_of(request, context.settings), request.headers, lookup, int(time.time()))


async def start_reading(request: Request, context: ContextDep) -> AsyncIterator[Reading]:
    """The body of an upload."""
    reading = Reading(request)
    try:
        yield reading
    finally:
        await reading.stop()


ReadingDep = Annotated[Reading, Depends(start_reading, scope="function")]


async def verify_upload(request: Request, context: ContextDep, reading: ReadingDep) -> Signed:
    """The same for an upload. Once a known key has signed for the body, its beginning is read while the database is
    asked about the caller; nobody else has a byte read."""
    signed = None
    with suppress(UnknownKey):  # whom the database may know
        signed = _verified(request, context, context.callers.remembered)
        reading.begin()
    return await run_in_threadpool(_told, request, context, signed)


def _announced(request: Request, context: Context, signed: SignedRequest) -> Order | None:
    """What the store wants to be told before the body is there: it rides along, so that nobody has to wait for it."""
    if request.scope["route"].path not in STORING:
        return None
    return context.desk.store.expecting(f"sha256:{signed.content_digest.hex()}")


def _judged(callers: Callers, row: Told, signed: SignedRequest, alone: bool) -> Principal | M2KTError:
    """The caller, or why it may not call: to be raised after the commit."""
    try:
        return callers.judge(row, signed, alone=alone)
    except M2KTError as error:
        return error


def _allowance(connection: Driver, caller: Principal | M2KTError, per_minute: int) -> Allowance | None:
    """What a caller has left after this request; who may not call now spends nothing of the agent's."""
    if isinstance(caller, M2KTError) or caller.role == Role.ADMIN or not per_minute:
        return None
    return rates.spend(connection, caller.name, per_minute)


def target_of(request: Request, settings: Settings) -> Target:
    """What the request is for, as it stands on the wire."""
    authority = request.headers.get("host", "")
    if settings.authorities and authority not in settings.authorities:
        raise RequestUnsigned(f"this broker is not {authority}", hint="Use the broker's public address.")
    raw_path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return Target(request.method, authority, raw_path.decode("latin-1"), query.decode("latin-1"))


SignedDep = Annotated[Signed, Depends(verify_head)]


@dataclass(frozen=True)
class Proof:
    """A request that may be signed by a key which the broker does not know yet."""

    request: Request
    settings: Settings
    body: bytes

    def require(self, key: PublicKey) -> None:
        """`RequestUnsigned` unless ``key`` signed this very request, just now."""
        target = target_of(self.request, self.settings)
        signed = parse_and_verify(target, self.request.headers, lambda _: key, int(time.time()))
        signed.check_body(sha256(self.body).digest())


async def get_proof(request: Request, context: ContextDep, body: BodyDep) -> Proof:
    return Proof(request, context.settings, body)


ProofDep = Annotated[Proof, Depends(get_proof)]


async def get_caller(signed: SignedDep, body: BodyDep) -> Principal:
    """The caller of a request whose signature covers its whole body. It says nothing about who may: `allow` does."""
    signed.request.check_body(sha256(body).digest())
    return signed.principal


CallerDep = Annotated[Principal, Depends(get_caller)]


@dataclass(frozen=True)
class Rule:
    """Which roles may call a route; None is everybody, signed or not, and ``why`` says why."""

    roles: frozenset[Role] | None
    why: str = ""
    signable: bool = False
    """Whether who signs may see more; if not, signatures are not looked at."""

    async def admit(self, request: Request, context: Context, principal: Principal) -> None:
        """`Forbidden` for another role, then `NotFound` for what the path names in another project."""
        if self.roles is not None and principal.role not in self.roles:
            allowed = ", ".join(sorted(self.roles))
            raise Forbidden(f"{principal.name} has the role {principal.role}; this needs one of: {allowed}")
        await guard_path(request, context, principal.scope, shared=False)


@dataclass(frozen=True)
class Allowed:
    """The dependency that `allow` makes."""

    rule: Rule

    async def __call__(self, request: Request, context: ContextDep, caller: CallerDep) -> Principal:
        await self.rule.admit(request, context, caller)
        return caller


@dataclass(frozen=True)
class AllowedUpload:
    """The dependency that `allow_upload` makes."""

    rule: Rule

    async def __call__(
        self, request: Request, context: ContextDep, signed: Annotated[Signed, Depends(verify_upload)]
    ) -> Signed:
        await self.rule.admit(request, context, signed.principal)
        return signed


@dataclass(frozen=True)
class Anyone:
    """The dependency that `anyone` makes."""

    rule: Rule

    async def __call__(self, request: Request, context: ContextDep) -> Scope:
        public = frozenset(context.settings.public_projects)
        scope = Scope(public)
        if self.rule.signable and "signature-input" in request.headers:
            signed = await run_in_threadpool(verify_head, request, context)
            signed.request.check_body(sha256(await request.body()).digest())
            scope = signed.principal.scope.widened(public)
        await guard_path(request, context, scope, shared=True)
        return scope


async def guard_path(request: Request, context: Context, scope: Scope, *, shared: bool) -> None:
    """`NotFound` for what the path names outside of this scope."""
    things = [] if scope == EVERYWHERE else guard.named(request.scope["route"].path, request.path_params)
    if things:
        await run_in_threadpool(_check, context, things, scope, shared)


def _check(context: Context, things: list[tuple[guard.Guarded, str]], scope: Scope, shared: bool) -> None:
    with transaction(context.sessions) as session:
        guard.check(session, things, scope, shared=shared)


def allow(*roles: Role) -> Allowed:
    """A dependency: the caller, whose role must be one of these, and who is at home where the path leads."""
    return Allowed(Rule(frozenset(roles)))


def allow_upload(*roles: Role) -> AllowedUpload:
    """The same for bodies that stream in: decided while their beginning is read (`verify_upload`)."""
    return AllowedUpload(Rule(frozenset(roles)))


def anyone(why: str, *, signable: bool = False) -> Anyone:
    """A dependency: what the caller may look at. Who does not sign sees the public projects; with ``signable``, agents
    that sign see their own, too. ``why`` says why nobody has to sign."""
    return Anyone(Rule(None, why, signable))


ANY_ROLE = allow(*Role)
"""Every agent that is registered; the service decides what is whose."""

OPEN_METADATA = anyone(
    "what is said about a public project's packets, jobs and agents is for everybody to check", signable=True
)
OPEN_LOG = anyone("the transparency log holds digests only, and is worth something because everybody can read it")
OPEN_MACHINES = anyone("for the machines and people around the broker; names no project's things")

PublicScopeDep = Annotated[Scope, Depends(OPEN_METADATA)]
CallerOfAnyRoleDep = Annotated[Principal, Depends(ANY_ROLE)]
AdminDep = Annotated[Principal, Depends(allow(Role.ADMIN))]
PublisherDep = Annotated[Signed, Depends(allow_upload(*sorted(agents.PUBLISHING)))]
PeerDep = Annotated[Signed, Depends(allow_upload(*sorted(agents.PEERS)))]
