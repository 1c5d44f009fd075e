"""A fresh packet enters: its row and all that is true from then on, in one statement.

What stands here is what `tlog.append`, `attestations.state`, `feed.note` and `intake.enter` do one by one. A
publication is the broker's most frequent write, and each round trip costs more than what it writes.
"""

import base64
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import psycopg
from sqlalchemy.orm import Session, make_transient_to_detached

from broker.db import ring_after_commit
from broker.models import Packet, PacketSignature, PacketState
from broker.storage import Draft
from broker.storage.driver import driver, together
from m2kt.client.predicates import RECEIPT
from m2kt.log.entries import PUBLICATION, entry_of
from m2kt.packet import Packet as Content
from m2kt.signing import dsse
from m2kt.signing.keys import KeyId, PrivateKey, key_id
from m2kt.signing.statement import attest

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%(name)s, 0))"
_ENTER = """
WITH packet AS (
    INSERT INTO packets (packet_id, kind, name, version, domain, teacher, manifest, project, publisher, publisher_key,
        size, content_sha256)
    SELECT %(packet_id)s, %(kind)s, %(name)s, %(version)s, %(domain)s, %(teacher)s::jsonb, %(manifest)s::jsonb,
        %(project)s, %(publisher)s, %(publisher_key)s, %(size)s, %(content_sha256)s
    WHERE NOT EXISTS (SELECT FROM packets WHERE name = %(name)s AND project <> %(project)s)
    ON CONFLICT DO NOTHING RETURNING packet_id, name, version, kind, project, publisher, seq, created
), entries AS (
    INSERT INTO log_leaves (entry, kind)
    SELECT entry, said
    FROM packet, unnest(%(entries)s::bytea[], %(kinds)s::text[]) WITH ORDINALITY AS t(entry, said, place)
    ORDER BY place ON CONFLICT DO NOTHING
), signatures AS (
    INSERT INTO packet_signatures (packet_id, key_id, signature)
    SELECT packet_id, signer, sig FROM packet, unnest(%(signers)s::text[], %(signatures)s::text[]) AS t(signer, sig)
), receipt AS (
    INSERT INTO attestations (packet_id, predicate_type, envelope, digest, signer)
    SELECT packet_id, %(receipt_type)s, %(receipt)s, %(receipt_digest)s, %(broker)s FROM packet
), told AS (
    INSERT INTO feed (kind, packet_id, name, version, detail)
    SELECT 'packet.published', packet_id, name, version, jsonb_build_object('holds', kind) FROM packet
), scan AS (
    INSERT INTO jobs (id, kind, spec, submitter, packet_id, project)
    SELECT %(job)s, 'scan', jsonb_build_object('packet_id', packet_id), publisher, packet_id, project FROM packet
    RETURNING id, submitter, attempt, fence
), queued AS (
    INSERT INTO job_events (job_id, what, attempt, fence, detail)
    SELECT id, 'queued', attempt, fence, jsonb_build_object('by', submitter) FROM scan
), bell AS (
    INSERT INTO outbox (topic, body) SELECT 'ring', jsonb_build_object('job', id::text) FROM scan
)
SELECT seq, created FROM packet
"""


@dataclass(frozen=True)
class Entry:
    """What a fresh packet brings along: everything that can be known before the database is asked."""

    packet: Content
    envelope: dsse.Envelope
    signatures: Mapping[KeyId, dsse.Signature]
    size: int
    digest: str
    project: str
    publisher: str
    publisher_key: KeyId
    at: datetime
    """By the database's clock: when these bytes were announced, or later."""

    def receipt(self, key: PrivateKey) -> dsse.Envelope:
        """The broker's word that it has the packet."""
        manifest = self.packet.manifest
        return attest(
            self.packet.packet_id,
            RECEIPT,
            {
                "name": manifest.name,
                "version": manifest.version,
                "project": self.project,
                "content": self.digest,
                "publisher": self.publisher,
                "publisher_key": self.publisher_key,
                "signers": sorted(self.signatures),
                "at": self.at.isoformat(),
            },
            key,
        )


def lock(session: Session, name: str) -> None:
    """Until the transaction ends, nobody else publishes under this name: equal ids have equal names, so neither a twin
    nor a rival can slip in between."""
    driver(session).execute(_LOCK, {"name": name})


Meanwhile = Callable[[], None]


def enter(
    session: Session, key: PrivateKey, entry: Entry, draft: Draft, meanwhile: Meanwhile
) -> tuple[Packet, list[PacketSignature]] | None:
    """The packet with its signatures, receipt, log entries, event and scan. None when its id, its version or its name
    is there already: nothing is written then, and the name stays locked.

    ``meanwhile`` is called while Postgres is at work; what it raises ends the transaction.
    """
    manifest, receipt, job = json.loads(entry.packet.manifest_bytes), entry.receipt(key), uuid.uuid4()
    columns = _columns(entry, manifest)
    values = {**columns, **_signed(entry), **_receipt(entry, receipt, key), "job": job}
    values["teacher"], values["manifest"] = json.dumps(manifest["teacher"]), entry.packet.manifest_bytes.decode()
    row = _written(session, draft, values, meanwhile)
    if row is None:
        return None
    ring_after_commit(session, job)
    seq, created = row
    times = {"created": created, "state_changed": created}
    found = Packet(**columns, **times, seq=seq, state=PacketState.RECEIVED, reason=None, good_until=None)
    make_transient_to_detached(found)
    session.add(found)
    return found, _rows(entry, created)


def _written(
    session: Session, draft: Draft, values: Mapping[str, Any], meanwhile: Meanwhile
) -> tuple[int, datetime] | None:
    """Sequence number and time of the new row; None, and nothing is written, where there is one already."""
    order = draft.order()
    try:
        with together(session) as connection:
            connection.execute(_LOCK, values)
            connection.execute("SAVEPOINT entering")
            if order is not None:
                connection.execute(order.sql, order.values)
                entered = connection.execute(_ENTER, values, prepare=True)
            meanwhile()
        if order is None:
            draft.keep(session)
            entered = driver(session).execute(_ENTER, values)
    except psycopg.errors.ForeignKeyViolation as error:
        raise draft.lost() from error
    row: tuple[int, datetime] | None = entered.fetchone()
    if row is None:
        driver(session).execute("ROLLBACK TO SAVEPOINT entering")
    return row


def _columns(entry: Entry, manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "packet_id": entry.packet.packet_id,
        **{each: manifest[each] for each in ("kind", "name", "version", "teacher")},
        "domain": f"{manifest['domain']['name']}@{manifest['domain']['version']}",
        "manifest": manifest,
        "project": entry.project,
        "publisher": entry.publisher,
        "publisher_key": entry.publisher_key,
        "size": entry.size,
        "content_sha256": entry.digest,
    }


def _signed(entry: Entry) -> dict[str, Any]:
    return {"signers": list(entry.signatures), "signatures": [_text(each) for each in entry.signatures.values()]}


def _text(signature: dsse.Signature) -> str:
    return base64.b64encode(signature.sig).decode()


def _receipt(entry: Entry, receipt: dsse.Envelope, key: PrivateKey) -> dict[str, Any]:
    data = receipt.to_bytes()
    return {
        "entries": [entry_of(entry.envelope.pae), entry_of(receipt.pae)],
        "kinds": [PUBLICATION, RECEIPT],
        "receipt_type": RECEIPT,
        "receipt": data,
        "receipt_digest": f"sha256:{sha256(data).hexdigest()}",
        "broker": key_id(key.public_key()),
    }


def _rows(entry: Entry, created: datetime) -> list[PacketSignature]:
    """As they would be read."""
    return [
        PacketSignature(packet_id=entry.packet.packet_id, key_id=who, signature=_text(each), created=created)
        for who, each in sorted(entry.signatures.items())
    ]
