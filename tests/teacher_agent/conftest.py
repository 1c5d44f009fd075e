"""The example models' tokenizers."""

import pytest
from transformers import AutoTokenizer

from m2kt.neural.models import Tokenizer
from tests.models import EXAMPLES


@pytest.fixture(scope="session")
def example_tokenizer() -> dict[str, Tokenizer]:
    """Tokenizers of the example teacher (whole words) and student (byte pairs)."""
    return {name: AutoTokenizer.from_pretrained(EXAMPLES / name) for name in ("teacher", "student")}
