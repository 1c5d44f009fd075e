"""The aggregation job: several packets of one domain and one embedding space become one of kind `aggregate`. No torch.

1. Verify every packet's signature and bytes, and recount its ledger.
2. See that they fit: one domain, one tokenizer, one family.
3. Merge what they know (`teacher_agent.merge`).
4. Describe, sign, write; the packets are the parents. Nothing is published here.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from m2kt.agent.child import progress
from m2kt.errors import AggregationRefused, LedgerMismatch, UsageError
from m2kt.files import write_atomically
from m2kt.packet import Extraction, Manifest, Packet, PacketKind, Teacher, build_packet, ledger
from m2kt.packet.knowledge import from_tensors, to_tensors
from m2kt.packet.manifest import MAX_PARENTS
from m2kt.signing import TrustStore, sign_packet, verify_packet
from m2kt.signing.keys import load_private
from teacher_agent.confidence import confidence
from teacher_agent.label import Label
from teacher_agent.merge import Merged, merge

REQUIRED = ("packets", "trust", "name", "version", "key", "out")
OPTIONAL = ("licence", "device", "threads")
KINDS = frozenset({PacketKind.KNOWLEDGE, PacketKind.AGGREGATE})
ALIKE = ("family", "base_family", "tokenizer_sha256")


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Spec: ``packets`` (files), ``trust`` directory or public key file, ``name`` and ``version`` of the new packet,
    ``key`` private key file, ``out`` file; optional ``licence``; ``device`` and ``threads``, which are not needed."""
    _check(spec)
    label = Label(spec["name"], spec["version"], spec.get("licence", Label.licence))
    key = load_private(Path(spec["key"]))
    packets = _open_all([Path(each) for each in spec["packets"]], TrustStore.from_path(Path(spec["trust"])))
    require_fit(packets)
    merged = merge([from_tensors(p.tensors, p.manifest.symbols, p.manifest.leads) for p in packets])
    packet = describe(packets, merged, label)
    data = sign_packet(packet, key)
    write_atomically(Path(spec["out"]), data)
    return {
        "packet_id": packet.packet_id,
        "packet": str(spec["out"]),
        "bytes": len(data),
        "parents": list(packet.manifest.parents),
        "concepts": len(merged.knowledge.centroids),
        "shared": merged.shared,
        "conflicts": merged.conflicts,
        "ledger": dict(packet.manifest.ledger),
    }


def _check(spec: dict[str, Any]) -> None:
    missing = [name for name in REQUIRED if not spec.get(name)]
    unknown = sorted(set(spec) - {*REQUIRED, *OPTIONAL})
    if missing or unknown:
        raise UsageError(f"aggregation job: missing {missing or 'nothing'}, unknown {unknown or 'nothing'}")
    if not isinstance(spec["packets"], list) or not 2 <= len(spec["packets"]) <= MAX_PARENTS:
        raise UsageError(f"aggregation job: packets must be a list of 2 to {MAX_PARENTS} files")


def _open_all(paths: Sequence[Path], trust: TrustStore) -> list[Packet]:
    found = []
    for number, path in enumerate(paths, 1):
        found.append(_open(path, trust))
        progress("packets verified", number, len(paths))
    if len({each.packet_id for each in found}) != len(found):
        raise AggregationRefused("one packet is named twice")
    return found


def _open(path: Path, trust: TrustStore) -> Packet:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="Name a .m2kt file.") from error
    packet = verify_packet(data, trust).packet
    if packet.manifest.kind not in KINDS:
        raise AggregationRefused(
            f"{packet.manifest.reference} is of kind {packet.manifest.kind}, which holds no concepts"
        )
    counted = ledger.compute(packet)
    if counted != dict(packet.manifest.ledger):
        raise LedgerMismatch(f"{packet.manifest.reference}: its manifest says {dict(packet.manifest.ledger)}")
    return packet


def require_fit(packets: Sequence[Packet]) -> None:
    """What must be the same before the tensors are looked at; `AggregationRefused` names what differs, and where."""
    first = packets[0].manifest
    for other in (each.manifest for each in packets[1:]):
        if other.domain != first.domain:
            what = f"domain {other.domain.name}@{other.domain.version}, not {first.domain.name}@{first.domain.version}"
            raise AggregationRefused(f"{other.reference} is of {what} as {first.reference}")
        for name in ALIKE:
            one, two = getattr(first.teacher, name), getattr(other.teacher, name)
            if one != two:
                raise AggregationRefused(f"the teachers of {first.reference} and {other.reference} differ in {name}")


def describe(packets: Sequence[Packet], merged: Merged, label: Label) -> Packet:
    """The unsigned packet. Its ledger is measured on the tensors as they will travel; queries add up."""
    tensors, first = to_tensors(merged.knowledge), packets[0].manifest
    queries = sum(each.manifest.ledger.get(ledger.QUERIES, 0) for each in packets)
    manifest = Manifest.describe(
        kind=PacketKind.AGGREGATE,
        name=label.name,
        version=label.version,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        domain=first.domain,
        teacher=teacher_of([each.manifest.teacher for each in packets]),
        extraction=Extraction("aggregate", {"packets": len(packets), "weights": "support"}, 0),
        confidence=confidence(merged.knowledge),
        coverage={"concepts_shared": str(merged.shared), "concepts_in_conflict": str(merged.conflicts)},
        licence=label.licence,
        parents=tuple(each.packet_id for each in packets),
        ledger=ledger.measure(tensors, queries),
        symbols=merged.knowledge.symbols,
        leads=merged.knowledge.leads,
        tensors=tensors,
    )
    return build_packet(manifest, tensors)


def teacher_of(teachers: Sequence[Teacher]) -> Teacher:
    """The teacher that all have, or several as one: their parameters together, and the digest of their digests."""
    distinct = sorted({each.weights_sha256: each for each in teachers}.values(), key=lambda each: each.weights_sha256)
    if len(distinct) == 1:
        return teachers[0]
    digests = "\n".join(each.weights_sha256 for each in distinct)
    return Teacher(
        name=f"{len(distinct)} teachers",
        family=distinct[0].family,
        base_family=distinct[0].base_family,
        parameters=sum(each.parameters for each in distinct),
        weights_sha256=f"sha256:{sha256(digests.encode()).hexdigest()}",
        tokenizer_sha256=distinct[0].tokenizer_sha256,
    )
