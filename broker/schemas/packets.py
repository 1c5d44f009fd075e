import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from broker.models import Attestation, Packet, PacketSignature, PacketState
from broker.schemas.types import Line
from broker.services.concepts import Neighbours


class SignatureOut(BaseModel):
    key_id: str
    signature: str
    created: datetime

    @classmethod
    def of(cls, row: PacketSignature) -> "SignatureOut":
        return cls(key_id=row.key_id, signature=row.signature, created=row.created)


class PacketOut(BaseModel):
    packet_id: str
    kind: str
    name: str
    version: str
    domain: str
    state: PacketState
    reason: str | None
    teacher: dict[str, Any]
    project: str
    publisher: str
    publisher_key: str
    size: int
    content: str
    """Digest of the stored bytes; the ETag of the content."""
    created: datetime
    state_changed: datetime
    good_until: datetime | None
    """When its verdict is too old; nobody can pull it after that before it is scanned again."""
    signatures: list[SignatureOut]
    tags: list[str] = []
    """Words that help to find it, which its publisher, its signers or an administrator gave it; not signed."""

    @classmethod
    def of(cls, packet: Packet, signatures: list[PacketSignature], tags: Sequence[str] = ()) -> "PacketOut":
        return cls(
            packet_id=packet.packet_id,
            kind=packet.kind,
            name=packet.name,
            version=packet.version,
            domain=packet.domain,
            state=packet.state,
            reason=packet.reason,
            teacher=packet.teacher,
            project=packet.project,
            publisher=packet.publisher,
            publisher_key=packet.publisher_key,
            size=packet.size,
            content=packet.content_sha256,
            created=packet.created,
            state_changed=packet.state_changed,
            good_until=packet.good_until,
            signatures=[SignatureOut.of(each) for each in signatures],
            tags=list(tags),
        )


class PacketDetail(PacketOut):
    manifest: dict[str, Any]

    @classmethod
    def of(cls, packet: Packet, signatures: list[PacketSignature], tags: Sequence[str] = ()) -> "PacketDetail":
        return cls(**PacketOut.of(packet, signatures, tags).model_dump(), manifest=packet.manifest)


class PacketPage(BaseModel):
    items: list[PacketOut]


class NearOut(BaseModel):
    packet_id: str
    name: str
    version: str
    concept: int
    """Its row in `concepts/centroids`."""
    similarity: float
    """Cosine, from -1 to 1; for teachers wider than 128 an estimate."""


class NearPage(BaseModel):
    """Nearest concepts. All of them belong to one space: other spaces cannot be compared with it."""

    weights_sha256: str
    operator: str
    width: int
    exact: bool
    """Whether every concept of the space was looked at, or an index that may miss some."""
    items: list[NearOut]

    @classmethod
    def of(cls, found: Neighbours) -> "NearPage":
        space, items = found.space, [NearOut(**vars(each)) for each in found.items]
        return cls(
            weights_sha256=space.weights_sha256,
            operator=space.operator,
            width=space.width,
            exact=found.exact,
            items=items,
        )


class RevokeIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Line


class AttestationOut(BaseModel):
    id: int
    predicate_type: str
    signer: str
    digest: str
    created: datetime
    envelope: str
    """The DSSE envelope's bytes in base64: verify these, nothing else here is signed."""

    @classmethod
    def of(cls, row: Attestation) -> "AttestationOut":
        return cls(
            id=row.id,
            predicate_type=row.predicate_type,
            signer=row.signer,
            digest=row.digest,
            created=row.created,
            envelope=base64.b64encode(row.envelope).decode(),
        )


class AttestationPage(BaseModel):
    items: list[AttestationOut]


class ReceiptOut(AttestationOut):
    proof: str | None
    """C2SP tlog-proof of the receipt's entry; null until it is integrated."""

    @classmethod
    def of(cls, row: Attestation, proof: str | None = None) -> "ReceiptOut":
        return cls(**AttestationOut.of(row).model_dump(), proof=proof)


class BrokerOut(BaseModel):
    version: str
    public_key: str
    key_id: str
    former_keys: list[str]
    """Public keys that it signed with before; what they signed still counts."""
    log_origin: str
    max_packet_bytes: int
    chunk_bytes: int
    signature_window_seconds: int
