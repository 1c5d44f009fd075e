"""Statements against the log: each has its entry, under its kind; each entry has its statement."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.models import Attestation, KeyStatement, LogLeaf, Packet
from m2kt.client.predicates import KEY
from m2kt.client.statements import Report
from m2kt.errors import M2KTError
from m2kt.log.entries import PUBLICATION, entry_of
from m2kt.packet import PacketId
from m2kt.signing.dsse import Envelope, pae
from m2kt.signing.statement import PACKET_PREDICATE, PAYLOAD_TYPE, Statement, Subject

BITE = 500


@dataclass(frozen=True)
class Stated:
    """A statement that the database keeps: where, of which kind, and its entry; none if it cannot be read."""

    where: str
    kind: str
    entry: bytes | None


def check(session: Session, report: Report) -> None:
    """Every statement and every leaf."""
    leaves = {row.entry: row for row in session.execute(select(LogLeaf.id, LogLeaf.entry, LogLeaf.kind))}
    claimed = set()
    for each in (*_packets(session), *_attestations(session), *_keys(session)):
        leaf = leaves.get(each.entry or b"")
        if leaf is None:
            report(each.where, "what it states is not in the log: it was changed, or added behind the log's back")
            continue
        claimed.add(each.entry)
        if leaf.kind != each.kind:
            report(f"log_leaves {leaf.id}", f"its kind is {leaf.kind}, the statement's is {each.kind}")
    for entry, leaf in leaves.items():
        if entry not in claimed:
            report(f"log_leaves {leaf.id}", "no statement is there for this entry: a row is missing, or was changed")


def _packets(session: Session) -> Iterator[Stated]:
    wanted = select(Packet.packet_id, Packet.manifest)
    for packet_id, manifest in session.execute(wanted.execution_options(yield_per=BITE)):
        yield Stated(f"packets {packet_id}", PUBLICATION, _publication(packet_id, manifest))


def _publication(packet_id: str, manifest: dict[str, Any]) -> bytes | None:
    """The publisher's own statement, made again from the row."""
    subject = Subject(f"{manifest.get('name')}@{manifest.get('version')}", PacketId(packet_id))
    try:
        return entry_of(pae(PAYLOAD_TYPE, Statement((subject,), PACKET_PREDICATE, manifest).to_bytes()))
    except M2KTError:
        return None


def _attestations(session: Session) -> Iterator[Stated]:
    wanted = select(Attestation.id, Attestation.predicate_type, Attestation.envelope)
    for row, kind, envelope in session.execute(wanted.execution_options(yield_per=BITE)):
        yield Stated(f"attestations {row}", kind, _entry(envelope))


def _keys(session: Session) -> Iterator[Stated]:
    wanted = select(KeyStatement.id, KeyStatement.envelope)
    for row, envelope in session.execute(wanted.execution_options(yield_per=BITE)):
        yield Stated(f"key_statements {row}", KEY, _entry(envelope))


def _entry(envelope: bytes) -> bytes | None:
    try:
        return entry_of(Envelope.from_bytes(envelope).pae)
    except M2KTError:
        return None
