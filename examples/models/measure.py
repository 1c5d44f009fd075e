"""Figures of a model: answers by greedy generation, form, perplexity."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from examples.models.sealed import Check
from examples.models.world import well_formed

BATCH = 200  # prompts generated at once


@torch.inference_mode()
def continuations(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]) -> dict[str, str]:
    """Greedy continuation of each chain prompt, up to the end mark (`!` when it never came)."""
    written = {}
    for group in _of_one_length(prompts):
        ids = torch.tensor(tokenizer(group)["input_ids"])  # (B, 2n): equal lengths, no padding
        rows = _greedy(model, ids, steps=3 * ids.shape[1])  # 6n - 5 are enough
        for prompt, row in zip(group, rows.tolist(), strict=True):
            written[prompt] = _until_end(tokenizer, row)
    return written


def accuracy(written: dict[str, str], checks: Iterable[Check]) -> dict[str, float]:
    """Share of right final symbols, over all items and per tag."""
    hits = defaultdict(list)
    for check in checks:
        right = written[check.prompt][-1:] == check.answer
        for tag in ["all", *check.tags]:
            hits[tag].append(right)
    return {tag: sum(hits[tag]) / len(hits[tag]) for tag in sorted(hits)}


def form(written: dict[str, str]) -> float:
    """Share of continuations that restate their prompt faithfully and end."""
    return sum(well_formed(prompt, text) for prompt, text in written.items()) / len(written)


@torch.inference_mode()
def perplexity(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> tuple[float, float]:
    """Perplexity per token and per word; the first token has nothing before it and is left out."""
    nats, tokens, words = 0.0, 0, 0
    for text in texts:
        ids = torch.tensor([tokenizer(f"{text}{tokenizer.eos_token}")["input_ids"]])
        logs = model(input_ids=ids).logits[0, :-1].log_softmax(-1)  # (T - 1, V)
        nats -= logs.gather(1, ids[0, 1:, None]).sum().item()
        tokens += ids.shape[1] - 1
        words += len(text.split())
    return math.exp(nats / tokens), math.exp(nats / words)


def _of_one_length(prompts: Iterable[str]) -> Iterable[list[str]]:
    by_length = defaultdict(list)
    for prompt in prompts:
        by_length[len(prompt.split())].append(prompt)
    for group in by_length.values():
        yield from (group[i : i + BATCH] for i in range(0, len(group), BATCH))


def _greedy(model: PreTrainedModel, ids: torch.Tensor, steps: int) -> torch.Tensor:
    """The likeliest `steps` tokens after `ids` (B, T), each in turn: (B, steps)."""
    past, latest, chosen = None, ids, []
    for _ in range(steps):
        out = model(input_ids=latest, past_key_values=past, use_cache=True)
        past, latest = out.past_key_values, out.logits[:, -1:].argmax(-1)
        chosen.append(latest)
    return torch.cat(chosen, dim=1)


def _until_end(tokenizer: PreTrainedTokenizerBase, row: list[int]) -> str:
    if tokenizer.eos_token_id not in row:
        return "!"
    text = tokenizer.decode(row[: row.index(tokenizer.eos_token_id)])
    return str(text).strip()
