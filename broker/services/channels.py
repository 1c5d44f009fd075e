"""Channels of a name: a head is a signed, logged statement that says which packet it is now, and until when to believe
it. Its serial number only grows, so that an old head shows; it ends soon and is renewed, so that silence shows."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from broker.models import Channel, ChannelHead, Packet, PacketState, Role
from broker.services import feed, gate, keyring, packets, tlog, versions
from broker.services.agents import Principal
from broker.services.scopes import Scope
from m2kt.client.predicates import CHANNEL
from m2kt.errors import (
    ChannelUnusable,
    Conflict,
    Forbidden,
    NotFound,
    NotPullable,
    PreconditionFailed,
    PreconditionRequired,
    UsageError,
)
from m2kt.packet import PacketId
from m2kt.signing.keys import PrivateKey
from m2kt.signing.statement import attest
from m2kt.signing.validity import time_text

LATEST = "latest"
"""No channel has this name: the highest approved version is asked for with `versions.latest`."""

RENEWER = "renewal"
RENEW_BITE = 50


@dataclass(frozen=True)
class Seen:
    """What a mover saw last: the ETag that it sends with If-Match, ``*`` for any, None with If-None-Match: *."""

    etag: str | None

    @classmethod
    def of(cls, if_match: str | None, if_none_match: str | None) -> "Seen":
        """From the two headers (RFC 9110, 13.1); `PreconditionRequired` (RFC 6585) without either."""
        if (if_match is None) == (if_none_match is None):
            raise PreconditionRequired("say which head you saw: If-Match, or If-None-Match: * for a new channel")
        if if_none_match is not None and if_none_match.strip() != "*":
            raise UsageError("If-None-Match must be * here: it makes a channel that is not there yet")
        return cls(None if if_match is None else if_match.strip())

    def require(self, present: ChannelHead | None, what: str) -> None:
        if self.etag is None and present is not None:
            raise PreconditionFailed(f"{what} is there already, at {present.version} (serial {present.serial})")
        if self.etag is not None and present is None:
            raise PreconditionFailed(f"{what} is not there yet", hint="Make it with If-None-Match: *.")
        if self.etag is None or present is None or self.etag == "*":
            return
        if etag(present) not in (each.strip() for each in self.etag.split(",")):
            raise PreconditionFailed(f"{what} has moved on, to {present.version} (serial {present.serial})")


def etag(head: ChannelHead) -> str:
    return f'"{head.digest}"'


@dataclass(frozen=True)
class Move:
    """Who wants to lead which channel where: to a packet by its id, or by its version."""

    name: str
    channel: str
    packet_id: str | None
    version: str | None
    seen: Seen
    by: Principal


def move(session: Session, key: PrivateKey, life: timedelta, wanted: Move) -> ChannelHead:
    """Lead a channel to another packet of its name.

    1. the mover is an administrator, or published the first packet of this name (`Forbidden`);
    2. the packet is one of this name (`Conflict`);
    3. the channel is as the mover saw it: of two movers one wins (`PreconditionFailed`);
    4. the packet can be pulled, and nobody advises against it (`NotPullable`).
    """
    if wanted.channel == LATEST:
        raise UsageError(f"{LATEST} is no channel: it is always the highest approved version")
    # 1.
    _require_owner(session, wanted.name, wanted.by)
    # 2.
    packet = _target(session, wanted)
    # 3.
    row = _hold(session, wanted.name, wanted.channel)
    wanted.seen.require(_present(session, row), f"the channel {wanted.channel} of {wanted.name}")
    # 4.
    _require_good(session, packet)
    return _write(session, key, row, packet, life, wanted.by.name)


def _target(session: Session, wanted: Move) -> Packet:
    if wanted.packet_id is None:
        return versions.exact(session, wanted.name, wanted.version or "")
    packet = packets.get(session, wanted.packet_id)
    if packet.name != wanted.name:
        raise Conflict(f"packet {packet.packet_id} is {packet.name}@{packet.version}, no version of {wanted.name}")
    return packet


def get(session: Session, name: str, channel: str) -> ChannelHead:
    """The present head. `ChannelUnusable` when what it leads to cannot be pulled any more, or nobody renewed it."""
    wanted = _heads().where(Channel.name == name, Channel.channel == channel)
    head = session.scalars(wanted).first()
    if head is None:
        _owner(session, name)
        raise NotFound(f"{name} has no channel {channel}", hint="List them with `m2kt channel list`.")
    if (why := fault(session, head)) is not None:
        raise ChannelUnusable(f"the channel {channel} of {name} leads to {head.version}, and {why}")
    return head


def fault(session: Session, head: ChannelHead) -> str | None:
    """Why nobody should follow this head, if so."""
    if head.expires <= keyring.now(session):
        return f"was good until {time_text(head.expires)}"
    try:
        _require_good(session, packets.get(session, head.packet_id))
    except NotPullable as error:
        return error.detail
    return None


def page(
    session: Session, scope: Scope, *, after: int, limit: int, name: str | None, channel: str | None
) -> list[ChannelHead]:
    """Present heads, in the order in which their channels were made, from the one behind channel ``after``."""
    wanted = _heads().where(Channel.id > after, _within(scope)).order_by(Channel.id).limit(limit)
    for column, value in ((Channel.name, name), (Channel.channel, channel)):
        if value is not None:
            wanted = wanted.where(column == value)
    return list(session.scalars(wanted))


def history(session: Session, scope: Scope, *, after: int, limit: int) -> list[ChannelHead]:
    """All heads that there ever were, oldest first."""
    wanted = select(ChannelHead).where(ChannelHead.id > after, _within(scope)).order_by(ChannelHead.id).limit(limit)
    return list(session.scalars(wanted))


def proof_text(session: Session, head: ChannelHead) -> str | None:
    """The proof that the head stands in the log, or nothing while it waits."""
    return tlog.proof_of(session, head.envelope)


def renew(session: Session, key: PrivateKey, life: timedelta) -> int:
    """Sign heads anew of which less than half a ``life`` is left, if they may be followed; returns how many."""
    ends = keyring.now(session) + life / 2
    due = select(Channel).join(ChannelHead, _is_present()).join(Packet, Packet.packet_id == ChannelHead.packet_id)
    due = due.where(ChannelHead.expires < ends, Packet.state == PacketState.APPROVED).order_by(ChannelHead.expires)
    rows = session.scalars(due.limit(RENEW_BITE).with_for_update(skip_locked=True, of=Channel)).all()
    return sum(_renewed(session, key, each, ends, life) for each in rows)


def _renewed(session: Session, key: PrivateKey, row: Channel, ends: datetime, life: timedelta) -> bool:
    head = _present(session, row)
    if head is None or head.expires >= ends:
        return False
    packet = packets.get(session, head.packet_id)
    with suppress(NotPullable):
        _require_good(session, packet)
        _write(session, key, row, packet, life, RENEWER)
        return True
    return False


def _require_owner(session: Session, name: str, by: Principal) -> None:
    owner = _owner(session, name)
    if by.role != Role.ADMIN and by.name != owner:
        raise Forbidden(
            f"the channels of {name} are moved by {owner}, who published its first packet, or administrators"
        )


def _owner(session: Session, name: str) -> str:
    """Who published the first packet of this name."""
    owner = session.scalar(select(Packet.publisher).where(Packet.name == name).order_by(Packet.seq).limit(1))
    if owner is None:
        raise NotFound(f"there is no packet named {name}")
    return owner


def _require_good(session: Session, packet: Packet) -> None:
    """A channel leads to what can be pulled and is not advised against."""
    if packet.state == PacketState.YANKED:
        raise NotPullable(f"packet {packet.packet_id} was yanked: {packet.reason}")
    gate.require(session, packet)


def _hold(session: Session, name: str, channel: str) -> Channel:
    """The channel's row, locked; made when it is not there."""
    session.execute(insert(Channel).values(name=name, channel=channel).on_conflict_do_nothing())
    wanted = select(Channel).where(Channel.name == name, Channel.channel == channel)
    return session.scalars(wanted.with_for_update().execution_options(populate_existing=True)).one()


def _present(session: Session, row: Channel) -> ChannelHead | None:
    wanted = select(ChannelHead).where(ChannelHead.channel_id == row.id, ChannelHead.serial == row.serial)
    return session.scalars(wanted).first()


def _is_present() -> ColumnElement[bool]:
    return (ChannelHead.channel_id == Channel.id) & (ChannelHead.serial == Channel.serial)


def _within(scope: Scope) -> ColumnElement[bool]:
    """Heads that lead to packets of these projects."""
    theirs = select(Packet.packet_id).where(Packet.packet_id == ChannelHead.packet_id, scope.within(Packet.project))
    return theirs.exists()


def _heads() -> Select[ChannelHead]:
    return select(ChannelHead).join(Channel, _is_present())


def _write(session: Session, key: PrivateKey, row: Channel, packet: Packet, life: timedelta, by: str) -> ChannelHead:
    at = keyring.now(session)
    expires = (at + life).replace(microsecond=0)  # as the statement has it
    row.serial += 1
    session.flush()
    predicate = {
        "name": row.name,
        "channel": row.channel,
        "serial": row.serial,
        "version": packet.version,
        "expires": time_text(expires),
        "by": by,
        "at": at.isoformat(),
    }
    envelope = attest(PacketId(packet.packet_id), CHANNEL, predicate, key)
    head = ChannelHead(
        channel_id=row.id,
        serial=row.serial,
        packet_id=packet.packet_id,
        version=packet.version,
        expires=expires,
        by=by,
        envelope=envelope.to_bytes(),
        digest=f"sha256:{sha256(envelope.to_bytes()).hexdigest()}",
    )
    session.add(head)
    session.flush()
    session.refresh(head)
    tlog.append(session, CHANNEL, envelope.pae)
    told = {"channel": row.channel, "serial": row.serial, "by": by}
    feed.note(session, feed.CHANNEL, packet.packet_id, packet.name, packet.version, **told)
    return head
