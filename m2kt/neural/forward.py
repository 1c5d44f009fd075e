"""Forward passes: states at the input of the head, logits, hidden layers, attention."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from m2kt.neural.models import LanguageModel

TOKENS_PER_BATCH = {"cpu": 16_384, "cuda": 262_144}
"""Tokens in one forward pass."""


@dataclass(frozen=True)
class States:
    """What a forward pass leaves: B sequences of T tokens, width d, vocabulary V."""

    head_inputs: Tensor  # (B, T, d)
    logits: Tensor  # (B, T, V)


@contextmanager
def head_inputs(lm: LanguageModel) -> Iterator[list[Tensor]]:
    """Collect what reaches the head during forward passes: the states whose product with W_T are the logits.

    A hook, because models differ in what they do between the last layer and the head (norms, projections).
    """
    seen: list[Tensor] = []
    handle = lm.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
        handle.remove()


def forward(lm: LanguageModel, ids: Tensor) -> States:
    """Run ``ids`` (B, T), all of one length and unpadded."""
    with head_inputs(lm) as seen:
        out = lm.model(input_ids=ids.to(lm.device), use_cache=False)
    return States(seen[-1], out.logits)


def layer_states(lm: LanguageModel, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Hidden states of every layer side by side, each scaled to unit root mean square, and the logits.

    Returns (B, T, n * d) and (B, T, V). Scaling lets one linear map read layers of different magnitudes.
    """
    out = lm.model(input_ids=ids.to(lm.device), output_hidden_states=True, use_cache=False)
    layers = [each.float() for each in out.hidden_states]
    scaled = [each * torch.rsqrt(each.pow(2).mean(-1, keepdim=True) + 1e-6) for each in layers]
    return torch.cat(scaled, -1), out.logits.float()


def attention_maps(lm: LanguageModel, ids: Tensor) -> Tensor | None:
    """Attention averaged over heads and over the upper half of the layers, (B, T, T); None without attention."""
    before = getattr(lm.model.config, "_attn_implementation", None)
    try:
        lm.model.set_attn_implementation("eager")  # the fused kernels keep no weights
        out: Any = lm.model(input_ids=ids.to(lm.device), output_attentions=True, use_cache=False)
    except (AttributeError, ValueError, TypeError):
        return None  # state-space and recurrent models know no such option
    finally:
        if before:
            lm.model.set_attn_implementation(before)
    maps = [each for each in (getattr(out, "attentions", None) or ()) if each is not None]
    if not maps:
        return None
    return torch.stack([each.float().mean(1) for each in maps[len(maps) // 2 :]]).mean(0)


def rows_per_batch(lm: LanguageModel, length: int) -> int:
    """How many sequences of ``length`` tokens one forward pass takes on this device."""
    return max(1, TOKENS_PER_BATCH.get(lm.device.type, 16_384) // length)


def batched(rows: int, size: int) -> Iterator[slice]:
    """Slices of at most ``size`` that cover ``rows``."""
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))
