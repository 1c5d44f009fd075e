"""The loop that trains the example models."""

import random

import torch

from examples.models.batches import Feed
from examples.models.designs import Design
from examples.models.pairs import corpus, prompts, told
from examples.models.tasks import TASKS
from examples.models.train import cut, loss_of, shares
from examples.models.vocabulary import word_level


def test_a_batch_in_parts_has_the_whole_ones_loss_and_less_padding() -> None:
    task = TASKS["listops"]
    fact = task.world(7)
    tokenizer = word_level(corpus(task, fact, 7))
    torch.manual_seed(0)
    model = Design("llama", 16, 1).build(tokenizer)
    feed = Feed(tokenizer, lambda rng: prompts(task, rng, (2, 7)), lambda each: told(task, fact, each), (), 14, 2)
    batch = next(feed.batches(random.Random(1)))
    parts = cut(batch, 3)
    assert sum(len(each.ids) for each in parts) == len(batch.ids)
    assert sum(each.ids.numel() for each in parts) < 0.9 * batch.ids.numel()
    pieces = [loss_of(model, each) * share for each, share in zip(parts, shares(parts), strict=True)]
    assert torch.allclose(torch.stack(pieces).sum(), loss_of(model, batch), atol=1e-6)
