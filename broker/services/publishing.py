"""Taking a packet in: verified first, stored and receipted in one transaction, scanned before anybody can pull it."""

import base64
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from broker.models import Job, JobKind, JobState, Packet, PacketSignature, PacketState, Role
from broker.services import attestations, feed, jobs, keyring, lineage, packets, quotas, tlog
from broker.services.agents import PUBLISHING, Principal, Standing, trusted
from broker.services.quotas import NO_QUOTA, Quota
from broker.services.scopes import home
from broker.storage import BlobStore
from m2kt.client.predicates import RECEIPT
from m2kt.errors import Conflict, Forbidden, UsageError
from m2kt.log.entries import PUBLICATION
from m2kt.packet import Limits, PacketKind, canonical
from m2kt.packet import Packet as Content
from m2kt.packet.container import Parts, pack, unpack
from m2kt.signing import dsse
from m2kt.signing.keys import KeyId, PrivateKey, TrustStore
from m2kt.signing.packets import VerifiedPacket, verify_packet
from m2kt.signing.statement import PAYLOAD_TYPE


@dataclass(frozen=True)
class Desk:
    """What taking a packet in needs besides the packet."""

    key: PrivateKey
    store: BlobStore
    standing: Standing
    max_bytes: int
    quota: Quota = NO_QUOTA
    patience: timedelta = timedelta(days=1)
    """How long an upload in parts may rest."""


@dataclass(frozen=True)
class Published:
    packet: Packet
    fresh: bool
    content: VerifiedPacket | None = None
    """What was sent, verified; none where an earlier answer is repeated."""


ALONE = frozenset(PacketKind) - {PacketKind.EXCHANGE}
"""Kinds that stand for themselves; one of kind `exchange` is a turn in an exchange (`broker.services.turns`)."""

EXCHANGES = "exchanges/"
"""Names of turns: nobody else may take one first."""


@dataclass(frozen=True)
class _Upload:
    """A verified upload: the bytes, and each trusted key's signature on them."""

    data: bytes
    digest: str
    verified: VerifiedPacket
    envelope: dsse.Envelope
    signatures: dict[KeyId, dsse.Signature]


def publish(
    session: Session,
    desk: Desk,
    data: bytes,
    *,
    publisher: Principal,
    project: str | None = None,
    roles: Collection[Role] = PUBLISHING,
    kinds: Collection[PacketKind] = ALONE,
    digest: str | None = None,
) -> Published:
    """Take a packet in, or add its new signatures to the one that is there. ``digest``: of ``data``, if it is known.

    Idempotent by packet id. A name and version belong to the first packet that has them, for ever, and a name to the
    first project that used it. ``roles`` are those whose signatures count, ``kinds`` those that may come this way.
    """
    if publisher.role not in roles:
        raise Forbidden(
            f"{publisher.name} has the role {publisher.role}; this needs one of: {', '.join(sorted(roles))}"
        )
    where = home(publisher.project, project)
    upload = _verify(session, desk, data, digest or _digest(data), publisher, where, roles)
    packet = upload.verified.packet
    _require_way(packet, kinds)
    # One lock per name: equal ids have equal names, so neither a twin nor a rival can slip in between.
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(packet.manifest.name, 0))))
    held = session.get(Packet, packet.packet_id, with_for_update={"key_share": True})
    if held is None:
        _refuse_taken_reference(session, upload, where)
        quotas.require(session, desk.quota, publisher, upload.digest, len(data))
        return Published(_store(session, desk, upload, publisher, where), fresh=True, content=upload.verified)
    if held.project != where:
        raise Conflict(f"packet {packet.packet_id} is another project's", hint="Publish one of your own.")
    if held.state != PacketState.REVOKED:
        _add_signatures(session, desk, held, upload, publisher)
        _ensure_scan(session, held, publisher)
    return Published(held, fresh=False, content=upload.verified)


def _require_way(packet: Content, kinds: Collection[PacketKind]) -> None:
    kind, reference = packet.manifest.kind, packet.manifest.reference
    if kind not in kinds:
        hint = "Predictions are published into a round of an exchange: POST /v1/exchanges/{id}/rounds/{round}/packets."
        raise UsageError(f"{reference} is a packet of kind {kind}, which is not published here", hint=hint)
    if reference.startswith(EXCHANGES) and kind != PacketKind.EXCHANGE:
        raise UsageError(f"{reference}: names under {EXCHANGES} belong to exchanges", hint="Choose another name.")


def _digest(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"


def _verify(
    session: Session,
    desk: Desk,
    data: bytes,
    digest: str,
    publisher: Principal,
    project: str,
    roles: Collection[Role],
) -> _Upload:
    """Candidates are the keys that the envelope names and the publisher's own, so that a name is only ever a hint."""
    limits = Limits(max_packet_bytes=desk.max_bytes)
    envelope = dsse.Envelope.from_bytes(unpack(data, limits).envelope)
    claimed = {publisher.key_id, *(each.keyid for each in envelope.signatures)}
    trust = trusted(session, desk.standing, claimed, roles, project)
    verified = verify_packet(data, trust, limits)
    counted = trust.require_valid(verified.key_ids, keyring.now(session))
    signatures = {who: each for who, each in _signatures(envelope, trust).items() if who in counted}
    return _Upload(data, digest, verified, envelope, signatures)


def _signatures(envelope: dsse.Envelope, trust: TrustStore) -> dict[KeyId, dsse.Signature]:
    signers = dsse.verify(envelope, trust, PAYLOAD_TYPE).signers
    return {who: each for who, each in zip(signers, envelope.signatures, strict=True) if who is not None}


def _refuse_taken_reference(session: Session, upload: _Upload, project: str) -> None:
    manifest = upload.verified.packet.manifest
    elsewhere = select(Packet.packet_id).where(Packet.name == manifest.name, Packet.project != project).limit(1)
    if session.scalar(elsewhere) is not None:
        raise Conflict(f"the name {manifest.name} is another project's", hint="Publish under a name of your own.")
    taken = select(Packet.packet_id).where(Packet.name == manifest.name, Packet.version == manifest.version)
    other = session.scalar(taken)
    if other is not None:
        raise Conflict(f"{manifest.reference} is packet {other} already", hint="Publish under a new version.")


def _store(session: Session, desk: Desk, upload: _Upload, publisher: Principal, project: str) -> Packet:
    verified = upload.verified.packet
    manifest = canonical.loads(verified.manifest_bytes, max_bytes=len(verified.manifest_bytes))
    desk.store.put(session, upload.data, upload.digest)
    packet = Packet(
        packet_id=verified.packet_id,
        kind=manifest["kind"],
        name=manifest["name"],
        version=manifest["version"],
        domain=f"{manifest['domain']['name']}@{manifest['domain']['version']}",
        teacher=manifest["teacher"],
        manifest=manifest,
        project=project,
        publisher=publisher.name,
        publisher_key=publisher.key_id,
        size=len(upload.data),
        content_sha256=upload.digest,
    )
    session.add(packet)
    session.flush()
    session.refresh(packet)
    tlog.append(session, PUBLICATION, upload.envelope.pae)
    _write_signatures(session, packet, upload.signatures)
    _write_receipt(session, desk, packet, publisher)
    feed.note(session, feed.PUBLISHED, packet.packet_id, packet.name, packet.version, holds=packet.kind)
    _ensure_scan(session, packet, publisher)
    # Last: until the commit, nobody can be taken back.
    lineage.link(session, packet, manifest["parents"], publisher.scope)
    return packet


def _add_signatures(session: Session, desk: Desk, packet: Packet, upload: _Upload, publisher: Principal) -> None:
    known = {each.key_id for each in packets.signatures(session, [packet.packet_id])[packet.packet_id]}
    added = {who: each for who, each in upload.signatures.items() if who not in known}
    if not added:
        return
    parts = unpack(b"".join(desk.store.read(session, packet.content_sha256, 0, packet.size)))
    stored = dsse.Envelope.from_bytes(parts.envelope)
    merged = tuple(dict.fromkeys((*stored.signatures, *added.values())))
    if len(merged) > dsse.MAX_SIGNATURES:
        raise Conflict(f"packet {packet.packet_id} has {len(stored.signatures)} signatures, which is the limit")
    envelope = dsse.Envelope(stored.payload_type, stored.payload, merged).to_bytes()
    _replace_content(session, desk, packet, pack(Parts(envelope, parts.manifest, parts.tensors)))
    _write_signatures(session, packet, added)
    _write_receipt(session, desk, packet, publisher)
    feed.note(session, feed.SIGNED, packet.packet_id, packet.name, packet.version, signers=sorted(added))


def _replace_content(session: Session, desk: Desk, packet: Packet, data: bytes) -> None:
    before = packet.content_sha256
    digest = _digest(data)
    desk.store.put(session, data, digest)
    packet.content_sha256, packet.size = digest, len(data)
    session.flush()
    desk.store.delete(session, before)  # a blob holds name and version, so no other packet can refer to it


def _write_signatures(session: Session, packet: Packet, signatures: dict[KeyId, dsse.Signature]) -> None:
    for who, each in signatures.items():
        text = base64.b64encode(each.sig).decode()
        session.add(PacketSignature(packet_id=packet.packet_id, key_id=who, signature=text))
    session.flush()


def _write_receipt(session: Session, desk: Desk, packet: Packet, publisher: Principal) -> None:
    predicate = {
        "name": packet.name,
        "version": packet.version,
        "project": packet.project,
        "content": packet.content_sha256,
        "publisher": publisher.name,
        "publisher_key": publisher.key_id,
        "signers": [each.key_id for each in packets.signatures(session, [packet.packet_id])[packet.packet_id]],
    }
    attestations.state(session, desk.key, packet.packet_id, RECEIPT, predicate)


def _ensure_scan(session: Session, packet: Packet, publisher: Principal) -> None:
    """An undecided packet has a scan on its way; publishing again is how an inconclusive one is repeated."""
    if packet.state not in (PacketState.RECEIVED, PacketState.SCANNING):
        return
    live = select(Job.id).where(
        Job.packet_id == packet.packet_id,
        Job.kind == JobKind.SCAN,
        Job.state.in_((JobState.QUEUED, JobState.RUNNING)),
    )
    if session.scalar(live) is None:
        spec, packet_id, project = {"packet_id": packet.packet_id}, packet.packet_id, packet.project
        jobs.submit(session, JobKind.SCAN, spec, submitter=publisher.name, packet_id=packet_id, project=project)
