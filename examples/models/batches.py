"""Endless training batches of chains and sentences."""

import random
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from examples.models.sentences import sentences

IGNORED = -100  # the label that cross-entropy leaves out


@dataclass(frozen=True)
class Batch:
    """Token ids and labels (B, T); padding sits on the right and is never a label."""

    ids: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Feed:
    """What one model is trained on: prompts with their continuations, and sentences not kept for checks."""

    tokenizer: PreTrainedTokenizerFast
    prompts: Callable[[random.Random], Iterator[str]]  # without end, none of them held out
    told: Callable[[str], str]  # a prompt with its continuation
    kept: Collection[str]  # sentences that must stay unseen
    chains: int  # in a batch
    texts: int  # in a batch

    def batches(self, rng: random.Random) -> Iterator[Batch]:
        """Every batch holds all lengths and both kinds: batches of one kind undo each other."""
        prompts = self.prompts(rng)
        unseen = (text for text in sentences(rng) if text not in self.kept)
        while True:
            chosen = list(islice(prompts, self.chains))
            texts = [self.told(prompt) for prompt in chosen]
            # No token reaches over a space, so the prompt's own tokens are the first of the whole text's.
            given = [len(row) for row in self.tokenizer(chosen)["input_ids"]] + [0] * self.texts
            yield self._encode(texts + list(islice(unseen, self.texts)), given)

    def _encode(self, texts: list[str], given: list[int]) -> Batch:
        end = self.tokenizer.eos_token
        rows = self.tokenizer([f"{text}{end}" for text in texts])["input_ids"]
        ids = torch.full((len(rows), max(map(len, rows))), self.tokenizer.pad_token_id)
        labels = torch.full_like(ids, IGNORED)
        for i, (row, start) in enumerate(zip(rows, given, strict=True)):
            ids[i, : len(row)] = torch.tensor(row)
            labels[i, start : len(row)] = torch.tensor(row[start:])
        return Batch(ids, labels)
