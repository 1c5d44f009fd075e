"""Forward passes: states at the input of the head, logits, hidden layers, attention."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from m2kt.errors import ModelError, OutOfMemory
from m2kt.memory import ran_out
from m2kt.neural.models import LanguageModel

TOKENS_PER_BATCH = {"cpu": 16_384, "cuda": 262_144}
"""Most tokens in one forward pass."""
SHARE, ACTIVATIONS = 0.5, 32
"""Share of a GPU's free memory that a pass may take, and values of the model's width that it keeps for each token."""

HEAD = -1
"""The layer that means: what reaches the head."""

T = TypeVar("T")


@dataclass(frozen=True)
class States:
    """What a forward pass leaves: B sequences of T tokens, width d, vocabulary V. ``inner`` is the hidden layer that
    was asked for; where only some positions were, P of them, T is P in logits."""

    head_inputs: Tensor  # (B, T, d)
    logits: Tensor  # (B, T, V)
    inner: Tensor  # (B, T, d')


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


def forward(lm: LanguageModel, ids: Tensor, at: Sequence[int] | None = None, layer: int = HEAD) -> States:
    """Run ``ids`` (B, T), all of one length and unpadded.

    With ``at`` the head, which is the larger half of a small model with many tokens, works at those positions only.
    ``layer`` counts hidden layers from 0, the embeddings.
    """
    deep = layer != HEAD
    with head_inputs(lm) as seen, _only(lm, at):
        out = lm.model(input_ids=ids.to(lm.device), use_cache=False, output_hidden_states=deep)
    return States(seen[-1], out.logits, _layer(out.hidden_states, layer) if deep else seen[-1])


@contextmanager
def _only(lm: LanguageModel, at: Sequence[int] | None) -> Iterator[None]:
    """Meanwhile the head sees the positions ``at`` alone. Hooks run in the order of their making: `head_inputs` has
    seen all of them by then."""
    if at is None:
        yield
        return
    places = torch.tensor(list(at), device=lm.device)
    handle = lm.head.register_forward_pre_hook(lambda _, inputs: (inputs[0].index_select(1, places), *inputs[1:]))
    try:
        yield
    finally:
        handle.remove()


def _layer(layers: Sequence[Tensor] | None, number: int) -> Tensor:
    if not layers or not 0 <= number < len(layers):
        raise ModelError(
            f"the model has no hidden layer {number}: there are {len(layers or ())}",
            hint=f"Layers count from 0, the embeddings; {HEAD} is what reaches the head.",
        )
    return layers[number]


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
    most = TOKENS_PER_BATCH.get(lm.device.type, 16_384)
    if lm.budget.tokens is None and lm.device.type == "cuda":
        lm.budget.tokens = _fitting(lm)
    return max(1, min(most, lm.budget.tokens or most) // length)


def _fitting(lm: LanguageModel) -> int:
    """Tokens whose logits and activations fit into the GPU's free memory, by a rough count that errs on the safe side;
    where it does not, `in_batches` takes fewer."""
    free, _ = torch.cuda.mem_get_info(lm.device)
    vocabulary, width = lm.head.weight.shape
    return max(1, int(SHARE * free / (2 * vocabulary * 4 + ACTIVATIONS * width * lm.head.weight.element_size())))


def batched(rows: int, size: int) -> Iterator[slice]:
    """Slices of at most ``size`` that cover ``rows``."""
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def in_batches(
    lm: LanguageModel, rows: int, length: int, run: Callable[[slice], T], each: int = 1
) -> Iterator[tuple[slice, T]]:
    """Run slices that cover ``rows`` sequences of ``length`` tokens; where memory runs out, again with half as many.

    ``each`` is what a sequence weighs, against a plain pass. ``run`` must change nothing before it returns. The model
    remembers the smaller size. `OutOfMemory` when a single sequence is too much.
    """
    start = 0
    while start < rows:
        size = max(1, rows_per_batch(lm, length) // each)
        part, done = slice(start, min(start + size, rows)), None
        try:
            done = (run(part),)
        except (RuntimeError, MemoryError) as error:
            if not ran_out(error):
                raise
            if part.stop - part.start == 1:
                raise _too_much(lm, length) from error
        if done is None:  # outside the handler: the exception no longer holds the tensors that filled the memory
            _shrink(lm, (part.stop - part.start) // 2 * each * length)
            continue
        yield part, done[0]
        start = part.stop


def _shrink(lm: LanguageModel, tokens: int) -> None:
    lm.budget.tokens = tokens
    if lm.device.type == "cuda":
        torch.cuda.empty_cache()


def _too_much(lm: LanguageModel, length: int) -> OutOfMemory:
    return OutOfMemory(
        f"{lm.directory.name} on {lm.device} has no memory for a single sequence of {length} tokens",
        hint="Free the device, take another one, load the model in bfloat16, or ask shorter probes.",
    )
