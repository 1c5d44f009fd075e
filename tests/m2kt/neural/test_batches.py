"""Batches shrink when memory runs out, and what comes of them is the same; a single sequence too much is told."""

import pytest
import torch

from m2kt.errors import ModelError, OutOfMemory
from m2kt.neural.decode import write
from m2kt.neural.forward import HEAD, forward, in_batches, rows_per_batch
from m2kt.neural.models import Budget, LanguageModel, load, pick_dtype, weights_sha256
from tests.m2kt.neural.conftest import DirectoryOf, ModelOf
from tests.tiny import LAYERS, PROMPTS, WIDTH


@pytest.fixture
def tight(model_of: ModelOf) -> LanguageModel:
    """A model with a budget of its own: what shrinks here is no other test's."""
    lm = model_of("gpt2")
    return LanguageModel(lm.model, lm.tokenizer, lm.device, lm.directory)


def filled(most: int, error: Exception) -> object:
    """A device that holds ``most`` sequences at once."""

    def run(rows: slice) -> list[int]:
        if rows.stop - rows.start > most:
            raise error
        return list(range(rows.start, rows.stop))

    return run


NO_ROOM = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: out of memory"),
    MemoryError(),
)


@pytest.mark.parametrize("error", NO_ROOM, ids=lambda each: type(each).__name__)
def test_memory_that_runs_out_halves_the_batch_until_it_fits(tight: LanguageModel, error: Exception) -> None:
    parts = list(in_batches(tight, 100, 6, filled(7, error)))  # type: ignore[arg-type]
    assert [row for _, rows in parts for row in rows] == list(range(100))
    assert max(len(rows) for _, rows in parts) == 6  # 100, 50, 25, 12, 6
    assert rows_per_batch(tight, 6) == 6  # what did not fit once is not tried again
    assert rows_per_batch(tight, 12) == 3


def test_a_single_sequence_that_does_not_fit_is_told_with_the_next_step(tight: LanguageModel) -> None:
    with pytest.raises(OutOfMemory, match="no memory for a single sequence of 6 tokens") as caught:
        list(in_batches(tight, 5, 6, filled(0, NO_ROOM[0])))  # type: ignore[arg-type]
    assert "bfloat16" in caught.value.hint


def test_other_errors_are_not_taken_for_want_of_memory(tight: LanguageModel) -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        list(in_batches(tight, 5, 6, filled(0, RuntimeError("shapes cannot be multiplied"))))  # type: ignore[arg-type]
    assert tight.budget.tokens is None


def test_a_model_that_runs_out_once_writes_what_it_would_have_written(
    tight: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = write(tight, PROMPTS, 5)
    real = tight.model.generate

    def generate(**given: torch.Tensor) -> torch.Tensor:
        if len(given["input_ids"]) > 1:
            raise NO_ROOM[0]
        return real(**given)  # type: ignore[no-any-return]

    monkeypatch.setattr(tight.model, "generate", generate)
    assert write(tight, PROMPTS, 5) == expected


def test_a_batch_that_weighs_more_is_smaller(tight: LanguageModel) -> None:
    sizes = [len(rows) for _, rows in in_batches(tight, 4000, 16, filled(9999, NO_ROOM[0]), each=8)]  # type: ignore[arg-type]
    assert max(sizes) == rows_per_batch(tight, 16) // 8


def test_the_head_works_where_it_is_asked_to_and_states_are_whole(lm: LanguageModel) -> None:
    ids = torch.arange(1, 13).reshape(2, 6) % lm.head.out_features
    whole, some = forward(lm, ids), forward(lm, ids, [4, 1])
    torch.testing.assert_close(some.logits, whole.logits[:, [4, 1]])
    assert torch.equal(some.head_inputs, whole.head_inputs)
    assert torch.equal(whole.inner, whole.head_inputs)
    assert not lm.head._forward_pre_hooks


def test_every_hidden_layer_can_be_asked_for_and_no_other(lm: LanguageModel) -> None:
    ids = torch.arange(1, 7)[None]
    layers = lm.model(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states
    for number in range(LAYERS + 1):
        assert torch.equal(forward(lm, ids, layer=number).inner, layers[number])
    assert HEAD == -1
    for number in (LAYERS + 1, -2):
        with pytest.raises(ModelError, match=f"no hidden layer {number}"):
            forward(lm, ids, layer=number)


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_a_model_that_is_cast_computes_so_and_keeps_its_name(directory_of: DirectoryOf, name: str) -> None:
    stored, cast = load(directory_of("llama")), load(directory_of("llama"), dtype=pick_dtype(name, torch.device("cpu")))
    assert cast.head.weight.dtype == getattr(torch, name)
    assert cast.sha256 == stored.sha256 == weights_sha256(stored.model) != weights_sha256(cast.model)
    states = forward(cast, torch.arange(1, 7)[None])
    assert states.head_inputs.dtype == getattr(torch, name)
    assert states.head_inputs.shape == (1, 6, WIDTH)


def test_on_a_processor_models_stay_as_they_are_stored() -> None:
    assert pick_dtype("auto", torch.device("cpu")) is None
    assert pick_dtype("stored", torch.device("cuda")) is None
    with pytest.raises(ModelError, match="no dtype 'half'"):
        pick_dtype("half", torch.device("cpu"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator")
def test_on_a_gpu_batches_are_sized_by_its_memory_and_models_computed_in_bfloat16(directory_of: DirectoryOf) -> None:
    device = torch.device("cuda")
    assert pick_dtype("auto", device) == torch.bfloat16
    lm = load(directory_of("llama"), device, torch.bfloat16)
    assert rows_per_batch(lm, 8) > 1
    assert lm.budget != Budget()
