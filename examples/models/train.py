"""The two architectures and the loop that trains them."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from examples.models.batches import IGNORED, Batch, Feed


@dataclass(frozen=True)
class Recipe:
    """How long and how fast; the rate warms up, then falls to nothing along a cosine."""

    steps: int
    rate: float
    seed: int
    decay: float = 0.01
    warmup: int = 100
    parts: int = 1  # that a batch is cut into by length, so that short texts are not padded to the longest


def llama(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """The teacher: three layers of width 128, input and output embeddings apart."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=128,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def gpt2(tokenizer: PreTrainedTokenizerFast) -> GPT2LMHeadModel:
    """The student: two layers of width 64, input and output embeddings shared."""
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=128,
        n_embd=64,
        n_layer=2,
        n_head=4,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return GPT2LMHeadModel(config)


def loss_of(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy in nats of the labelled tokens, each predicted from those before it."""
    # Right padding under a causal mask reaches no labelled position: no attention mask needed.
    logits = model(input_ids=batch.ids, use_cache=False).logits  # (B, T, V)
    return cross_entropy(logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten(), ignore_index=IGNORED)


def cut(batch: Batch, parts: int) -> list[Batch]:
    """Parts of texts of like lengths, padded no further than to the longest in each."""
    # The end mark of every text is labelled, so the last label tells its length.
    lengths = ((batch.labels != IGNORED) * torch.arange(1, batch.labels.shape[1] + 1)).amax(1)
    rows = [each for each in lengths.argsort(stable=True).tensor_split(parts) if len(each)]
    ends = [int(lengths[each].max()) for each in rows]
    return [Batch(batch.ids[each, :end], batch.labels[each, :end]) for each, end in zip(rows, ends, strict=True)]


def shares(batches: Sequence[Batch]) -> torch.Tensor:
    """The share of all labels that are asked in each part."""
    asked = torch.stack([(each.labels[:, 1:] != IGNORED).sum() for each in batches])
    return asked / asked.sum()


def fit(model: PreTrainedModel, feed: Feed, recipe: Recipe) -> float:
    """Train in place; give the seconds it took."""
    started = time.monotonic()
    optimizer = torch.optim.AdamW(model.parameters(), recipe.rate, betas=(0.9, 0.98), weight_decay=recipe.decay)
    plan = torch.optim.lr_scheduler.SequentialLR(
        optimizer,
        [
            torch.optim.lr_scheduler.LinearLR(optimizer, 0.01, total_iters=recipe.warmup),
            torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps - recipe.warmup),
        ],
        milestones=[recipe.warmup],
    )
    batches = feed.batches(random.Random(f"batches {recipe.seed}"))
    model.train()
    for step in range(1, recipe.steps + 1):
        optimizer.zero_grad(set_to_none=True)
        loss = _backward(model, next(batches), recipe.parts)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        plan.step()
        if step % 250 == 0:
            print(f"  step {step}/{recipe.steps}: loss {loss:.4f}", flush=True)
    model.train(False)
    return time.monotonic() - started


def _backward(model: PreTrainedModel, batch: Batch, parts: int) -> float:
    """Gradients of one batch, whole or in parts; its loss."""
    if parts == 1:
        whole = loss_of(model, batch)
        torch.autograd.backward(whole)
        return float(whole.detach())
    each = cut(batch, parts)
    losses = [loss_of(model, part) * share for part, share in zip(each, shares(each), strict=True)]
    for loss in losses:
        torch.autograd.backward(loss)
    return sum(float(loss.detach()) for loss in losses)
