"""Greedy writing: ours equals transformers' own."""

import pytest
import torch

from m2kt.errors import UsageError
from m2kt.neural.decode import by_length, encode, greedy, room, write
from m2kt.neural.forward import TOKENS_PER_BATCH, forward
from m2kt.neural.models import LanguageModel
from tests.m2kt.neural.conftest import ModelOf
from tests.tiny import PROMPTS

NEW = 24


def ours(lm: LanguageModel, rows: list[list[int]], count: int) -> list[list[int]]:
    written: list[list[int]] = [[] for _ in rows]
    for indices, ids in by_length(rows):
        out = greedy(lambda ids: forward(lm, ids).logits[:, -1], ids, lm.end_ids, count)
        for index, row in zip(indices, out, strict=True):
            written[index] = row
    return written


def test_greedy_writes_what_generate_writes(lm: LanguageModel) -> None:
    rows = encode(lm, PROMPTS)
    assert list(zip(rows, ours(lm, rows, NEW), strict=True)) == write(lm, PROMPTS, NEW)


def test_a_row_ends_at_its_end_mark_while_others_go_on() -> None:
    """A model that counts down from its last token; 0 ends a text."""

    def count_down(ids: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(ids[:, -1] - 1, 10).float()

    assert greedy(count_down, torch.tensor([[3], [1], [9]]), [0], 5) == [[2, 1, 0], [0], [8, 7, 6, 5, 4]]
    assert greedy(count_down, torch.tensor([[3]]), [0], 0) == [[]]


def test_some_rows_of_generate_end_early_and_keep_their_end_mark(model_of: ModelOf) -> None:
    """Otherwise the comparison above says nothing about ends."""
    lm = model_of("llama")
    written = [row for _, row in write(lm, PROMPTS, NEW)]
    early = [row for row in written if len(row) < NEW]
    assert early
    assert all(row[-1] in lm.end_ids for row in early)
    assert not any(token in lm.end_ids for row in written for token in row[:-1])


def test_small_batches_write_the_same(model_of: ModelOf, monkeypatch: pytest.MonkeyPatch) -> None:
    lm = model_of("gpt2")
    at_once = write(lm, PROMPTS, 4)
    monkeypatch.setitem(TOKENS_PER_BATCH, "cpu", 1)
    assert write(lm, PROMPTS, 4) == at_once


def test_progress_ends_at_the_number_of_prompts(model_of: ModelOf) -> None:
    seen: list[tuple[int, int]] = []
    write(model_of("gpt2"), PROMPTS, 1, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(PROMPTS), len(PROMPTS))
    assert seen == sorted(seen)


def test_nothing_is_ever_padded() -> None:
    rows = [[5], [1, 2, 3], [7, 8, 9], [6], [4, 4]]
    groups = list(by_length(rows))
    assert [(indices, ids.tolist()) for indices, ids in groups] == [
        ([0, 3], [[5], [6]]),
        ([4], [[4, 4]]),
        ([1, 2], [[1, 2, 3], [7, 8, 9]]),
    ]
    assert list(by_length([])) == []


def test_encoding_is_the_tokenizer_s_without_an_end_mark(lm: LanguageModel) -> None:
    assert encode(lm, PROMPTS) == [lm.tokenizer(each)["input_ids"] for each in PROMPTS]
    assert encode(lm, []) == []


def test_a_prompt_without_tokens_is_refused_by_number(lm: LanguageModel) -> None:
    with pytest.raises(UsageError, match="prompt 2 of 3 has no token"):
        encode(lm, ["1 + 1", "", ""])


def test_an_end_mark_that_a_tokenizer_adds_is_taken_off(model_of: ModelOf) -> None:
    lm = model_of("llama")
    end = lm.tokenizer.eos_token
    assert encode(lm, [f"3 + 4 {end}"]) == encode(lm, ["3 + 4"])
    assert encode(lm, [end]) == [lm.end_ids]


def test_writing_stops_where_the_positions_end(model_of: ModelOf) -> None:
    lm = model_of("gpt2")
    positions = lm.model.config.max_position_embeddings
    for prompt, written in write(lm, PROMPTS[:2], 10 * positions):
        assert len(prompt) + len(written) <= positions
    assert room(lm, positions - 2, 10) == 2
    with pytest.raises(UsageError, match="no room"):
        room(lm, positions, 10)
