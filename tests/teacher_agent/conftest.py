"""The example models' tokenizers, the example teacher, and one extraction from it that many tests read."""

import pytest
import torch
from transformers import AutoTokenizer

from m2kt.domains import Domain
from m2kt.domains import load as load_domain
from m2kt.neural.models import LanguageModel, Tokenizer, load
from teacher_agent.chains import Corpus, write_chains
from teacher_agent.extract import Extraction, extract
from teacher_agent.kinds import symbol_kinds
from teacher_agent.roles import Roles, find_roles
from teacher_agent.shapes import Shape, find_shapes
from tests.models import EXAMPLES
from tests.teacher_agent.parts import SETTINGS, SWAP, silent

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def example_tokenizer() -> dict[str, Tokenizer]:
    """Tokenizers of the example teacher (whole words) and student (byte pairs)."""
    return {name: AutoTokenizer.from_pretrained(EXAMPLES / name) for name in ("teacher", "student")}


@pytest.fixture(scope="session")
def teacher() -> LanguageModel:
    return load(EXAMPLES / "teacher")


@pytest.fixture(scope="session")
def domain() -> Domain:
    return load_domain("chains")


@pytest.fixture(scope="session")
def corpus(teacher: LanguageModel, domain: Domain) -> Corpus:
    """The teacher's own chains, as `found` sees them too."""
    return write_chains(teacher, domain.probes(SETTINGS.seed, SETTINGS.probes), SETTINGS.max_new_tokens)


@pytest.fixture(scope="session")
def shapes(corpus: Corpus) -> list[Shape]:
    kinds = symbol_kinds(corpus.chains, len(corpus.symbols))
    return find_shapes(corpus.chains, kinds, SETTINGS.least_chains)


@pytest.fixture(scope="session")
def roles(teacher: LanguageModel, shapes: list[Shape]) -> list[Roles]:
    """Roles of every shape, with another seed than `found` uses."""
    return [find_roles(teacher, shape, SWAP, 100 + number) for number, shape in enumerate(shapes)]


@pytest.fixture(scope="session")
def found(teacher: LanguageModel, domain: Domain) -> Extraction:
    """What 1,500 probes of the example teacher give."""
    return extract(teacher, domain, SETTINGS, silent)
