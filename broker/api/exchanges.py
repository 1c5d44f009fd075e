"""Exchanges: open, join, follow, and the three things that a peer does in a round (docs/exchange-protocol.md)."""

import asyncio
import time
import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response, status
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from broker.api.attestations import ENVELOPE
from broker.api.packets import LOCATION, MEDIA_TYPE
from broker.db import transaction
from broker.models import ExchangeState
from broker.schemas.exchanges import (
    ComplaintOut,
    ConfidencesIn,
    ExchangeIn,
    ExchangeOut,
    ExchangePage,
    ExchangeSummary,
    JoinIn,
    LeaveIn,
    MasksOut,
    ReportIn,
    RoundNumber,
    RoundOut,
    Step,
    TurnOut,
)
from broker.schemas.packets import PacketOut
from broker.schemas.types import AgentName
from broker.services import complaints, exchanges, packets, rounds, turns
from broker.services.agents import Principal
from broker.web.deps import (
    Body,
    BodyDep,
    Context,
    ContextDep,
    DeskDep,
    PeerDep,
    PublicScopeDep,
    SessionDep,
    allow,
    peers_body,
)
from broker.web.paging import PagingDep, cut
from broker.web.problems import documented
from m2kt.errors import Unavailable

router = APIRouter(prefix="/v1/exchanges", tags=["exchanges"])

LOOK_SECONDS = 0.05
MAX_WAIT_SECONDS = 30.0
MAX_WAITING = 200

Round = Annotated[RoundNumber, Path()]
PredictionsDep = Annotated[Body, Depends(peers_body(MEDIA_TYPE))]
OpenerDep = Annotated[Principal, Depends(allow(*sorted(exchanges.OPENING)))]
MemberDep = Annotated[Principal, Depends(allow(*sorted(exchanges.JOINING)))]
ReaderDep = Annotated[Principal, Depends(allow(*sorted(exchanges.JOINING | exchanges.READING)))]
_PACKET = {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}
_COMPLAINT = {ENVELOPE: {"schema": {"type": "object"}}}


@router.post("", status_code=status.HTTP_201_CREATED, responses={201: {"headers": LOCATION}, **documented(401, 403)})
def open_exchange(
    body: ExchangeIn, caller: OpenerDep, context: ContextDep, session: SessionDep, response: Response
) -> ExchangeOut:
    """Open an exchange: a task without its samples, a round plan, and who is invited."""
    limit = context.settings.max_packet_bytes
    opened = exchanges.open_(session, body.opening(), by=caller, max_bytes=limit)
    response.headers["Location"] = f"/v1/exchanges/{opened.id}"
    return _seen(session, opened.id)


@router.get("", responses=documented())
def list_exchanges(
    scope: PublicScopeDep,
    session: SessionDep,
    paging: PagingDep,
    response: Response,
    state: ExchangeState | None = None,
) -> ExchangePage:
    """Exchanges, newest first."""
    rows = exchanges.page(session, scope, before=paging.cursor, limit=paging.one_more, state=state)
    return ExchangePage(items=[ExchangeSummary.of(each) for each in cut(rows, paging, lambda row: row.seq, response)])


@router.get("/{exchange_id}", responses=documented(404))
async def show(
    exchange_id: uuid.UUID,
    _: PublicScopeDep,
    context: ContextDep,
    after: Annotated[Step | None, Query(description="The step that the caller has seen")] = None,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT_SECONDS, description="Seconds to wait for another one")] = 0,
) -> ExchangeOut:
    """One exchange with its present round; with ``after`` and ``wait``, as soon as there is something new."""
    if after is not None and wait > 0:
        await _changed(context, exchange_id, after, wait)
    return await run_in_threadpool(_look, context, exchange_id)


async def _changed(context: Context, exchange_id: uuid.UUID, after: int, wait: float) -> None:
    """Looks now and then, each time with a connection for a moment only; a deadline that passes is a change."""
    if context.closing.streams >= MAX_WAITING:
        raise Unavailable(f"this broker holds {MAX_WAITING} streams already")
    end = time.monotonic() + wait
    with context.closing.stream():
        while time.monotonic() < end and not context.closing.begun:
            if await run_in_threadpool(_step, context, exchange_id) != after:
                return
            await asyncio.sleep(LOOK_SECONDS)


def _step(context: Context, exchange_id: uuid.UUID) -> int:
    with transaction(context.sessions) as session:
        return rounds.step_now(session, exchange_id)


def _look(context: Context, exchange_id: uuid.UUID) -> ExchangeOut:
    with transaction(context.sessions) as session:
        return _seen(session, exchange_id)


def _seen(session: Session, exchange_id: uuid.UUID) -> ExchangeOut:
    exchange = rounds.get(session, exchange_id)
    begun = exchange.state != ExchangeState.OPEN and rounds.begun(session, exchange)
    current = _round(session, exchange_id, exchange.round) if begun else None
    return ExchangeOut.seen(exchange, rounds.peers(session, exchange_id), current)


def _round(session: Session, exchange_id: uuid.UUID, number: int) -> RoundOut:
    row = turns.get_round(session, exchange_id, number)
    found = rounds.turns(session, exchange_id, number)
    states = rounds.packet_states(session, found)
    shown = [TurnOut.of(each, states.get(each.packet_id or "")) for each in found]
    return RoundOut.of(row, shown, complaints.of_round(session, exchange_id, number))


@router.get("/{exchange_id}/rounds/{number}", responses=documented(404))
def show_round(exchange_id: uuid.UUID, number: Round, _: PublicScopeDep, session: SessionDep) -> RoundOut:
    """One round: who did what, who is out and why, and complaints."""
    return _round(session, exchange_id, number)


@router.get("/{exchange_id}/rounds/{number}/masks", responses=documented(401, 403, 404))
def masks(exchange_id: uuid.UUID, number: Round, caller: ReaderDep, session: SessionDep) -> MasksOut:
    """Confidences and masks of a round, for its peers; empty until all confidences are there."""
    exchanges.require_reader(session, exchange_id, caller)
    row = turns.get_round(session, exchange_id, number)
    return MasksOut.of(row, rounds.turns(session, exchange_id, number))


@router.post("/{exchange_id}/join", responses=documented(401, 403, 404, 409))
def join(exchange_id: uuid.UUID, body: JoinIn, caller: MemberDep, session: SessionDep) -> ExchangeOut:
    """Take part, or come back. A task that differs from the exchange's is refused."""
    return _seen(session, exchanges.join(session, exchange_id, body.task.checked(), by=caller).id)


@router.post("/{exchange_id}/leave", responses=documented(401, 403, 404))
def leave(exchange_id: uuid.UUID, body: LeaveIn, caller: MemberDep, session: SessionDep) -> ExchangeOut:
    """Take part no more."""
    return _seen(session, exchanges.leave(session, exchange_id, body.reason, by=caller).id)


@router.post("/{exchange_id}/cancel", responses=documented(401, 403, 404))
def cancel(exchange_id: uuid.UUID, caller: OpenerDep, session: SessionDep) -> ExchangeOut:
    """End an exchange; for who opened it, and administrators."""
    return _seen(session, exchanges.cancel(session, exchange_id, by=caller).id)


@router.post("/{exchange_id}/rounds/{number}/confidences", responses=documented(401, 403, 404, 409))
def post_confidences(
    exchange_id: uuid.UUID, number: Round, body: ConfidencesIn, caller: MemberDep, session: SessionDep
) -> ExchangeOut:
    """Post confidences for the round's samples. The same again changes nothing."""
    turns.post(session, exchange_id, number, body.values, body.task, body.samples, by=caller)
    return _seen(session, exchange_id)


@router.post(
    "/{exchange_id}/rounds/{number}/packets",
    status_code=status.HTTP_201_CREATED,
    responses={
        201: {"headers": LOCATION},
        200: {"model": PacketOut, "description": "it was there", "headers": LOCATION},
        **documented(401, 403, 404, 409, 415),
    },
    openapi_extra={"requestBody": {"required": True, "content": _PACKET}},
)
def publish(
    exchange_id: uuid.UUID,
    number: Round,
    body: PredictionsDep,
    signed: PeerDep,
    desk: DeskDep,
    session: SessionDep,
    response: Response,
) -> PacketOut:
    """Publish predictions for exactly the places that the caller teaches: a packet of kind `exchange`."""
    published = turns.publish(session, desk, exchange_id, number, body.data, by=signed.principal)
    packet = published.packet
    response.headers["Location"] = f"/v1/packets/{packet.packet_id}"
    if not published.fresh:
        response.status_code = status.HTTP_200_OK
    return PacketOut.of(packet, packets.signatures(session, [packet.packet_id])[packet.packet_id])


@router.post("/{exchange_id}/rounds/{number}/reports", responses=documented(401, 403, 404, 409))
def report(
    exchange_id: uuid.UUID, number: Round, body: ReportIn, caller: MemberDep, session: SessionDep
) -> ExchangeOut:
    """Say that the caller has learned from this round, and its losses."""
    turns.report(session, exchange_id, number, body.model_dump(), by=caller)
    return _seen(session, exchange_id)


@router.post(
    "/{exchange_id}/rounds/{number}/complaints/{accused}",
    status_code=status.HTTP_201_CREATED,
    responses=documented(401, 403, 404, 409),
    openapi_extra={"requestBody": {"required": True, "content": _COMPLAINT}},
)
def complain(
    exchange_id: uuid.UUID,
    number: Round,
    accused: AgentName,
    body: BodyDep,
    caller: MemberDep,
    desk: DeskDep,
    session: SessionDep,
) -> ComplaintOut:
    """Complain that a peer's predictions do not give what it claimed: a DSSE envelope that the caller signed."""
    return ComplaintOut.of(complaints.complain(session, desk, exchange_id, number, accused, body, by=caller))
