"""The choice among the three extraction operators."""

import torch

from m2kt.neural.forward import HEAD, forward
from m2kt.neural.models import LanguageModel
from teacher_agent.bottleneck import Bottleneck
from teacher_agent.clustering import Clustering
from teacher_agent.concepts import Collector, Sums
from teacher_agent.settings import Operator, Settings


def operator_of(lm: LanguageModel, settings: Settings) -> Collector:
    """The operator that ``settings`` name, made for this teacher; `ModelError` for a layer that it does not have."""
    width, inner = int(lm.head.weight.shape[1]), _inner_width(lm, settings.layer)
    if settings.operator == Operator.CLUSTERING:
        return Clustering(width, inner, settings.layer, settings.clusters, settings.seed)
    if settings.operator == Operator.BOTTLENECK:
        return Bottleneck(width, inner, settings.layer, settings.atoms, settings.active, settings.seed)
    return Sums(width)


@torch.inference_mode()
def _inner_width(lm: LanguageModel, layer: int) -> int:
    if layer == HEAD:
        return int(lm.head.weight.shape[1])
    return int(forward(lm, torch.zeros(1, 1, dtype=torch.long), layer=layer).inner.shape[-1])
