"""The linear CAL in closed form: concepts of the teacher as vectors of the student, through shared symbols (eq. 11-12).

A concept's mean logits on the anchors are ``W_T c``. Its image is the student's vector whose logits on the same symbols
come closest: ``v = argmin || W_S v - center(W_T c) ||^2 + lambda ||v||^2``, ridge regression with one solution.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from m2kt.errors import AlignmentRefused
from m2kt.neural.models import LanguageModel
from m2kt.packet.controls import decoded
from m2kt.packet.knowledge import Knowledge
from student_agent.cal import Cal, Form, Task, fit
from student_agent.losses import Lambdas, l_align, penalised_mass
from student_agent.safety import NO_LIMIT, penalty_of
from student_agent.spelling import Variant
from student_agent.vocabulary import Vocabulary

RIDGE = 1e-3
"""Lambda, as a share of the mean eigenvalue of W_S^T W_S."""
LEAST_AGREEMENT = 0.9
"""Least share of concepts that must keep their symbol on the way."""
SAFE_MASS = 0.05
"""Most that a concept in C_safe (eq. 17) may cost: its probability of each symbol, weighed by the symbol's penalty."""


@dataclass(frozen=True)
class Anchors:
    """The shared symbols, A of them, as the student reads them."""

    strings: tuple[int, ...]
    spellings: tuple[tuple[Variant, ...], ...]  # the student's spellings of each, the commonest first
    rows: tuple[int, ...]  # their rows among the packet's anchors

    @property
    def pieces(self) -> int:
        """Most tokens of one spelling."""
        return max(len(variant) for variants in self.spellings for variant in variants)


@dataclass(frozen=True)
class Projection:
    """Concepts in the student's space, with how well they fit."""

    anchors: Anchors
    values: Tensor  # (K, d_S)
    answers: np.ndarray[tuple[int], np.dtype[np.int64]]  # (K,) symbol string that each value decodes to
    agreement: float  # share of concepts that decode to the same symbol on both sides
    residual: float  # || W_S v - W_T c || / || W_T c ||
    l_align: float  # eq. 12, on the shared symbols' logits
    task: Task
    map: nn.Module | None = None  # the map behind the values, where it is trained on; None where it is in closed form

    @property
    def trained_parameters(self) -> int:
        """Scalars of the map that alignment trains."""
        return sum(each.numel() for each in self.map.parameters()) if self.map else 0


def share_anchors(knowledge: Knowledge, vocabulary: Vocabulary) -> Anchors:
    """The anchors that the student has tokens for; `AlignmentRefused` when fewer than two."""
    shared = [
        (string, tuple(variant for variant, _ in vocabulary.decided[string].most_common()), row)
        for row, string in enumerate(knowledge.anchor_strings.tolist())
        if string in vocabulary.decided
    ]
    if len(shared) < 2:
        raise AlignmentRefused(
            f"packet and student share {len(shared)} of {len(knowledge.anchors)} symbols; at least 2 are needed",
            hint="The two tokenizers have too little in common for this packet.",
        )
    strings, spellings, rows = zip(*shared, strict=True)
    return Anchors(strings, spellings, rows)


def keep_shared(knowledge: Knowledge, anchors: Anchors) -> Knowledge:
    """Without the concepts whose symbol the student cannot write: they would decode to the next best one, falsely."""
    best = np.array(decoded(knowledge))
    kept = np.isin(best, anchors.rows)
    if not kept.any():
        raise AlignmentRefused("the student can write the symbol of none of the packet's concepts")
    return only(knowledge, kept)


def only(knowledge: Knowledge, kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Knowledge:
    """The concepts that are marked in ``kept`` (K,)."""
    if kept.all():
        return knowledge
    names = ("centroids", "dispersion", "support", "groundings", "classes")
    numbers = np.arange(len(kept)) if knowledge.numbers is None else knowledge.numbers
    return replace(knowledge, numbers=numbers[kept], **{name: getattr(knowledge, name)[kept] for name in names})


def keep_safe(knowledge: Knowledge, anchors: Anchors, deny: Sequence[str], harm: float = NO_LIMIT) -> Knowledge:
    """Without the concepts that are not in C_safe (eq. 17): those that say a symbol which the student denies, or which
    the classifier of harmful texts scores over ``harm``."""
    penalty = penalty_of([knowledge.symbols[each] for each in anchors.strings], deny, harm)
    if not penalty.any():
        return knowledge
    rows = list(anchors.rows)
    logits = knowledge.centroids.astype(np.float64) @ knowledge.anchors[rows].astype(np.float64).T
    read = torch.from_numpy(logits + knowledge.anchor_bias[rows])
    kept = (penalised_mass(read, penalty) <= SAFE_MASS).numpy()
    if not kept.any():
        costly = [knowledge.symbols[each] for each, cost in zip(anchors.strings, penalty.tolist(), strict=True) if cost]
        raise AlignmentRefused(
            f"every concept of the packet says a symbol that is denied here ({', '.join(map(repr, costly))})",
            hint="Refuse the packet, or deny less (deny, harm).",
        )
    return only(knowledge, kept)


def require_safe(projection: Projection, values: Tensor) -> None:
    """Eq. 17 once more, of what was trained (K, d_S): `AlignmentRefused` when a concept drifted to a denied symbol."""
    mass = penalised_mass(projection.task.read(values.cpu()), projection.task.penalty)
    if float(mass.max()) > SAFE_MASS:
        raise AlignmentRefused(
            f"after training a concept gives {float(mass.max()):.2f} of its probability to denied symbols",
            hint="Raise lambdas.safe, or take the linear CAL, which does not drift.",
        )


def project(
    lm: LanguageModel,
    knowledge: Knowledge,
    anchors: Anchors,
    cal: Cal | None = None,
    lambdas: Lambdas | None = None,
    deny: Sequence[str] = (),
    harm: float = NO_LIMIT,
) -> Projection:
    """Map every concept; `AlignmentRefused` when too many lose their symbol in the student's width."""
    cal, lambdas = cal or Cal(), lambdas or Lambdas()
    rows = list(anchors.rows)
    teacher = torch.from_numpy(knowledge.anchors[rows].astype(np.float64))
    bias = torch.from_numpy(knowledge.anchor_bias[rows].astype(np.float64))
    target = _centered(torch.from_numpy(knowledge.centroids.astype(np.float64)) @ teacher.T + bias)  # (K, A)
    weight, own_bias = head_rows(lm, [variants[0] for variants in anchors.spellings])
    task = Task(
        concepts=torch.from_numpy(knowledge.centroids.astype(np.float32)),
        anchors=teacher.float(),
        target=target.float(),
        weight=weight.float(),
        bias=own_bias.float(),
        penalty=penalty_of([knowledge.symbols[each] for each in anchors.strings], deny, harm),
    )
    made = None if cal.form == Form.LINEAR else fit(task, cal, lambdas)
    fitted = made is None or lambdas.align > 0  # without eq. 12 (an ablation) the packet's own symbols say the answers
    if made is None:
        values = ridge(_centered(weight.T).T, target - _centered(own_bias[None]))
    else:
        values = made(task.concepts).detach().double()
    read = _centered(values @ weight.T + own_bias)
    agreement = float((read.argmax(1) == target.argmax(1)).double().mean())
    if fitted and agreement < LEAST_AGREEMENT:
        raise AlignmentRefused(
            f"only {agreement:.2f} of the concepts keep their symbol in the student's {weight.shape[1]} dimensions "
            f"({len(rows)} symbols compete; at least {LEAST_AGREEMENT} must)",
            hint="Take a wider student, a packet with fewer symbols, or another form of the CAL.",
        )
    answers = np.array(anchors.strings)[(read if fitted else target).argmax(1).numpy()]
    residual = float((read - target).norm() / target.norm())
    return Projection(anchors, values.float(), answers, agreement, residual, float(l_align(read, target)), task, made)


def head_rows(lm: LanguageModel, spellings: Sequence[Variant]) -> tuple[Tensor, Tensor]:
    """The student's unembedding rows (A, d_S) and biases (A,), in float64 on the CPU; of several tokens the mean."""
    head = lm.head
    biases = head.bias if head.bias is not None else torch.zeros(len(head.weight))
    weight = torch.stack([head.weight[list(variant)].double().mean(0).cpu() for variant in spellings])
    return weight, torch.stack([biases[list(variant)].double().mean().cpu() for variant in spellings])


def ridge(weight: Tensor, target: Tensor) -> Tensor:
    """Rows v (K, d) that minimise ``||weight v - target||^2 + lambda ||v||^2``; weight (A, d), target (K, A)."""
    gram = weight.T @ weight
    lam = RIDGE * gram.diagonal().mean()
    solution: Tensor = torch.linalg.solve(gram + lam * torch.eye(len(gram), dtype=gram.dtype), weight.T @ target.T)
    return solution.T


def _centered(rows: Tensor) -> Tensor:
    """Rows minus their mean: a softmax does not see a common offset, so neither should the fit."""
    return rows - rows.mean(-1, keepdim=True)
