"""Terms of the composite loss of eq. 19, in the paper's symbols. All functions are pure and give scalars."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention


@dataclass(frozen=True)
class Lambdas:
    """Weights of ``L = l2 L_struct + l3 L_reason``.

    L_align (eq. 12) is minimised in closed form before training and L_safe (eq. 18) is not built yet, so neither has a
    weight here.
    """

    struct: float = 1.0
    reason: float = 1.0


def l_align(read: Tensor, target: Tensor) -> Tensor:
    """Eq. 12, ``mean_i || g(c_i^T) - c_i^S ||^2``, on the shared symbols' logits (K, A), where both spaces meet.

    The linear CAL minimises it in closed form, so it has no gradient in the memory's parameters.
    """
    return (read - target).pow(2).mean()


def l_struct(pointers: Tensor, evidence: Tensor) -> Tensor:
    """Eq. 13, ``mean_i || A_i^T - A_i^S ||^2``: student's pointers against teacher's role evidence, (N, T)."""
    return (pointers - evidence).pow(2).sum(-1).mean()


def l_reason(class_logits: Tensor, classes: Tensor, pointers: Tensor, roles: Tensor, log_probs: Tensor) -> Tensor:
    """Eq. 16, ``sum_t CE(s_t^T, s_t^S)``; a trace state is which decision is due, where its roles are, what is decided.

    ``class_logits`` (M, C + 1) with ``classes`` (M,) over all positions; ``pointers`` (N, T) with ``roles`` (N,) over
    used role slots; ``log_probs`` of the decided tokens.
    """
    which = F.cross_entropy(class_logits, classes)
    where = F.nll_loss((pointers + 1e-9).log(), roles)
    return which + where - log_probs.mean()
