"""Greedy writing, for teachers (transformers' own loop) and for anything that gives logits (ours)."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from m2kt.errors import UsageError
from m2kt.neural.forward import in_batches
from m2kt.neural.models import LanguageModel

Logits = Callable[[Tensor], Tensor]
"""Token ids (B, T) to logits (B, V) of the next token."""


def encode(lm: LanguageModel, prompts: Sequence[str]) -> list[list[int]]:
    """Token ids of each prompt, as the tokenizer frames a text, without an end mark (a prompt is not finished)."""
    rows: list[list[int]] = lm.tokenizer(list(prompts))["input_ids"] if prompts else []
    if [] in rows:
        raise UsageError(f"prompt {rows.index([]) + 1} of {len(rows)} has no token", hint="Give it some text.")
    ends = set(lm.end_ids)
    return [row[:-1] if row[-1] in ends and len(row) > 1 else row for row in rows]


def by_length(rows: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], Tensor]]:
    """Rows grouped by length, so that nothing is ever padded: (their indices, ids (B, T))."""
    groups: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(len(row), []).append(index)
    for length in sorted(groups):
        yield groups[length], torch.tensor([rows[index] for index in groups[length]])


def write(
    lm: LanguageModel,
    prompts: Sequence[str],
    max_new_tokens: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[tuple[list[int], list[int]]]:
    """Greedy continuations by transformers' generate: (prompt ids, continuation ids with the end mark if it came)."""
    rows = encode(lm, prompts)
    return list(zip(rows, write_rows(lm, rows, max_new_tokens, on_progress), strict=True))


def write_rows(
    lm: LanguageModel,
    rows: Sequence[list[int]],
    max_new_tokens: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[list[int]]:
    """What `write` writes after prompts that are token ids already."""
    written: list[list[int]] = [[] for _ in rows]
    done = 0
    for indices, ids in by_length(rows):
        longest = room(lm, ids.shape[1], max_new_tokens)
        for part, out in in_batches(lm, len(indices), ids.shape[1] + longest, _writing(lm, ids, longest)):
            for index, row in zip(indices[part], out, strict=True):
                written[index] = row
            done += len(out)
            on_progress(done, len(rows))
    return written


def room(lm: LanguageModel, length: int, wanted: int) -> int:
    """How many of ``wanted`` tokens fit after a prompt of ``length``; `UsageError` when none do."""
    positions = context(lm)
    if positions is None:
        return wanted
    if length >= positions:
        raise UsageError(f"a prompt of {length} tokens leaves no room in the {positions} positions of {lm.directory}")
    return min(wanted, positions - length)


def _writing(lm: LanguageModel, ids: Tensor, longest: int) -> Callable[[slice], list[list[int]]]:
    return lambda part: _generate(lm, ids[part], longest)


def context(lm: LanguageModel) -> int | None:
    """Most tokens of a text; state-space models have no such limit."""
    positions = getattr(lm.model.config, "max_position_embeddings", None)
    return positions if isinstance(positions, int) else None


@torch.inference_mode()
def _generate(lm: LanguageModel, ids: Tensor, max_new_tokens: int) -> list[list[int]]:
    ids = ids.to(lm.device)
    ends = lm.end_ids
    out = lm.model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        eos_token_id=ends or None,
        pad_token_id=ends[0] if ends else 0,
    )
    return [_until_end(row, ends) for row in out[:, ids.shape[1] :].tolist()]


def _until_end(row: list[int], ends: Sequence[int]) -> list[int]:
    for place, token in enumerate(row):
        if token in ends:
            return row[: place + 1]
    return row


@torch.inference_mode()
def greedy(logits: Logits, ids: Tensor, ends: Sequence[int], max_new_tokens: int) -> list[list[int]]:
    """Greedy continuations of ``ids`` (B, T) under any ``logits``; rows that ended leave the batch."""
    rows: list[list[int]] = [[] for _ in range(len(ids))]
    alive = list(range(len(ids)))
    while alive and len(rows[alive[0]]) < max_new_tokens:
        chosen = logits(ids).argmax(-1)
        for row, token in zip(alive, chosen.tolist(), strict=True):
            rows[row].append(token)
        going = [place for place, token in enumerate(chosen.tolist()) if token not in ends]
        ids = torch.cat([ids, chosen[:, None].to(ids.device)], 1)[going]
        alive = [alive[place] for place in going]
    return rows
