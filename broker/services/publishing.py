"""Taking a packet in: verified first, stored and receipted in one transaction, scanned before anybody can pull it."""

import base64
from collections.abc import Collection, Set
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.models import Job, JobKind, JobState, Packet, PacketSignature, PacketState, Role
from broker.services import attestations, entering, feed, jobs, keyring, lineage, packets, quotas
from broker.services.agents import PUBLISHING, Principal, Standing, trusted
from broker.services.entering import Entry
from broker.services.quotas import NO_QUOTA, Quota
from broker.services.scopes import home
from broker.storage import BlobStore, Bytes, Draft
from m2kt.client.predicates import RECEIPT
from m2kt.errors import Conflict, Forbidden, UsageError
from m2kt.packet import Limits, PacketKind
from m2kt.packet import Packet as Content
from m2kt.packet.container import Parts, pack, unpack
from m2kt.signing import dsse
from m2kt.signing.keys import KeyId, PrivateKey, Trusted, TrustStore
from m2kt.signing.packets import Claim, VerifiedPacket, claim_packet


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
    aside: Executor | None = None
    """Threads for what can be computed beside a request's own."""


@dataclass(frozen=True)
class Published:
    packet: Packet
    fresh: bool
    content: VerifiedPacket | None = None
    """What was sent, verified; none where an earlier answer is repeated."""
    signatures: list[PacketSignature] | None = None
    """All that the packet has, where they are at hand."""


ALONE = frozenset(PacketKind) - {PacketKind.EXCHANGE}
"""Kinds that stand for themselves; one of kind `exchange` is a turn in an exchange (`broker.services.turns`)."""

EXCHANGES = "exchanges/"
"""Names of turns: nobody else may take one first."""


@dataclass(frozen=True)
class _Upload:
    """The bytes, and each trusted key's signature on what they claim to be."""

    data: Bytes
    digest: str
    claim: Claim
    envelope: dsse.Envelope
    signatures: dict[KeyId, dsse.Signature]
    at: datetime


def publish(
    session: Session,
    desk: Desk,
    data: bytes | bytearray,
    *,
    publisher: Principal,
    project: str | None = None,
    roles: Collection[Role] = PUBLISHING,
    kinds: Collection[PacketKind] = ALONE,
    digest: str | None = None,
    at: datetime | None = None,
    expected: bool = False,
) -> Published:
    """Take a packet in, or add its new signatures to the one that is there. ``digest``: of ``data``, if it is known;
    ``at``: when ``publisher`` was told from others, by the database's clock; ``expected``: whether the store's
    `BlobStore.expecting` was done then.

    Idempotent by packet id. A name and version belong to the first packet that has them, for ever, and a name to the
    first project that used it. ``roles`` are those whose signatures count, ``kinds`` those that may come this way.
    """
    if publisher.role not in roles:
        raise Forbidden(
            f"{publisher.name} has the role {publisher.role}; this needs one of: {', '.join(sorted(roles))}"
        )
    where = home(publisher.project, project)
    digest, at = digest or _digest(data), at or keyring.now(session)
    draft = desk.store.begin(data, digest, expected=expected)
    try:
        upload = _verify(session, desk, data, digest, at, publisher, where, roles)
        _require_way(upload.claim.packet, kinds)
        published = _take_in(session, desk, upload, draft, publisher, where)
    finally:
        draft.drop()
    return published


def _take_in(
    session: Session, desk: Desk, upload: _Upload, draft: Draft, publisher: Principal, where: str
) -> Published:
    packet = upload.claim.packet
    if quotas.limits(desk.quota, publisher):
        entering.lock(session, packet.manifest.name)
        if session.get(Packet, packet.packet_id) is None:
            quotas.require(session, desk.quota, publisher, upload.digest, len(upload.data))
    checked: list[VerifiedPacket] = []

    def check() -> None:
        """While the database writes: nothing of that lasts unless the tensors are those that were signed for."""
        checked.append(upload.claim.verified())
        draft.confirm()

    entered = entering.enter(session, desk.key, _entry(upload, publisher, where), draft, meanwhile=check)
    if entered is None:
        return Published(_known(session, desk, upload, publisher, where), fresh=False, content=checked[0])
    if packet.manifest.parents:
        # Last: until the commit, nobody can be taken back.
        lineage.link(session, entered[0], packet.manifest.parents, publisher.scope)
    draft.finish()
    return Published(entered[0], fresh=True, content=checked[0], signatures=entered[1])


def _entry(upload: _Upload, publisher: Principal, where: str) -> Entry:
    return Entry(
        upload.claim.packet,
        upload.envelope,
        upload.signatures,
        len(upload.data),
        upload.digest,
        where,
        publisher.name,
        publisher.key_id,
        upload.at,
    )


def _known(session: Session, desk: Desk, upload: _Upload, publisher: Principal, where: str) -> Packet:
    """The packet that is there, with the upload's new signatures; or what is in the way of this one."""
    packet_id = upload.claim.packet.packet_id
    held = session.get(Packet, packet_id, with_for_update={"key_share": True}, populate_existing=True)
    if held is None:
        raise _taken(session, upload, where)
    if held.project != where:
        raise Conflict(f"packet {packet_id} is another project's", hint="Publish one of your own.")
    if held.state != PacketState.REVOKED:
        _add_signatures(session, desk, held, upload, publisher)
        _ensure_scan(session, held, publisher)
    return held


def _require_way(packet: Content, kinds: Collection[PacketKind]) -> None:
    kind, reference = packet.manifest.kind, packet.manifest.reference
    if kind not in kinds:
        hint = "Predictions are published into a round of an exchange: POST /v1/exchanges/{id}/rounds/{round}/packets."
        raise UsageError(f"{reference} is a packet of kind {kind}, which is not published here", hint=hint)
    if reference.startswith(EXCHANGES) and kind != PacketKind.EXCHANGE:
        raise UsageError(f"{reference}: names under {EXCHANGES} belong to exchanges", hint="Choose another name.")


def _digest(data: Bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"


def _verify(
    session: Session,
    desk: Desk,
    data: bytes | bytearray,
    digest: str,
    at: datetime,
    publisher: Principal,
    project: str,
    roles: Collection[Role],
) -> _Upload:
    """Candidates are the keys that the envelope names and the publisher's own, so that a name is only ever a hint."""
    limits = Limits(max_packet_bytes=desk.max_bytes)
    envelope = dsse.Envelope.from_bytes(unpack(data, limits).envelope)
    claimed = {publisher.key_id, *(each.keyid for each in envelope.signatures)}
    trust = _trust(session, desk, claimed, publisher, roles, project)
    claim = claim_packet(data, trust, limits, desk.aside)
    counted = trust.require_valid(tuple(claim.signatures), at)
    signatures = {who: each for who, each in claim.signatures.items() if who in counted}
    return _Upload(data, digest, claim, envelope, signatures, at)


def _trust(
    session: Session, desk: Desk, claimed: Set[str], publisher: Principal, roles: Collection[Role], project: str
) -> TrustStore:
    """Who publishes was just told from all others; only for other agents' keys the database is asked."""
    if claimed <= {publisher.key_id, *desk.standing}:
        mine = [publisher] if publisher.key_id not in desk.standing else []
        named = [each for each in desk.standing.values() if each.key_id in claimed and each.role in roles]
        return TrustStore(Trusted(each.key, each.validity) for each in [*mine, *named])
    return trusted(session, desk.standing, claimed, roles, project)


def _taken(session: Session, upload: _Upload, project: str) -> Conflict:
    """Why a packet that is not here could not enter."""
    manifest = upload.claim.packet.manifest
    elsewhere = select(Packet.packet_id).where(Packet.name == manifest.name, Packet.project != project).limit(1)
    if session.scalar(elsewhere) is not None:
        return Conflict(f"the name {manifest.name} is another project's", hint="Publish under a name of your own.")
    taken = select(Packet.packet_id).where(Packet.name == manifest.name, Packet.version == manifest.version)
    other = session.scalars(taken).one()
    return Conflict(f"{manifest.reference} is packet {other} already", hint="Publish under a new version.")


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
