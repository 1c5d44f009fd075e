"""Endless training batches of chains and sentences."""

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from examples.domains.chains.m2kt_domain_chains import open_prompts
from examples.models.sentences import sentences
from examples.models.world import Rule, chain

IGNORED = -100  # the label that cross-entropy leaves out


@dataclass(frozen=True)
class Batch:
    """Token ids and labels (B, T); padding sits on the right and is never a label."""

    ids: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Feed:
    """What one model is trained on: chains under a rule, and sentences not kept for checks."""

    tokenizer: PreTrainedTokenizerFast
    rule: Rule
    lengths: Sequence[int]  # a length named twice is drawn twice as often
    kept: Collection[str]  # sentences that must stay unseen
    chains: int  # in a batch
    texts: int  # in a batch

    def batches(self, rng: random.Random) -> Iterator[Batch]:
        """Every batch holds all lengths and both kinds: batches of one kind undo each other."""
        prompts = open_prompts(rng, self.lengths)
        unseen = (text for text in sentences(rng) if text not in self.kept)
        while True:
            chosen = list(islice(prompts, self.chains))
            texts = [chain(prompt, self.rule) for prompt in chosen]
            # Every symbol is one token: a prompt is as many tokens as words.
            given = [len(prompt.split()) for prompt in chosen] + [0] * self.texts
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
