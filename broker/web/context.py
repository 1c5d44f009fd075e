"""What endpoints may ask for besides the caller: the factory's things, a session, the body."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from broker.db import Ring, Sessions, Single, transaction
from broker.services.callers import Callers
from broker.services.publishing import Desk
from broker.services.sequencer import Keeper
from broker.settings import Settings
from broker.web.closing import Closing


@dataclass(frozen=True)
class Context:
    """What the factory makes once and every request may use; it stands in ``app.state.context``."""

    settings: Settings
    sessions: Sessions
    ring: Ring
    desk: Desk
    closing: Closing
    keeper: Keeper
    callers: Callers
    single: Single
    """For what every request begins with."""
    reads: Sessions
    """For what needs one statement: each is a transaction."""


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


async def read_body(request: Request) -> bytes:
    """The body as sent. `broker.web.limits` has bounded it."""
    return await request.body()


BodyDep = Annotated[bytes, Depends(read_body)]
