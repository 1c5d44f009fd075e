import hashlib

import numpy as np
import pytest
import torch
from torch import nn

from m2kt.errors import ModelError
from m2kt.neural.encoders import ModuleEncoder, Pool, Reading, file_sha256, pooled, text_encoder
from tests.models import tiny_student

WORDS = ("red", "green", "blue", "dark", "light", "the")
TEXTS = ["red", "the dark green", "blue the", "light"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tiny_student(tmp_path_factory.mktemp("encoder"), WORDS, seed=3)


@pytest.mark.parametrize("pool", list(Pool))
def test_a_text_has_one_state_whatever_stands_beside_it(directory, pool):
    encoder = text_encoder(directory, Reading(pool))
    together = encoder.encode(TEXTS)
    assert together.shape == (4, 32)
    for row, text in zip(together, TEXTS, strict=True):
        assert np.allclose(row, encoder.encode([text])[0], atol=1e-5)


def test_layer_and_prompt_are_part_of_the_reading(directory):
    plain = text_encoder(directory)
    deep = text_encoder(directory, Reading(layer=0, prompt="the {}"))
    assert plain.reading != deep.reading
    assert not np.allclose(plain.encode(TEXTS), deep.encode(TEXTS))
    assert plain.sha256 == deep.sha256
    assert plain.describe().family == "gpt2"


def test_a_layer_inside_is_what_the_whole_model_shows_there(directory):
    encoder = text_encoder(directory, Reading(layer=1))
    batch = encoder.tokenizer(["the dark green"], return_tensors="pt")
    whole = encoder.model(**batch, output_hidden_states=True).hidden_states[1]
    assert np.allclose(encoder.encode(["the dark green"])[0], whole[0].mean(0).numpy(), atol=1e-6)
    with pytest.raises(ModelError, match="layers 0 to 1"):
        text_encoder(directory, Reading(layer=2)).encode(["red"])


@pytest.mark.parametrize("left", [True, False])
def test_padding_counts_for_nothing_on_either_side(left):
    states = torch.arange(8.0).view(1, 4, 2)
    mask = torch.tensor([[0, 1, 1, 1]] if left else [[1, 1, 1, 0]])
    real = states[0, 1:] if left else states[0, :3]
    assert pooled(states, mask, Pool.MEAN)[0].tolist() == real.mean(0).tolist()
    assert pooled(states, mask, Pool.LAST)[0].tolist() == real[-1].tolist()
    assert pooled(states, mask, Pool.FIRST)[0].tolist() == real[0].tolist()


def test_a_gguf_that_does_not_match_its_digest_is_refused_before_it_is_parsed(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF but not the right one")
    right = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert file_sha256(path) == right
    with pytest.raises(ModelError, match="is not the file that was asked for"):
        text_encoder(tmp_path, gguf_file="model.gguf", gguf_sha256=f"sha256:{'0' * 64}")
    with pytest.raises(ModelError, match="could not be loaded"):
        text_encoder(tmp_path, gguf_file="model.gguf", gguf_sha256=right)
    with pytest.raises(ModelError, match="cannot read"):
        text_encoder(tmp_path, gguf_file="other.gguf", gguf_sha256=right)


def test_a_directory_that_holds_no_model_says_so(tmp_path):
    with pytest.raises(ModelError, match="could not be loaded"):
        text_encoder(tmp_path)
    with pytest.raises(ModelError, match="no directory"):
        text_encoder(tmp_path / "nowhere")


def test_a_plain_module_is_an_encoder_in_evaluation_mode():
    module = nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.9))
    encoder = ModuleEncoder(module, module, lambda rows: torch.from_numpy(np.asarray(rows)).float(), "m")
    rows = np.random.default_rng(0).normal(size=(700, 3))
    assert np.allclose(encoder.encode(rows), encoder.encode(rows))
    assert encoder.encode(rows).shape == (700, 5)
    assert encoder.describe().parameters == 20
