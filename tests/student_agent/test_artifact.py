"""Memories to and from disk."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from m2kt.errors import ModelError
from m2kt.neural.models import LanguageModel
from student_agent.aligned import AlignedStudent
from student_agent.artifact import load_memory
from student_agent.card import CARD, WEIGHTS, read_card
from tests.student_agent.parts import PACKET_ID, SUMS, Taught


@pytest.fixture
def directory(memory_directory: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(memory_directory, tmp_path / "memory"))


def test_what_was_saved_is_loaded(student: LanguageModel, addition: Taught, memory_directory: Path) -> None:
    loaded = load_memory(memory_directory, student)
    saved = addition.memory.state_dict()
    assert loaded.shape == addition.memory.shape
    assert all(torch.equal(tensor, saved[name]) for name, tensor in loaded.state_dict().items())
    assert not any(each.requires_grad for each in loaded.parameters())
    said = [AlignedStudent(student, (each,)).write(SUMS, 3) for each in (loaded, addition.memory)]
    assert said[0] == said[1]


def test_the_card_says_what_the_memory_belongs_to(memory_directory: Path, addition: Taught) -> None:
    card = read_card(memory_directory)
    assert (card.packet_id, card.packet) == (PACKET_ID, "tests/addition@1.0.0")
    assert card.report == json.loads(json.dumps(addition.report))


def test_another_students_memory_is_refused(other_student: LanguageModel, memory_directory: Path) -> None:
    with pytest.raises(ModelError, match="another student"):
        load_memory(memory_directory, other_student)


@pytest.mark.parametrize("place", [0, 9, 2_000, -1])
def test_a_flipped_byte_of_the_weights_is_noticed(student: LanguageModel, directory: Path, place: int) -> None:
    data = bytearray((directory / WEIGHTS).read_bytes())
    data[place] ^= 1
    (directory / WEIGHTS).write_bytes(data)
    with pytest.raises(ModelError, match="damaged"):
        load_memory(directory, student)


def test_a_cut_file_and_a_missing_one_are_damage(student: LanguageModel, directory: Path) -> None:
    (directory / WEIGHTS).write_bytes((directory / WEIGHTS).read_bytes()[:-5])
    with pytest.raises(ModelError, match="damaged"):
        load_memory(directory, student)
    (directory / WEIGHTS).unlink()
    with pytest.raises(ModelError, match="damaged"):
        load_memory(directory, student)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"schema": "m2kt.memory/0"}', '{"schema": "m2kt.memory/1"}', "\xff\xfe"]
)
def test_a_card_that_is_none_is_refused(student: LanguageModel, directory: Path, text: str) -> None:
    (directory / CARD).write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match="no memory"):
        load_memory(directory, student)


@pytest.mark.parametrize(("size", "value"), [("concepts", 8), ("width", "x"), ("sizes", 3), ("slots", -1)])
def test_a_card_with_other_sizes_is_damage(
    student: LanguageModel, directory: Path, size: str, value: int | str
) -> None:
    card = json.loads((directory / CARD).read_bytes())
    card["shape"][size] = value
    (directory / CARD).write_text(json.dumps(card))
    with pytest.raises(ModelError, match="damaged"):
        load_memory(directory, student)
