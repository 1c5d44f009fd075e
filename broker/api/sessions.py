"""Sessions and heartbeats: how a running agent stays known, and hears what to do."""

from fastapi import APIRouter, Response, status

from broker.db import transaction
from broker.models import Role
from broker.schemas.sessions import (
    DrainOrder,
    HeartbeatIn,
    HeartbeatOut,
    RecallOrder,
    SessionIn,
    SessionOut,
    StopOrder,
)
from broker.services import heartbeats, sessions
from broker.services.heartbeats import Beat
from broker.services.leases import Held
from broker.settings import Settings
from broker.web.deps import CallerOfAnyRoleDep, ContextDep, SessionDep
from broker.web.problems import documented
from m2kt import __version__

router = APIRouter(prefix="/v1", tags=["sessions"])


@router.post("/session", status_code=status.HTTP_201_CREATED, responses=documented(401, 403, 409))
def open_session(body: SessionIn, caller: CallerOfAnyRoleDep, context: ContextDep, session: SessionDep) -> SessionOut:
    """Open your session; the one before ends with it. Opening the same one again changes nothing."""
    opened = sessions.open_(session, caller, body.session, body.host)
    return SessionOut(
        session=opened.session.session,
        epoch=opened.session.epoch,
        name=caller.name,
        role=Role(caller.role),
        project=caller.project,
        opened=opened.session.opened,
        now=opened.now,
        draining=opened.draining,
        beat_seconds=context.settings.beat_seconds,
        lease_seconds=context.settings.lease_seconds,
        broker_version=__version__,
    )


@router.post("/session/close", status_code=status.HTTP_204_NO_CONTENT, responses=documented(401, 403, 409))
def close_session(caller: CallerOfAnyRoleDep, session: SessionDep) -> Response:
    """End the session that signs this request; what it still holds is due again."""
    sessions.close(session, caller)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@router.post("/heartbeat", response_model=HeartbeatOut, responses=documented(401, 403, 409))
def beat(body: HeartbeatIn, caller: CallerOfAnyRoleDep, context: ContextDep) -> Response:
    """Say that you live, renew what you hold, and hear your orders. It brings back nothing that has ended."""
    held = [Held(each.job, each.fence, each.progress, each.log) for each in body.held]
    # The hottest route. `SessionDep` would cost two more hops between threads, an answer that is a model another one.
    with transaction(context.sessions, context.ring) as session:
        found = heartbeats.beat(session, caller, held, context.settings.lease_seconds)
    return Response(_answer(found, context.settings).model_dump_json(), media_type="application/json")


def _answer(found: Beat, settings: Settings) -> HeartbeatOut:
    orders: list[StopOrder | DrainOrder | RecallOrder] = [
        StopOrder(job=each.job, reason=each.reason) for each in found.lost
    ]
    if found.draining is not None:
        orders.append(DrainOrder(since=found.draining))
    orders += [RecallOrder(packet_id=name, reason=reason) for name, reason in sorted(found.recalls.items())]
    return HeartbeatOut(
        now=found.now,
        epoch=found.epoch,
        beat_seconds=settings.beat_seconds,
        lease_seconds=settings.lease_seconds,
        orders=orders,
    )
