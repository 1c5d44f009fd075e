"""Terms of the composite loss of eq. 19, in the paper's symbols. All functions are pure and give scalars."""

from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from m2kt.errors import UsageError


@dataclass(frozen=True)
class Lambdas:
    """Weights of ``L = l1 L_align + l2 L_struct + l3 L_reason + l4 L_safe`` (eq. 19); 0 leaves a term out.

    The linear CAL minimises L_align in closed form before training, so there its weight changes nothing.
    """

    align: float = 1.0
    struct: float = 1.0
    reason: float = 1.0
    safe: float = 1.0


def lambdas_of(given: dict[str, Any]) -> Lambdas:
    """The weights with what was given; `UsageError` for what is none."""
    known = [each.name for each in fields(Lambdas)]
    for name, value in given.items():
        if name not in known or isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**20:
            raise UsageError(f"lambdas: {name}={value!r} is not one of {', '.join(known)}, as a number of at least 0")
    return Lambdas(**given)


def l_align(read: Tensor, target: Tensor) -> Tensor:
    """Eq. 12, ``mean_i || g(c_i^T) - c_i^S ||^2``, on the shared symbols' logits (K, A), where both spaces meet.

    What the student would have for a concept is nothing that it could be asked for; which logits it should give is.
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


def l_safe(read: Tensor, penalty: Tensor) -> Tensor:
    """Eq. 18, ``sum_i Penalty(g(c_i))``: what a concept's logits on the shared symbols, ``read`` (K, A), give to each
    of them, weighed by what it costs, ``penalty`` (A,) in [0, 1] (safety.py). It is 0 where nothing costs anything."""
    return penalised_mass(read, penalty).sum()


def penalised_mass(read: Tensor, penalty: Tensor) -> Tensor:
    """What each concept's penalty is, (K,); eq. 17's set C_safe are those with (next to) none."""
    return (read.softmax(-1) * penalty.to(read.dtype)).sum(-1)
