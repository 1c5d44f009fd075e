"""The Concept Alignment Layer ``g_phi: R^{d_T} -> R^{d_S}`` in the paper's forms (section IV-C, eq. 7-8).

*Linear* has a closed form (projection.py). The others are modules that are fitted to eq. 12 first and trained on with
the whole objective (eq. 19) afterwards: *low-rank*, an adapter of two thin matrices; *mlp*, one hidden layer;
*attention*, where every concept attends over the symbols that both models know and takes up the student's rows of them.
Whatever the form, what it gives are the values of the concept memory, whose pointers find them (memory.py).
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from m2kt.errors import UsageError
from student_agent.losses import Lambdas, l_align, l_safe


class Form(StrEnum):
    """Forms of the map."""

    LINEAR = "linear"
    LOW_RANK = "low-rank"
    MLP = "mlp"
    ATTENTION = "attention"


@dataclass(frozen=True)
class Cal:
    """Which form, and its sizes: ``rank`` of low-rank, ``hidden`` units of mlp, ``key`` width of attention."""

    form: Form = Form.LINEAR
    rank: int = 16
    hidden: int = 128
    key: int = 32
    fit_steps: int = 400
    fit_rate: float = 1e-2


@dataclass(frozen=True)
class Task:
    """What a map is fitted to: K concepts (K, d_T), whose centred logits on the A shared symbols are ``target`` (K, A);
    the student reads values through ``weight`` (A, d_S) and ``bias`` (A,). ``anchors`` (A, d_T) are the teacher's rows,
    ``penalty`` (A,) in [0, 1] is what each symbol costs: 1 where it must not be taught at all."""

    concepts: Tensor
    anchors: Tensor
    target: Tensor
    weight: Tensor
    bias: Tensor
    penalty: Tensor

    def read(self, values: Tensor) -> Tensor:
        """Logits of ``values`` (K, d_S) through the student's head, (K, A)."""
        return F.linear(values, self.weight, self.bias)

    def loss(self, values: Tensor, lambdas: Lambdas) -> Tensor:
        """``lambda_1 L_align + lambda_4 L_safe`` (eq. 12, 18): the terms of eq. 19 that depend on the map alone."""
        read = self.read(values)
        align = l_align(read - read.mean(-1, keepdim=True), self.target)
        return lambdas.align * align + lambdas.safe * l_safe(read, self.penalty)


class LowRank(nn.Module):
    """``U V c + m``."""

    def __init__(self, task: Task, cal: Cal) -> None:
        super().__init__()
        width, out = task.concepts.shape[1], task.weight.shape[1]
        self.norm = _Standard(task.concepts)
        self.through = nn.Sequential(nn.Linear(width, cal.rank, bias=False), nn.Linear(cal.rank, out))

    def forward(self, concepts: Tensor) -> Tensor:
        """(K, d_T) to (K, d_S)."""
        values: Tensor = self.through(self.norm(concepts))
        return values


class Mlp(nn.Module):
    """One hidden layer."""

    def __init__(self, task: Task, cal: Cal) -> None:
        super().__init__()
        width, out = task.concepts.shape[1], task.weight.shape[1]
        self.norm = _Standard(task.concepts)
        self.through = nn.Sequential(nn.Linear(width, cal.hidden), nn.GELU(), nn.Linear(cal.hidden, out))

    def forward(self, concepts: Tensor) -> Tensor:
        """(K, d_T) to (K, d_S)."""
        values: Tensor = self.through(self.norm(concepts))
        return values


class Attending(nn.Module):
    """``scale * sum_a softmax_a(q(c) . k(w_T,a)) w_S,a``: the student's own rows of the symbols that it is near."""

    anchors: Tensor
    rows: Tensor

    def __init__(self, task: Task, cal: Cal) -> None:
        super().__init__()
        self.norm = _Standard(task.concepts)
        self.query = nn.Linear(task.concepts.shape[1], cal.key)
        self.key = nn.Linear(task.anchors.shape[1], cal.key)
        self.scale = nn.Parameter(task.target.std() / (task.weight @ task.weight.T).std())
        self.register_buffer("anchors", _Standard(task.anchors)(task.anchors))
        self.register_buffer("rows", task.weight)

    def forward(self, concepts: Tensor) -> Tensor:
        """(K, d_T) to (K, d_S)."""
        attention = (self.query(self.norm(concepts)) @ self.key(self.anchors).T).softmax(-1)  # (K, A)
        values: Tensor = self.scale * attention @ self.rows
        return values


class _Standard(nn.Module):
    """Rows with mean 0 and a spread of 1, as the given ones have it."""

    mean: Tensor
    scale: Tensor

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", rows.mean(0))
        self.register_buffer("scale", (rows - rows.mean(0)).pow(2).mean().sqrt().clamp(min=1e-6))

    def forward(self, rows: Tensor) -> Tensor:
        return (rows - self.mean) / self.scale


MAPS: dict[Form, type[nn.Module]] = {Form.LOW_RANK: LowRank, Form.MLP: Mlp, Form.ATTENTION: Attending}


def fit(task: Task, cal: Cal, lambdas: Lambdas) -> nn.Module:
    """A map of the form ``cal.form``, fitted to eq. 12 (and 18); its first weights come from torch's own generator."""
    made = MAPS[cal.form](task, cal)
    optimiser = torch.optim.Adam(made.parameters(), cal.fit_rate)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, cal.fit_steps)
    for _ in range(cal.fit_steps):
        loss = task.loss(made(task.concepts), lambdas)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        decay.step()
    return made


def cal_of(given: dict[str, Any]) -> Cal:
    """The layer with what was given; `UsageError` for what it does not have."""
    kinds = {each.name: type(each.default) for each in fields(Cal)}
    for name, value in given.items():
        if name == "form" and value in list(Form):
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 2**20
        if name not in kinds or name == "form" or not number or (kinds[name] is int and not isinstance(value, int)):
            forms = ", ".join(Form)
            raise UsageError(
                f"cal: {name}={value!r} is not one of {', '.join(kinds)} (form: {forms}; positive numbers)"
            )
    return Cal(**{**given, "form": Form(given.get("form", Form.LINEAR))})
