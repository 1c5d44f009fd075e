"""The alignment job: a verified packet becomes a concept memory beside one student.

1. Isolate the process: packet and student are all there is to learn from.
2. Verify the packet's signature and bytes, recount its ledger.
3. See how the student's tokenizer reads the packet's templates; refuse below a stated floor.
4. Leave out what the student denies, and map the other concepts: the CAL in the form that was asked for.
5. Train the memory on synthetic probes; the student's core stays frozen, proven by its digest.
6. Write the memory; nothing is active yet.
"""

import time
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from m2kt.agent.child import progress
from m2kt.errors import AlignmentRefused, LedgerMismatch, UsageError
from m2kt.neural.models import LanguageModel, load, offline, pick_device, set_threads, weights_sha256
from m2kt.packet import Packet, PacketKind, ledger
from m2kt.packet.knowledge import Knowledge, from_tensors
from m2kt.packet.plane import principal, spread_over, told
from m2kt.packet.static import is_static
from m2kt.signing import TrustStore, verify_packet
from student_agent.artifact import save_memory, shape_of
from student_agent.assemble import assemble
from student_agent.batches import Prober
from student_agent.cal import Cal, cal_of
from student_agent.card import Card
from student_agent.isolation import isolate
from student_agent.losses import Lambdas, lambdas_of
from student_agent.memory import ConceptMemory, trained_parameters
from student_agent.projection import keep_safe, keep_shared, project, require_safe, share_anchors
from student_agent.safety import HARM, harm_of
from student_agent.specs import check_spec
from student_agent.training import Schedule, train
from student_agent.vocabulary import Vocabulary, learn_vocabulary

FLOOR = 0.5
"""Least share of the packet's chains that the student's tokenizer must be able to follow."""

OPTIONS = ("cal", "lambdas", "deny", "harm")
"""What an alignment may be told beside its schedule."""

REQUIRED = ("packet", "trust", "model", "out")
OPTIONAL = ("device", "threads", "schedule", *OPTIONS, "domain")


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Spec: ``packet`` file, ``trust`` directory or public key file, ``model`` directory, ``out`` directory; optional
    ``device``, ``threads``, ``schedule`` (fields of `Schedule`), ``cal`` (fields of `Cal`), ``lambdas`` (of `Lambdas`),
    ``deny`` (symbols that no concept may say), ``harm`` (score of the classifier of harmful texts above which a symbol
    is not taught), ``domain`` (the only one that is wanted: name or name@version)."""
    # 1. isolation
    isolate()
    check_spec(spec, REQUIRED, OPTIONAL)
    offline()
    set_threads(spec.get("threads"))
    # 2. the packet
    packet, knowledge = open_packet(Path(spec["packet"]), TrustStore.from_path(Path(spec["trust"])))
    require_domain(packet, spec.get("domain"))
    schedule, options = schedule_of(spec.get("schedule", {})), options_of(spec)
    lm = load(spec["model"], pick_device(spec.get("device", "auto")))
    before = weights_sha256(lm.model)
    # 3. to 5.
    memory, report = align(lm, knowledge, schedule, options)
    if weights_sha256(lm.model) != before:
        raise AlignmentRefused("the student's frozen core changed during alignment", hint="Please report this.")
    # 6. the memory
    card = Card(packet.packet_id, packet.manifest.reference, before, shape_of(memory), report)
    save_memory(Path(spec["out"]), memory, card)
    return {"packet_id": packet.packet_id, "memory": str(spec["out"]), "device": str(lm.device), **report}


def open_packet(path: Path, trust: TrustStore) -> tuple[Packet, Knowledge]:
    """Read, verify, and recount; only packets that hold concepts can be aligned."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="Name a .m2kt file.") from error
    packet = verify_packet(data, trust).packet
    if packet.manifest.kind not in (PacketKind.KNOWLEDGE, PacketKind.AGGREGATE):
        raise AlignmentRefused(f"a packet of kind {packet.manifest.kind} holds no concepts to align")
    if is_static(packet.tensors):
        raise AlignmentRefused(
            f"{packet.manifest.reference} holds static concepts, which no chain of decisions leads to",
            hint="Ground it on its teacher's anchors: `python -m student_agent ground` (docs/real.md).",
        )
    counted = ledger.compute(packet)
    if counted != dict(packet.manifest.ledger):
        raise LedgerMismatch(f"the manifest's ledger says {dict(packet.manifest.ledger)}, the tensors {counted}")
    return packet, from_tensors(packet.tensors, packet.manifest.symbols, packet.manifest.leads)


def require_domain(packet: Packet, wanted: str | None) -> None:
    """`AlignmentRefused` for a packet of another domain, or version of it, than that of the student's checks."""
    found = packet.manifest.domain
    if wanted and wanted not in (found.name, f"{found.name}@{found.version}"):
        raise AlignmentRefused(
            f"{packet.manifest.reference} is of the domain {found.name}@{found.version}, not {wanted}",
            hint="Take a packet of that version, or bring the student's checks and its policy.domain up to this one.",
        )


@dataclass(frozen=True)
class Options:
    """How an alignment is done, apart from its schedule."""

    cal: Cal = field(default_factory=Cal)
    lambdas: Lambdas = field(default_factory=Lambdas)
    deny: tuple[str, ...] = ()
    harm: float = HARM
    """Score of `m2kt.scan.harm` above which a symbol is not taught; 1 asks no classifier."""


def align(
    lm: LanguageModel, knowledge: Knowledge, schedule: Schedule, options: Options | None = None
) -> tuple[ConceptMemory, dict[str, Any]]:
    """Project, assemble and train; returns the memory and what happened."""
    options = options or Options()
    started = time.perf_counter()
    torch.manual_seed(schedule.seed)
    vocabulary = learn_vocabulary(knowledge, lm.tokenizer, schedule.seed)
    _require_coverage(vocabulary)
    anchors = share_anchors(knowledge, vocabulary)
    knowledge, came = keep_shared(knowledge, anchors), len(knowledge.centroids)
    knowledge, shared = keep_safe(knowledge, anchors, options.deny, options.harm), len(knowledge.centroids)
    projection = project(lm, knowledge, anchors, options.cal, options.lambdas, options.deny, options.harm)
    memory = assemble(lm, knowledge, vocabulary, projection)
    prober = Prober(lm, knowledge, vocabulary, projection)
    losses = train(
        lm,
        memory,
        knowledge,
        prober,
        schedule,
        options.lambdas,
        lambda done, total: progress("alignment", done, total),
        projection,
    )
    require_safe(projection, memory.values)
    return memory, {
        "cal": options.cal.form,
        "coverage": vocabulary.share,
        "agreement": projection.agreement,
        "residual": projection.residual,
        "l_align": projection.l_align,
        "losses": losses,
        "trained_parameters": trained_parameters(memory) + projection.trained_parameters,
        "steps": schedule.steps,
        "seconds": round(time.perf_counter() - started, 2),
        "shared_symbols": len(anchors.strings),
        "longest_symbol": anchors.pieces,
        "concepts_left_out": came - shared,
        "concepts_denied": shared - len(knowledge.centroids),
        "map": _mapped(memory, knowledge, came),
    }


def _mapped(memory: ConceptMemory, knowledge: Knowledge, count: int) -> dict[str, Any]:
    """Where the packet's concepts, ``count`` of them, came to lie in the student's space, for its report."""
    plane = principal(memory.values.detach().double().cpu().numpy())
    return told(plane if knowledge.numbers is None else spread_over(plane, knowledge.numbers, count))


def _require_coverage(vocabulary: Vocabulary) -> None:
    if vocabulary.share < FLOOR:
        raise AlignmentRefused(
            f"the student's tokenizer can follow {vocabulary.share:.2f} of the packet's chains, below the floor of "
            f"{FLOOR}: it splits or joins their symbols"
        )


def options_of(spec: dict[str, Any]) -> Options:
    """The options with what was given; `UsageError` for what they do not have."""
    deny = spec.get("deny", ())
    if not isinstance(deny, list | tuple) or not all(isinstance(each, str) and each for each in deny):
        raise UsageError(f"deny must be a list of symbols, not {deny!r}")
    harm = harm_of(spec.get("harm", HARM))
    return Options(cal_of(spec.get("cal", {})), lambdas_of(spec.get("lambdas", {})), tuple(deny), harm)


def schedule_of(given: dict[str, Any]) -> Schedule:
    """The schedule with what was given; `UsageError` for a field that does not exist or is not a positive number."""
    kinds = {each.name: type(each.default) for each in fields(Schedule)}
    for name, value in given.items():
        known = name in kinds and not isinstance(value, bool) and isinstance(value, (kinds[name], int))
        if not known or not 0 <= value < 2**31 or (value == 0 and name != "seed"):
            raise UsageError(f"schedule: {name}={value!r} is not one of {', '.join(kinds)}, as a positive number")
    return Schedule(**given)
