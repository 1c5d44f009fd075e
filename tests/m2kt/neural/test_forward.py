"""What a forward pass gives, for every family: head inputs, layer states, attention."""

import pytest
import torch
from torch.nn import functional

from m2kt.neural.decode import by_length, encode
from m2kt.neural.forward import attention_maps, batched, forward, head_inputs, layer_states, rows_per_batch
from m2kt.neural.models import LanguageModel
from tests.m2kt.neural.conftest import ModelOf
from tests.tiny import FAMILIES, LAYERS, PROMPTS, WIDTH

LENGTH = 6


@pytest.fixture
def ids(lm: LanguageModel) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)  # from 1: the embedding of the padding token 0 may be zero
    return torch.randint(1, lm.head.out_features, (4, LENGTH), generator=generator)


def test_head_inputs_times_the_unembedding_are_the_logits(lm: LanguageModel, ids: torch.Tensor) -> None:
    states = forward(lm, ids)
    assert states.head_inputs.shape == (4, LENGTH, WIDTH)
    assert states.logits.shape == (4, LENGTH, lm.head.out_features)
    product = states.head_inputs @ lm.head.weight.T
    if lm.head.bias is not None:
        product = product + lm.head.bias
    torch.testing.assert_close(product, states.logits)


def test_one_family_has_a_bias_in_its_head(model_of: ModelOf) -> None:
    """So that the sum above is tested with one, and not with zeros."""
    assert model_of("phi").head.bias.abs().min() > 0


def test_no_hook_stays_behind(lm: LanguageModel, ids: torch.Tensor) -> None:
    with pytest.raises(KeyError), head_inputs(lm):
        raise KeyError
    forward(lm, ids)
    assert not lm.head._forward_pre_hooks


def test_layer_states_are_all_layers_side_by_side_at_unit_scale(lm: LanguageModel, ids: torch.Tensor) -> None:
    states, logits = layer_states(lm, ids)
    raw = lm.model(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states
    assert len(raw) == LAYERS + 1
    assert states.shape == (4, LENGTH, len(raw) * WIDTH)
    for place, layer in enumerate(raw):
        scaled = states[..., place * WIDTH : (place + 1) * WIDTH]
        torch.testing.assert_close(scaled.pow(2).mean(-1), torch.ones(4, LENGTH), atol=1e-3, rtol=0)
        torch.testing.assert_close(functional.cosine_similarity(scaled, layer, dim=-1), torch.ones(4, LENGTH))
    torch.testing.assert_close(logits, forward(lm, ids).logits)


def test_attention_of_each_position_sums_to_one_over_the_past(model_of: ModelOf, subtests: pytest.Subtests) -> None:
    ids = torch.arange(3 * LENGTH).reshape(3, LENGTH)
    for family in FAMILIES.keys() - {"mamba"}:
        with subtests.test(family):
            maps = attention_maps(model_of(family), ids)
            assert maps is not None
            assert maps.shape == (3, LENGTH, LENGTH)
            torch.testing.assert_close(maps.sum(-1), torch.ones(3, LENGTH))
            assert not maps.triu(1).any()


def test_attention_is_the_mean_over_heads_and_the_upper_half_of_the_layers(model_of: ModelOf) -> None:
    lm, ids = model_of("llama"), torch.arange(LENGTH)[None]
    lm.model.set_attn_implementation("eager")
    layers = lm.model(input_ids=ids, output_attentions=True, use_cache=False).attentions
    lm.model.set_attn_implementation("sdpa")
    expected = torch.cat(layers[LAYERS // 2 :]).mean((0, 1))
    torch.testing.assert_close(attention_maps(lm, ids), expected[None])


def test_a_model_without_attention_has_no_attention_maps(model_of: ModelOf) -> None:
    assert attention_maps(model_of("mamba"), torch.arange(LENGTH)[None]) is None


def test_looking_at_attention_leaves_the_model_as_it_was(lm: LanguageModel, ids: torch.Tensor) -> None:
    before, kind = forward(lm, ids).logits, lm.model.config._attn_implementation
    attention_maps(lm, ids)
    assert lm.model.config._attn_implementation == kind
    assert torch.equal(forward(lm, ids).logits, before)


def test_rows_do_not_depend_on_their_neighbours(lm: LanguageModel) -> None:
    """Nothing is padded, so a batch is its rows."""
    for _, group in by_length(encode(lm, PROMPTS)):
        together = forward(lm, group).logits
        alone = torch.cat([forward(lm, row[None]).logits for row in group])
        torch.testing.assert_close(together, alone)


def test_batches_cover_the_rows_once() -> None:
    assert [list(range(7))[each] for each in batched(7, 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batched(0, 3)) == []


def test_a_sequence_longer_than_a_batch_still_runs_alone(model_of: ModelOf) -> None:
    assert rows_per_batch(model_of("llama"), 10**9) == 1
