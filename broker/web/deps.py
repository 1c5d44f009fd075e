"""What endpoints may ask for: a session, the caller, the body. Only this module touches the request."""

import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import text
from sqlalchemy.orm import Session

from broker.db import Ring, Sessions, transaction
from broker.models import Role
from broker.services import agents, rates
from broker.services.agents import Principal
from broker.services.publishing import Desk
from broker.services.rates import Allowance
from broker.services.sequencer import Keeper
from broker.settings import Settings
from broker.web.closing import Closing
from m2kt.errors import Forbidden, RateLimited, RequestUnsigned, WrongMediaType
from m2kt.signing.http import SignedRequest, Target, parse_and_verify
from m2kt.signing.keys import KeyId, PublicKey


@dataclass(frozen=True)
class Context:
    """What the factory makes once and every request may use; it stands in ``app.state.context``."""

    settings: Settings
    sessions: Sessions
    ring: Ring
    desk: Desk
    closing: Closing
    keeper: Keeper


# What only hands something on is `async`: a plain function would cost a hop to the thread pool and back.


async def get_context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


ContextDep = Annotated[Context, Depends(get_context)]


async def get_desk(context: ContextDep) -> Desk:
    return context.desk


DeskDep = Annotated[Desk, Depends(get_desk)]


def get_session(context: ContextDep) -> Iterator[Session]:
    """One request, one transaction. Scope ``function``: it commits before the answer is sent, so a commit that fails
    is an error and not a 200."""
    with transaction(context.sessions, context.ring) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session, scope="function")]


@dataclass(frozen=True)
class Signed:
    """A caller whose signature holds for the head of the request; the body is still to be compared."""

    principal: Principal
    request: SignedRequest


_SAFE = ("GET", "HEAD")
_WITHOUT_WAITING = text("SET LOCAL synchronous_commit = off")
"""A nonce that a crash of Postgres could forget within its first second would let a read be repeated, which changes
nothing; waiting for the disk would be a good part of a small pull."""


def verify_head(request: Request, context: ContextDep) -> Signed:
    """Who calls. The nonce is burnt in its own transaction: a request that fails later cannot be repeated either.
    What the caller has left is counted there, too, and stands in every answer (`broker.web.limits.RateHeaders`)."""
    found: list[Principal] = []
    with transaction(context.sessions) as session:
        if request.method in _SAFE:
            session.execute(_WITHOUT_WAITING)

        def lookup(key: KeyId) -> PublicKey:
            found.append(agents.principal(session, context.desk.standing, key))
            return found[0].key

        signed = parse_and_verify(_target(request, context.settings), request.headers, lookup, int(time.time()))
        agents.burn(session, signed.key_id, signed.nonce)
        allowance = _allowance(session, found[0], context.settings.requests_per_minute)
    request.state.allowance = allowance
    if allowance and allowance.retry_after:
        raise RateLimited(f"{found[0].name} may send {allowance.limit} requests a minute")
    return Signed(found[0], signed)


def _allowance(session: Session, caller: Principal, per_minute: int) -> Allowance | None:
    if caller.role == Role.ADMIN or not per_minute:
        return None
    return rates.spend(session, caller.name, per_minute)


def _target(request: Request, settings: Settings) -> Target:
    authority = request.headers.get("host", "")
    if settings.authorities and authority not in settings.authorities:
        raise RequestUnsigned(f"this broker is not {authority}", hint="Use the broker's public address.")
    raw_path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return Target(request.method, authority, raw_path.decode("latin-1"), query.decode("latin-1"))


SignedDep = Annotated[Signed, Depends(verify_head)]


async def read_body(request: Request) -> bytes:
    """The body as sent. `broker.web.limits` has bounded it."""
    return await request.body()


BodyDep = Annotated[bytes, Depends(read_body)]


async def get_caller(signed: SignedDep, body: BodyDep) -> Principal:
    """The caller of a request whose signature covers its whole body."""
    signed.request.check_body(sha256(body).digest())
    return signed.principal


CallerDep = Annotated[Principal, Depends(get_caller)]


def require(caller: Principal, roles: frozenset[Role]) -> Principal:
    if caller.role not in roles:
        allowed = ", ".join(sorted(roles))
        raise Forbidden(f"{caller.name} has the role {caller.role}; this needs one of: {allowed}")
    return caller


def allow(*roles: Role) -> Callable[[Principal], Awaitable[Principal]]:
    """A dependency: the caller, whose role must be one of these."""

    async def allowed(caller: CallerDep) -> Principal:
        return require(caller, frozenset(roles))

    return allowed


AdminDep = Annotated[Principal, Depends(allow(Role.ADMIN))]


async def get_publisher(signed: SignedDep) -> Signed:
    """The caller, refused by role before a byte of the body is read."""
    require(signed.principal, agents.PUBLISHING)
    return signed


PublisherDep = Annotated[Signed, Depends(get_publisher)]


@dataclass(frozen=True)
class Body:
    """A body of bytes, whose digest is the one that was signed."""

    data: bytes
    digest: str
    """``sha256:`` and hex."""


def binary_body(media_type: str) -> Callable[..., Awaitable[Body]]:
    """A dependency: a publisher's body of this type, hashed while it streams in and compared with what was signed."""

    async def read(request: Request, signed: PublisherDep) -> Body:
        _check_type(request, media_type)
        pieces, digest = [], sha256()
        async for piece in request.stream():
            digest.update(piece)
            pieces.append(piece)
        signed.request.check_body(digest.digest())
        return Body(b"".join(pieces), f"sha256:{digest.hexdigest()}")

    return read


def _check_type(request: Request, media_type: str) -> None:
    """Nothing said is fine, so are plain bytes; anything else is somebody's mistake, said before a byte is read."""
    told = request.headers.get("content-type", media_type).partition(";")[0].strip().lower()
    if told not in (media_type, "application/octet-stream"):
        raise WrongMediaType(f"the body is to be {media_type}")
