"""From what an extraction found to a packet: tensors, manifest, ledger."""

from datetime import UTC, datetime

from m2kt.domains import Domain
from m2kt.neural.models import LanguageModel, parameter_count, tokenizer_sha256
from m2kt.packet import DomainRef, Manifest, Packet, PacketKind, Teacher, build_packet
from m2kt.packet import Extraction as ExtractionRecord
from m2kt.packet import ledger as packet_ledger
from m2kt.packet.knowledge import to_tensors
from m2kt.packet.tensors import keep_bits
from teacher_agent.confidence import confidence
from teacher_agent.extract import Extraction, Settings
from teacher_agent.label import Label
from teacher_agent.settings import plain


def build(lm: LanguageModel, domain: Domain, settings: Settings, found: Extraction, label: Label) -> Packet:
    """The unsigned packet. Its ledger is measured on the tensors as they will travel."""
    tensors, precision = keep_bits(to_tensors(found.knowledge), settings.mantissa_bits)
    manifest = Manifest.describe(
        kind=PacketKind.KNOWLEDGE,
        name=label.name,
        version=label.version,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        domain=DomainRef(domain.name, domain.version),
        teacher=describe_teacher(lm),
        extraction=_record(settings),
        confidence=confidence(found.knowledge),
        coverage={name: f"{value:.4f}" for name, value in found.coverage.items()},
        licence=label.licence,
        parents=label.parents,
        precision=precision,
        ledger=packet_ledger.measure(tensors, found.queries),
        symbols=found.knowledge.symbols,
        leads=found.knowledge.leads,
        tensors=tensors,
    )
    return build_packet(manifest, tensors)


def describe_teacher(lm: LanguageModel) -> Teacher:
    """The teacher as the manifest names it; ``base_family`` is what its configuration says it was made from."""
    config = lm.model.config
    family = str(config.model_type)
    return Teacher(
        name=lm.directory.resolve().name,
        family=family,
        base_family=str(getattr(config, "base_family", None) or family),
        parameters=parameter_count(lm.model),
        weights_sha256=lm.sha256,
        tokenizer_sha256=tokenizer_sha256(lm.directory),
    )


def _record(settings: Settings) -> ExtractionRecord:
    """Operator, seed and every other setting, as the manifest holds them."""
    told = plain(settings)
    return ExtractionRecord(str(told.pop("operator")), told, int(told.pop("seed")))
