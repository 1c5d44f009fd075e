"""Saliency and attention of decisions, by element: the correlational half of A, beside the causal one (roles.py)."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from m2kt.neural.forward import attention_maps
from m2kt.neural.models import LanguageModel
from teacher_agent.shapes import Shape

CHAINS = 12
"""Chains per shape; means over a dozen are steady enough for a map that only illustrates."""


def gradient_map(lm: LanguageModel, shape: Shape) -> NDArray[np.float64]:
    """Mean |gradient x input| of the decided token's logit by element, rows sum to 1, (D, L)."""
    tokens = torch.from_numpy(shape.tokens[:CHAINS]).to(lm.device)
    embedded = lm.model.get_input_embeddings()(tokens).detach().requires_grad_(True)
    logits = lm.model(inputs_embeds=embedded, use_cache=False).logits
    rows = []
    for position in shape.decisions:
        top = logits[:, int(shape.places[position]) - 1].max(-1).values.sum()
        (gradient,) = torch.autograd.grad(top, embedded, retain_graph=True)
        rows.append(_by_element((gradient * embedded).sum(-1).abs().mean(0).detach(), shape.places))
    return _normalised(rows)


@torch.inference_mode()
def attention_map(lm: LanguageModel, shape: Shape) -> NDArray[np.float64] | None:
    """Mean attention from the deciding position to each element, (D, L); None for a model without attention."""
    maps = attention_maps(lm, torch.from_numpy(shape.tokens[:CHAINS]))
    if maps is None:
        return None
    mean = maps.mean(0)  # (T, T)
    rows = [_by_element(mean[int(shape.places[p]) - 1], shape.places) for p in shape.decisions]
    return _normalised(rows)


def _by_element(by_token: Tensor, places: NDArray[np.int64]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = by_token.float().cpu().double().numpy()[places]
    return values


def _normalised(rows: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    table = np.stack(rows)
    normalised: NDArray[np.float64] = table / np.maximum(table.sum(1, keepdims=True), 1e-12)
    return normalised
