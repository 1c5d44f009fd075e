"""Trained memories to and from disk."""

from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save

from m2kt.errors import ModelError
from m2kt.files import write_atomically
from m2kt.neural.models import LanguageModel, weights_sha256
from student_agent.card import CARD, WEIGHTS, Card, read_card
from student_agent.memory import ConceptMemory, Shape


def save_memory(directory: Path, memory: ConceptMemory, card: Card) -> None:
    """Write weights and card; the card last and with the weights' digest, so that a directory with a card is whole."""
    weights = save({name: tensor.detach().cpu().contiguous() for name, tensor in memory.state_dict().items()})
    write_atomically(directory / WEIGHTS, weights)
    write_atomically(directory / CARD, replace(card, weights_sha256=_digest(weights)).to_bytes())


def load_memory(directory: Path, lm: LanguageModel) -> ConceptMemory:
    """The memory for ``lm``; `ModelError` when it was trained for another student or is damaged."""
    card = read_card(directory)
    if card.student_sha256 != weights_sha256(lm.model):
        raise ModelError(
            f"the memory in {directory} was trained for another student than {lm.directory}",
            hint="Align the packet again for this student: `python -m student_agent take`.",
        )
    try:
        weights = (directory / WEIGHTS).read_bytes()
        if _digest(weights) != card.weights_sha256:
            raise ValueError("its weights are not those that its card names")
        memory = ConceptMemory(Shape(**card.shape))
        memory.load_state_dict(load(weights))
    except (OSError, ValueError, SafetensorError, RuntimeError, TypeError) as error:
        raise ModelError(f"the memory in {directory} is damaged: {error}", hint="Align the packet again.") from error
    return memory.to(lm.device).eval().requires_grad_(False)


def shape_of(memory: ConceptMemory) -> dict[str, int]:
    """The memory's sizes as the card holds them."""
    return asdict(memory.shape)


def _digest(data: bytes) -> str:
    return "sha256:" + sha256(data).hexdigest()
