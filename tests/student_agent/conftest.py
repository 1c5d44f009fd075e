"""Tiny students and the memories they were taught, made once for all tests that only read them."""

from pathlib import Path

import pytest
import torch

from m2kt.neural.models import LanguageModel, load
from student_agent.artifact import save_memory
from tests.models import silent_student, tiny_student
from tests.small import next_knowledge, small_knowledge
from tests.student_agent.parts import WORDS, Signed, Taught, card_of, signed, teach

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def student_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student that ends every text at once."""
    return silent_student(tmp_path_factory.mktemp("student"), WORDS)


@pytest.fixture(scope="session")
def student(student_directory: Path) -> LanguageModel:
    return load(student_directory)


@pytest.fixture(scope="session")
def other_student(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    """Another student of the same shape."""
    return load(tiny_student(tmp_path_factory.mktemp("other"), WORDS, seed=5))


@pytest.fixture(scope="session")
def addition(student: LanguageModel) -> Taught:
    """`small_knowledge`, taught to the student."""
    return teach(student, small_knowledge())


@pytest.fixture(scope="session")
def letters(student: LanguageModel) -> Taught:
    """`next_knowledge`, taught to the student."""
    return teach(student, next_knowledge())


@pytest.fixture(scope="session")
def memory_directory(student: LanguageModel, addition: Taught, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The memory of `addition` on disk."""
    directory = tmp_path_factory.mktemp("memory")
    save_memory(directory, addition.memory, card_of(student, addition))
    return directory


@pytest.fixture(scope="session")
def addition_packet(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    """`small_knowledge` as a signed packet."""
    return signed(tmp_path_factory.mktemp("packets"), small_knowledge(), "addition")
