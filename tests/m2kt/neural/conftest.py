"""A tiny model of every family, made once a session."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch

from m2kt.neural.models import LanguageModel, load
from tests.tiny import FAMILIES, make_model

torch.set_num_threads(1)

DirectoryOf = Callable[[str], Path]
ModelOf = Callable[[str], LanguageModel]


@pytest.fixture(scope="session")
def directory_of(tmp_path_factory: pytest.TempPathFactory) -> DirectoryOf:
    """The directory of a family's model; tests that change one change a copy."""
    root = tmp_path_factory.mktemp("models")
    return cache(lambda family: make_model(family, root / family))


@pytest.fixture(scope="session")
def model_of(directory_of: DirectoryOf) -> ModelOf:
    return cache(lambda family: load(directory_of(family)))


@pytest.fixture(params=FAMILIES)
def lm(request: pytest.FixtureRequest, model_of: ModelOf) -> LanguageModel:
    """Each family in turn."""
    return model_of(request.param)
