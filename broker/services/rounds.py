"""The rounds of an exchange, step by step: what ends a phase, who is out, when it fails.

`advance` is called by whatever may end a phase (a post, a scan's end, a deadline that somebody notices), in its
transaction and with the exchange's row locked. The state is a function of rows and the database's clock alone.
Locks are taken in one order: a packet before its exchange.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from broker.models import (
    PULLABLE,
    Exchange,
    ExchangePeer,
    ExchangeRound,
    ExchangeState,
    ExchangeTurn,
    Packet,
    PacketState,
    PeerState,
    Phase,
)
from m2kt.errors import NotFound
from m2kt.exchange import RoundPlan, masks

LEAST = 2
LIVE = (ExchangeState.OPEN, ExchangeState.RUNNING)
SWEPT = 50


@lru_cache(maxsize=256)
def plan_of(text: str) -> RoundPlan:
    """The plan in an exchange's row."""
    return RoundPlan.from_bytes(text.encode())


def get(session: Session, exchange_id: uuid.UUID) -> Exchange:
    found = session.get(Exchange, exchange_id)
    if found is None:
        raise NotFound(f"there is no exchange {exchange_id}", hint="List them with `m2kt exchange list`.")
    return found


def hold(session: Session, exchange_id: uuid.UUID) -> Exchange:
    """The exchange, locked until the transaction ends; rows that hang on it change under this lock only."""
    found = session.get(Exchange, exchange_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise NotFound(f"there is no exchange {exchange_id}", hint="List them with `m2kt exchange list`.")
    return found


def peers(session: Session, exchange_id: uuid.UUID) -> list[ExchangePeer]:
    """All that ever joined, by name."""
    found = list(session.scalars(select(ExchangePeer).where(ExchangePeer.exchange_id == exchange_id)))
    return sorted(found, key=lambda each: each.name)  # as Python orders text: a database's collation may differ


def turns(session: Session, exchange_id: uuid.UUID, number: int) -> list[ExchangeTurn]:
    """What peers did in a round, by name."""
    wanted = select(ExchangeTurn).where(ExchangeTurn.exchange_id == exchange_id, ExchangeTurn.round == number)
    return sorted(session.scalars(wanted), key=lambda each: each.peer)


def packet_states(session: Session, found: Sequence[ExchangeTurn]) -> dict[str, PacketState]:
    """States of the packets that turns have, by id."""
    wanted = [each.packet_id for each in found if each.packet_id is not None]
    rows = session.execute(select(Packet.packet_id, Packet.state).where(Packet.packet_id.in_(wanted)))
    return {row.packet_id: row.state for row in rows}


def begun(session: Session, exchange: Exchange) -> bool:
    """Whether there was a round."""
    return session.get(ExchangeRound, (exchange.id, exchange.round)) is not None


def step_now(session: Session, exchange_id: uuid.UUID) -> int:
    """The exchange's step, once what its deadline ends has ended."""
    wanted = select(Exchange.step, Exchange.deadline <= func.clock_timestamp()).where(Exchange.id == exchange_id)
    row = session.execute(wanted).first()
    if row is None or not row[1]:
        return row[0] if row else get(session, exchange_id).step
    exchange = hold(session, exchange_id)
    if exchange.state in LIVE:
        advance(session, exchange)
    return exchange.step


def advance(session: Session, exchange: Exchange) -> None:
    """Take a locked exchange as far as its rows and the clock allow."""
    session.flush()
    now = session.scalars(select(func.clock_timestamp())).one()
    while _step(_Held(session, exchange, now)):
        pass
    exchange.step += 1
    session.flush()


def packets_moved(session: Session, packet_ids: Collection[str]) -> None:
    """Packets, which the caller holds, changed their states; exchanges whose turns they are may go on."""
    found = session.scalars(select(ExchangeTurn.exchange_id).where(ExchangeTurn.packet_id.in_(packet_ids)).distinct())
    for each in sorted(found):  # several exchanges, too, are locked in one order
        exchange = hold(session, each)
        if exchange.state in LIVE:
            advance(session, exchange)


def sweep(session: Session) -> int:
    """Advance what is past its deadline and held by nobody; returns how many."""
    late = (
        select(Exchange)
        .where(Exchange.state.in_(LIVE), Exchange.deadline <= func.clock_timestamp())
        .order_by(Exchange.deadline)
        .limit(SWEPT)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    found = list(session.scalars(late))
    for each in found:
        advance(session, each)
    return len(found)


def end(session: Session, exchange: Exchange, state: ExchangeState, reason: str) -> None:
    """Finish or fail a locked exchange."""
    exchange.state, exchange.reason, exchange.phase, exchange.deadline = state, reason, None, None
    exchange.finished = session.scalars(select(func.clock_timestamp())).one()
    exchange.step += 1
    session.flush()


def drop(session: Session, exchange: Exchange, peer: ExchangePeer, state: PeerState, why: str) -> None:
    """Take a peer out of the present round, unless it has done its part; ``state`` says whether it may come back."""
    peer.state, peer.reason = state, why
    if exchange.state != ExchangeState.RUNNING:
        return
    turn = session.get(ExchangeTurn, (exchange.id, exchange.round, peer.name))
    if turn is None:
        turn = ExchangeTurn(exchange_id=exchange.id, round=exchange.round, peer=peer.name)
        session.add(turn)
    if turn.dropped is None and (exchange.phase != Phase.REPORTS or state == PeerState.EVICTED):
        turn.dropped = why
    session.flush()


@dataclass(frozen=True)
class _Held:
    """A locked exchange, and the time."""

    session: Session
    exchange: Exchange
    now: datetime

    @property
    def late(self) -> bool:
        return self.exchange.deadline is not None and self.exchange.deadline <= self.now

    @property
    def peers(self) -> dict[str, ExchangePeer]:
        return {each.name: each for each in peers(self.session, self.exchange.id)}

    @property
    def present(self) -> list[str]:
        return [each.name for each in self.peers.values() if each.state == PeerState.PRESENT]

    @property
    def taking_part(self) -> list[ExchangeTurn]:
        """Turns of the present round that are in it."""
        found = turns(self.session, self.exchange.id, self.exchange.round)
        return [each for each in found if each.confidences is not None and each.dropped is None]

    def give_up(self, names: Sequence[str], why: str) -> None:
        everybody = self.peers
        for each in names:
            drop(self.session, self.exchange, everybody[each], PeerState.ABSENT, f"round {self.exchange.round}: {why}")


def _step(held: _Held) -> bool:
    """Whether there was something to do."""
    exchange = held.exchange
    if exchange.state == ExchangeState.OPEN:
        return _start(held)
    if exchange.state != ExchangeState.RUNNING:
        return False
    steps = {Phase.CONFIDENCES: _compare, Phase.PREDICTIONS: _collect, Phase.REPORTS: _close}
    assert exchange.phase is not None
    return steps[exchange.phase](held)


def _start(held: _Held) -> bool:
    """Joining is over when nobody more can come, or at its deadline."""
    present, exchange = held.present, held.exchange
    if len(present) < exchange.most and not held.late:
        return False
    if len(present) < exchange.least:
        who = ", ".join(present) or "nobody"
        _fail(held, f"{len(present)} of at least {exchange.least} peers joined in time: {who}")
        return True
    exchange.state, exchange.reason = ExchangeState.RUNNING, None
    _begin(held, 0)
    return True


def _begin(held: _Held, number: int) -> None:
    held.session.add(ExchangeRound(exchange_id=held.exchange.id, number=number, began=held.now))
    held.exchange.round = number
    _enter(held, Phase.CONFIDENCES)


def _enter(held: _Held, phase: Phase) -> None:
    held.exchange.phase = phase
    held.exchange.deadline = held.now + timedelta(seconds=held.exchange.phase_seconds)
    held.session.flush()


def _compare(held: _Held) -> bool:
    """Once all confidences are there, find each sample's teacher."""
    posted = held.taking_part
    missing = sorted(set(held.present) - {each.peer for each in posted})
    if _too_few(held, len(held.present)):
        return True
    if missing and not held.late:
        return False
    held.give_up(missing, "it posted no confidences in time")
    if _too_few(held, len(posted)):
        return True
    known = np.stack([np.frombuffer(each.confidences or b"", "<f4") for each in posted])
    roles = masks(known)
    for turn, mask in zip(posted, roles, strict=True):
        turn.taught = int(mask.sum())
    found = _round(held)
    found.peers = [each.peer for each in posted]
    found.teachers = roles.argmax(axis=0).astype(np.uint8).tobytes()
    _enter(held, Phase.PREDICTIONS)
    return True


def _collect(held: _Held) -> bool:
    """Once every teacher's packet is decided, the others learn."""
    teaching = [each for each in held.taking_part if each.taught]
    known = packet_states(held.session, teaching)
    states = {each.peer: known.get(each.packet_id or "") for each in teaching}
    everybody = held.peers
    for name, state in states.items():
        if state == PacketState.REJECTED:
            why = f"round {held.exchange.round}: its packet was rejected by the scan"
            drop(held.session, held.exchange, everybody[name], PeerState.EVICTED, why)
        if state == PacketState.REVOKED:
            held.give_up([name], "its packet was revoked")
    decided = PULLABLE | {PacketState.REJECTED, PacketState.REVOKED}
    pending = [name for name, state in states.items() if state not in decided]
    if _too_few(held, len(held.taking_part)):
        return True
    if pending and not held.late:
        return False
    for name in pending:
        state = states[name]
        held.give_up([name], f"its packet was {state} at the deadline" if state else "it published nothing in time")
    if not _too_few(held, len(held.taking_part)):
        _enter(held, Phase.REPORTS)
    return True


def _close(held: _Held) -> bool:
    """Once all have learned, the next round begins; after the last one the exchange has finished."""
    exchange, everybody = held.exchange, held.peers
    present = {each.name for each in everybody.values() if each.state == PeerState.PRESENT}
    missing = [each.peer for each in held.taking_part if each.report is None and each.peer in present]
    if missing and not held.late:
        return False
    held.give_up(missing, "it did not report that it has learned")
    _round(held).ended = held.now
    if exchange.round + 1 == plan_of(exchange.plan).rounds:
        told = sum(each.report is not None for each in held.taking_part)
        end(held.session, exchange, ExchangeState.FINISHED, f"all rounds are done; {told} peers did the last one")
    elif not _too_few(held, len(held.present)):
        _begin(held, exchange.round + 1)
    return True


def _too_few(held: _Held, count: int) -> bool:
    if count >= LEAST:
        return False
    told = "; ".join(
        f"{each.name} is {each.state}{f' ({each.reason})' if each.reason and each.state != PeerState.PRESENT else ''}"
        for each in held.peers.values()
    )
    _fail(held, f"round {held.exchange.round}: fewer than two peers are left: {told}")
    return True


def _fail(held: _Held, reason: str) -> None:
    end(held.session, held.exchange, ExchangeState.FAILED, reason)


def _round(held: _Held) -> ExchangeRound:
    found = held.session.get(ExchangeRound, (held.exchange.id, held.exchange.round))
    assert found is not None
    return found
