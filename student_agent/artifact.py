"""Trained memories, and adapters that packets were consolidated into, to and from disk."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save

from m2kt.errors import ModelError
from m2kt.files import write_atomically
from m2kt.neural.models import LanguageModel
from student_agent.adapter import Adapter, attach, core_sha256
from student_agent.aligned import AlignedStudent
from student_agent.card import ADAPTER, CARD, WEIGHTS, Card, read_card
from student_agent.memory import ConceptMemory, Shape


def save_memory(directory: Path, memory: ConceptMemory, card: Card) -> None:
    """Write weights and card; the card last and with the weights' digest, so that a directory with a card is whole."""
    weights = save({name: tensor.detach().cpu().contiguous() for name, tensor in memory.state_dict().items()})
    write_atomically(directory / WEIGHTS, weights)
    write_atomically(directory / CARD, replace(card, weights_sha256=_digest(weights)).to_bytes())


def save_adapter(directory: Path, lm: LanguageModel, adapter: Adapter, card: Card) -> None:
    """The same for an adapter that stands beside ``lm``."""
    weights = save({name: each.detach().cpu().contiguous() for name, each in adapter.tensors(lm).items()})
    write_atomically(directory / WEIGHTS, weights)
    write_atomically(directory / CARD, replace(card, weights_sha256=_digest(weights)).to_bytes())


def load_student(lm: LanguageModel, directories: Sequence[Path]) -> AlignedStudent:
    """The student with what is in ``directories``, memories and adapters, in their order."""
    kinds = {directory: read_card(directory).kind for directory in directories}
    memories = tuple(load_memory(each, lm) for each in directories if kinds[each] != ADAPTER)
    adapters = tuple(load_adapter(each, lm) for each in directories if kinds[each] == ADAPTER)
    return AlignedStudent(lm, memories, adapters)


def load_memory(directory: Path, lm: LanguageModel) -> ConceptMemory:
    """The memory for ``lm``; `ModelError` when it was trained for another student or is damaged."""
    card = _card_for(directory, lm)
    with _damage(directory):
        memory = ConceptMemory(Shape(**card.shape))
        memory.load_state_dict(load(_weights(directory, card)))
    return memory.to(lm.device).eval().requires_grad_(False)


def load_adapter(directory: Path, lm: LanguageModel) -> Adapter:
    """Put the adapter beside the weights of ``lm``, switched off; `ModelError` as above."""
    card = _card_for(directory, lm)
    with _damage(directory):
        name = f"p{len(getattr(lm.model, 'peft_config', ()))}"
        adapter = attach(lm, name, card.shape["rank"], card.shape["alpha"])
        adapter.fill(lm, load(_weights(directory, card)))
    return adapter


def _card_for(directory: Path, lm: LanguageModel) -> Card:
    card = read_card(directory)
    if card.student_sha256 != core_sha256(lm):
        raise ModelError(
            f"the memory in {directory} was trained for another student than {lm.directory}",
            hint="Align the packet again for this student: `python -m student_agent take`.",
        )
    return card


def _weights(directory: Path, card: Card) -> bytes:
    weights = (directory / WEIGHTS).read_bytes()
    if _digest(weights) != card.weights_sha256:
        raise ValueError("its weights are not those that its card names")
    return weights


@contextmanager
def _damage(directory: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, SafetensorError, RuntimeError, TypeError, KeyError) as error:
        raise ModelError(f"the memory in {directory} is damaged: {error}", hint="Align the packet again.") from error


def shape_of(memory: ConceptMemory) -> dict[str, int]:
    """The memory's sizes as the card holds them."""
    return asdict(memory.shape)


def _digest(data: bytes) -> str:
    return "sha256:" + sha256(data).hexdigest()
