"""The student of the facts: a GPT-2 of its own tokenizer that knows the templates and no fact; taught and examined."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F  # noqa: N812 - torch's own convention
from transformers import GPT2Config, GPT2LMHeadModel

from bench.anchored.facts import END, form_texts, prompts
from examples.models.vocabulary import byte_pairs
from m2kt.agent.child import run_child
from m2kt.neural.models import load
from m2kt.packet import DomainRef, Extraction, Manifest, Packet, PacketKind, Teacher, build_packet, ledger
from m2kt.packet.knowledge import Knowledge, to_tensors
from m2kt.packet.tensors import keep_bits
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate, write_public
from student_agent.artifact import load_student
from student_agent.checks import Check, is_right

WIDTH, LAYERS, VOCABULARY = 256, 2, 1500
FORM_STEPS, BATCH, ALIGN_STEPS = 200, 32, 60
EXTRA_TOKENS = 14


@dataclass(frozen=True)
class Taught:
    """Which answers on held-out templates were right, and what alignment told."""

    after: NDArray[np.bool_]
    report: dict[str, Any]


def make_student(directory: Path, seed: int, width: int = WIDTH, steps: int = FORM_STEPS) -> Path:
    """Train the form and save a Hugging Face directory."""
    rng = np.random.default_rng(seed)
    texts = form_texts(4000, rng)
    tokenizer = byte_pairs(texts, VOCABULARY)
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=64,
        n_embd=width,
        n_layer=LAYERS,
        n_head=4,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPT2LMHeadModel(config)
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.01)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        batch = [texts[each] for each in rng.integers(len(texts), size=BATCH)]
        rows = [torch.tensor([*ids, 0]) for ids in tokenizer(batch)["input_ids"]]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-100)
        logits = model(input_ids=ids.clamp(min=0)).logits[:, :-1]
        loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=-100)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        decay.step()
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def build(knowledge: Knowledge, teacher: Teacher, queries: int) -> Packet:
    """The unsigned packet of facts."""
    tensors, precision = keep_bits(to_tensors(knowledge), 8)
    manifest = Manifest.describe(
        kind=PacketKind.KNOWLEDGE,
        name="bench/facts",
        version="1.0.0",
        created="2026-01-31T12:00:00Z",
        domain=DomainRef("facts", "1.0.0"),
        teacher=teacher,
        extraction=Extraction("attribution", {"layer": -1}, 0),
        licence="Apache-2.0",
        tensors=tensors,
        precision=precision,
        coverage={"gradient": "not measured"},
        ledger=ledger.measure(tensors, queries),
        symbols=knowledge.symbols,
        leads=knowledge.leads,
    )
    return build_packet(manifest, tensors)


def teach(packet: Packet, student: Path, seed: int, steps: int = ALIGN_STEPS) -> Taught:
    """Sign, align in a child that holds packet and student only, and ask every fact in every held-out template."""
    with _signed(packet) as (root, spec):
        spec |= {"model": str(student), "out": str(root / "memory"), "device": "cpu", "threads": 1}
        report = run_child("student_agent", "align", {**spec, "schedule": {"steps": steps, "seed": seed}})
        return Taught(answers(student, root / "memory"), report)


@contextmanager
def _signed(packet: Packet) -> Iterator[tuple[Path, dict[str, Any]]]:
    with tempfile.TemporaryDirectory() as directory:
        root, key = Path(directory), generate()
        (root / "packet.m2kt").write_bytes(sign_packet(packet, key))
        write_public(root / "key.pub", key.public_key())
        yield root, {"packet": str(root / "packet.m2kt"), "trust": str(root / "key.pub")}


def answers(student: Path, memory: Path | None) -> NDArray[np.bool_]:
    """Which held-out prompts are answered rightly, greedily and to the end."""
    aligned = load_student(load(student), [memory] if memory else [])
    asked, names, _ = prompts(held_out=True)
    written = aligned.write(asked, EXTRA_TOKENS)
    return np.array(
        [is_right(Check(p, name + END, ()), text) for p, name, text in zip(asked, names, written, strict=True)]
    )
