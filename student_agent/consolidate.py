"""The consolidation job: what a student says with a packet's memory becomes LoRA matrices beside its own weights.

1. Isolate the process, verify the packet, load the student and the memory that the packet became.
2. Put a fresh adapter beside the frozen weights.
3. Unroll the packet's templates with random symbols, and have the student write some texts of its own. On both the
   student with the adapter learns the distribution that it has with the memory, at every position.
4. Prove by digest that its own weights are what they were, and write the adapter; nothing is active yet.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from m2kt.agent.child import progress
from m2kt.errors import AlignmentRefused, ModelError, UsageError
from m2kt.neural.models import LanguageModel, load, offline, pick_device, set_threads
from m2kt.packet.knowledge import Knowledge
from m2kt.signing import TrustStore
from student_agent.adapter import Adapter, attach, core_sha256, speaking
from student_agent.align import open_packet
from student_agent.aligned import AlignedStudent
from student_agent.artifact import load_memory, save_adapter
from student_agent.batches import Batch, Prober
from student_agent.card import ADAPTER, MEMORY, Card, read_card
from student_agent.isolation import isolate
from student_agent.memory import ConceptMemory
from student_agent.projection import keep_shared, project, share_anchors
from student_agent.specs import check_spec
from student_agent.vocabulary import learn_vocabulary

REQUIRED = ("packet", "trust", "model", "memory", "out")
OPTIONAL = ("device", "threads", "schedule")


@dataclass(frozen=True)
class Consolidation:
    """How long, how fast and how wide. ``texts`` of ``length`` tokens that the student writes itself are rehearsed, so
    that it goes on saying what it says elsewhere; ``keep`` is their weight, and that of positions where the packet says
    nothing."""

    rank: int = 32
    alpha: int = 64
    steps: int = 1500
    batch: int = 32
    templates: int = 3
    rate: float = 3e-3
    texts: int = 256
    length: int = 24
    keep: float = 1.0
    seed: int = 0


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Spec: ``packet`` file, ``trust``, ``model`` directory, ``memory`` directory, ``out`` directory; optional
    ``device``, ``threads``, ``schedule`` (fields of `Consolidation`)."""
    # 1.
    isolate()
    check_spec(spec, REQUIRED, OPTIONAL)
    offline()
    set_threads(spec.get("threads"))
    packet, knowledge = open_packet(Path(spec["packet"]), TrustStore.from_path(Path(spec["trust"])))
    settings = consolidation_of(spec.get("schedule", {}))
    lm = load(spec["model"], pick_device(spec.get("device", "auto")))
    before, told = core_sha256(lm), read_card(Path(spec["memory"]))
    if told.packet_id != packet.packet_id or told.kind != MEMORY:
        raise ModelError(
            f"{spec['memory']} holds no memory of {packet.packet_id}", hint="Name the packet that is in force."
        )
    memory = load_memory(Path(spec["memory"]), lm)
    # 2. and 3.
    adapter, report = consolidate(lm, memory, knowledge, settings)
    # 4.
    if core_sha256(lm) != before:
        raise AlignmentRefused("the student's frozen core changed during consolidation", hint="Please report this.")
    shape = {"rank": adapter.rank, "alpha": adapter.alpha}
    card = Card(packet.packet_id, packet.manifest.reference, before, shape, report, kind=ADAPTER)
    save_adapter(Path(spec["out"]), lm, adapter, card)
    return {"packet_id": packet.packet_id, "adapter": str(spec["out"]), "device": str(lm.device), **report}


def consolidate(
    lm: LanguageModel, memory: ConceptMemory, knowledge: Knowledge, settings: Consolidation
) -> tuple[Adapter, dict[str, Any]]:
    """Train an adapter to say what ``memory`` says; returns it and what happened."""
    started = time.perf_counter()
    torch.manual_seed(settings.seed)
    prober = _prober(lm, knowledge, settings.seed)
    own = _own_texts(lm, settings)
    adapter = attach(lm, "consolidated", settings.rank, settings.alpha)
    trained = [each for name, each in lm.model.named_parameters() if ".consolidated." in name]
    optimiser = torch.optim.AdamW(trained, settings.rate, weight_decay=0.0)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.steps, settings.rate / 30)
    teacher, losses = AlignedStudent(lm, (memory,)), []
    for step, (batches, texts) in enumerate(_lessons(prober, own, settings)):
        terms = [_lesson(lm, teacher, adapter, each, settings.keep) for each in batches]
        loss = torch.stack(terms).mean() + settings.keep * _rehearsal(lm, adapter, texts)
        if not torch.isfinite(loss):
            raise AlignmentRefused(f"the loss is not finite at step {step}", hint="Try a lower rate.")
        optimiser.zero_grad()
        for each in trained:
            each.requires_grad_(True)  # an adapter that is switched off is frozen, too
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        decay.step()
        losses.append(float(loss.detach()))
        progress("consolidation", step + 1, settings.steps)
    return adapter, {
        "losses": [float(part.mean()) for part in np.array_split(np.array(losses), min(10, len(losses)))],
        "trained_parameters": sum(each.numel() for each in trained),
        "steps": settings.steps,
        "seconds": round(time.perf_counter() - started, 2),
    }


def _prober(lm: LanguageModel, knowledge: Knowledge, seed: int) -> Prober:
    vocabulary = learn_vocabulary(knowledge, lm.tokenizer, seed)
    anchors = share_anchors(knowledge, vocabulary)
    kept = keep_shared(knowledge, anchors)
    return Prober(lm, kept, vocabulary, project(lm, kept, anchors))


@torch.inference_mode()
def _own_texts(lm: LanguageModel, settings: Consolidation) -> Tensor:
    """What the student says of itself, from one random token on, (texts, length)."""
    ids = torch.randint(lm.head.weight.shape[0], (settings.texts, 1), device=lm.device)
    while ids.shape[1] < settings.length:
        chances = lm.model(input_ids=ids, use_cache=False).logits[:, -1].float().softmax(-1)
        ids = torch.cat([ids, torch.multinomial(chances, 1)], 1)
    return ids.clone()


def _lessons(prober: Prober, own: Tensor, settings: Consolidation) -> Iterator[tuple[list[Batch], Tensor]]:
    rng = np.random.default_rng(settings.seed)
    for _ in range(settings.steps):
        batches = list(prober.draw(settings.templates, settings.batch, rng))
        if not batches:
            raise AlignmentRefused("no probe could be rendered: too few concepts came with the packet")
        yield batches, own[torch.from_numpy(rng.integers(len(own), size=settings.batch))]


def _lesson(lm: LanguageModel, teacher: AlignedStudent, adapter: Adapter, batch: Batch, keep: float) -> Tensor:
    """KL divergence from what the student says with the memory, where the packet decides and elsewhere."""
    ids = batch.ids.to(lm.device)
    wanted = teacher.logits(ids).clone().log_softmax(-1)
    apart = F.kl_div(_said(lm, adapter, ids), wanted, reduction="none", log_target=True).sum(-1)  # (N, T)
    due = torch.zeros_like(apart, dtype=torch.bool)
    real = batch.dues >= 0
    due[torch.arange(len(ids))[:, None].expand_as(batch.at)[real], batch.at[real]] = True
    return apart[due].mean() + keep * apart[~due].mean()


def _rehearsal(lm: LanguageModel, adapter: Adapter, ids: Tensor) -> Tensor:
    """KL divergence from what the bare student says of its own texts."""
    with torch.no_grad():
        wanted = lm.model(input_ids=ids, use_cache=False).logits.float().log_softmax(-1)
    return F.kl_div(_said(lm, adapter, ids), wanted, reduction="none", log_target=True).sum(-1).mean()


def _said(lm: LanguageModel, adapter: Adapter, ids: Tensor) -> Tensor:
    with speaking(lm, (adapter,)):
        said: Tensor = lm.model(input_ids=ids, use_cache=False).logits.float().log_softmax(-1)
    return said


def consolidation_of(given: dict[str, Any]) -> Consolidation:
    """The settings with what was given; `UsageError` for what they do not have."""
    kinds = {each.name: type(each.default) for each in fields(Consolidation)}
    for name, value in given.items():
        known = name in kinds and not isinstance(value, bool) and isinstance(value, (kinds[name], int))
        if not known or not 0 <= value < 2**31 or (value == 0 and name not in ("seed", "keep")):
            raise UsageError(f"consolidation: {name}={value!r} is not one of {', '.join(kinds)}, as a positive number")
    return Consolidation(**given)
