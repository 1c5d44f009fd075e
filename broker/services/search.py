"""Finding packets: exact fields, tags, words. Newest first, keyset pages; every filter has an index that ends in `seq`,
so that any page costs what the first one costs."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, defer

from broker.models import Packet, PacketState, PacketTag, Role
from broker.services import packets
from broker.services.agents import Principal
from broker.services.scopes import Scope
from m2kt.errors import Conflict, Forbidden

MAX_TAGS = 32
MAX_WORDS = 8
_WORD = re.compile(r"[^\W_]+")
_PLAN_ANEW = text(
    "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('random_page_cost', '1.1', true)"
)
"""A plan for any value suits few: what a filter leaves over is between nothing and everything, and a prepared statement
would walk through all packets for a word that one of them has. Nor is a walk in order so much cheaper than an index as
it is on a turning disk: most of what is looked for lies in memory."""


@dataclass(frozen=True)
class Filters:
    """What packets are to have; None asks for nothing."""

    name: str | None = None
    state: PacketState | None = None
    domain: str | None = None
    """``name`` of any version, or ``name@version``."""
    teacher: str | None = None
    """The teacher's name, or ``sha256:`` and the digest of its weights."""
    tag: str | None = None
    words: str | None = None
    """Each of these words occurs in name, version, domain, kind or teacher; letter case does not matter."""
    yanked: bool = False
    """Whether packets that were yanked are led to, too; asking for that state is asking for them."""


def page(session: Session, scope: Scope, filters: Filters, *, before: int | None, limit: int) -> list[Packet]:
    """Packets, newest first, from the one before sequence number ``before``; their manifests stay in the database."""
    session.execute(_PLAN_ANEW)
    return list(session.scalars(matching(scope, filters, before=before, limit=limit)))


def matching(scope: Scope, filters: Filters, *, before: int | None, limit: int) -> Select[Packet]:
    """The statement that finds them."""
    wanted = select(Packet).options(defer(Packet.manifest)).order_by(Packet.seq.desc()).limit(limit)
    wanted = wanted.where(scope.within(Packet.project))
    if filters.state is None and not filters.yanked:
        wanted = wanted.where(Packet.state != PacketState.YANKED)
    if before is not None:
        wanted = wanted.where(Packet.seq < before)
    for column, value in ((Packet.name, filters.name), (Packet.state, filters.state)):
        if value is not None:
            wanted = wanted.where(column == value)
    if filters.domain is not None:
        wanted = wanted.where(_domain(filters.domain))
    if filters.teacher is not None:
        column = Packet.teacher_weights if filters.teacher.startswith("sha256:") else Packet.teacher_name
        wanted = wanted.where(column == filters.teacher)
    return _tagged(_worded(wanted, filters.words), filters.tag, before)


def _domain(domain: str) -> ColumnElement[bool]:
    return Packet.domain == domain if "@" in domain else Packet.domain_name == domain


def _worded(wanted: Select[Packet], asked_for: str | None) -> Select[Packet]:
    """Whole words. What has no word in it finds nothing, as a word that nobody uses would."""
    if asked_for is None:
        return wanted
    words = list(dict.fromkeys(_WORD.findall(asked_for)))[:MAX_WORDS]
    asked = func.plainto_tsquery("simple", " ".join(words))
    return wanted.where(Packet.words.op("@@")(asked))


def _tagged(wanted: Select[Packet], tag: str | None, before: int | None) -> Select[Packet]:
    """In the order of the tag's own index: a page of a rare tag must not walk through all packets."""
    if tag is None:
        return wanted
    wanted = wanted.join(PacketTag, PacketTag.packet_seq == Packet.seq).where(PacketTag.tag == tag)
    if before is not None:
        wanted = wanted.where(PacketTag.packet_seq < before)
    return wanted.order_by(None).order_by(PacketTag.packet_seq.desc())


# Tags


def tags(session: Session, rows: Collection[Packet]) -> dict[str, list[str]]:
    """The tags of these packets, by packet id, in alphabetical order."""
    names = {each.seq: each.packet_id for each in rows}
    found: dict[str, list[str]] = {each: [] for each in names.values()}
    wanted = select(PacketTag.packet_seq, PacketTag.tag).where(PacketTag.packet_seq.in_(names))
    for seq, tag in session.execute(wanted.order_by(PacketTag.tag)):
        found[names[seq]].append(tag)
    return found


def tag(session: Session, packet_id: str, word: str, by: Principal) -> Packet:
    """Put a tag on a packet. Its publisher, its signers and administrators may; again changes nothing."""
    packet = _mine(session, packet_id, by)
    session.execute(insert(PacketTag).values(packet_seq=packet.seq, tag=word, set_by=by.name).on_conflict_do_nothing())
    if len(tags(session, [packet])[packet_id]) > MAX_TAGS:
        raise Conflict(f"a packet has at most {MAX_TAGS} tags", hint="Take one off first.")
    return packet


def untag(session: Session, packet_id: str, word: str, by: Principal) -> Packet:
    """Take a tag off; again changes nothing."""
    packet = _mine(session, packet_id, by)
    session.execute(delete(PacketTag).where(PacketTag.packet_seq == packet.seq, PacketTag.tag == word))
    return packet


def _mine(session: Session, packet_id: str, by: Principal) -> Packet:
    packet = packets.hold(session, packet_id)
    signers = {each.key_id for each in packets.signatures(session, [packet_id])[packet_id]}
    if by.role != Role.ADMIN and by.key_id not in {packet.publisher_key, *signers}:
        raise Forbidden("only its publisher, its signers or an administrator may tag a packet")
    return packet
