"""Bidirectional exchange between models (Bi-KD, arXiv 2510.22208): the loss, a peer, and the local form.

A peer teaches what it knows best and learns the rest. Its update needs its own weights, its own samples, and at every
sample the teacher's float32 prediction, whether that came from this process or through a broker: `run_local` moves the
same arrays that a network carries. docs/exchange.md has the method, and how the networked form stands on this one.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from m2kt.errors import ExchangeError, PlanInvalid, PredictionsInvalid, SamplesChanged
from m2kt.exchange import RoundPlan, Task, confidences, draws, mask_shares, masks, probabilities, targets
from m2kt.exchange.masks import Masks, check_predictions
from m2kt.neural.samples import Samples, View

Predictions = NDArray[np.float32]


def exchange_loss(
    logits: Sequence[Tensor],
    labels: Tensor,
    masks: Tensor,
    *,
    tau: float = 1.0,
    task_weight: float = 1.0,
    stop_gradient: bool = True,
) -> Tensor:
    """The loss of K peers together.

    ``L = sum_k L_task(z_k, Y) + sum_{i != j} KL(stopgrad(softmax(z_i / tau)) || softmax(z_j / tau)) . m_i``

    ``logits`` K times (N, C, ...), ``labels`` (N, ...), ``masks`` (K, N, ...) with one teacher each. The task loss is
    cross-entropy; both terms are means over samples (and places). Without ``stop_gradient`` teachers are moved towards
    their students: an ablation, nothing else.
    """
    total = sum((task_weight * F.cross_entropy(each, labels) for each in logits), start=torch.zeros(()))
    for i, teacher in enumerate(logits):
        taught = teacher.detach() if stop_gradient else teacher
        for j, student in enumerate(logits):
            if i != j:
                total = total + (divergence(taught, student, tau) * masks[i]).mean()
    return total


def student_loss(logits: Tensor, labels: Tensor, targets: Tensor, mask: Tensor, tau: float) -> tuple[Tensor, Tensor]:
    """One peer's part of `exchange_loss`, unweighted: task loss and exchange term.

    ``targets`` (N, C, ...) hold each sample's teacher's logits, ``mask`` (N, ...) is true where this peer is that
    teacher. One teacher per sample makes the sum over i one term, so K peers cost O(K), not O(K^2).
    """
    return F.cross_entropy(logits, labels), (divergence(targets.detach(), logits, tau) * ~mask).mean()


def divergence(teacher: Tensor, student: Tensor, tau: float) -> Tensor:
    """``KL(softmax(z_i / tau) || softmax(z_j / tau))`` of logits (N, C, ...), for every sample (place): (N, ...)."""
    theirs, ours = F.log_softmax(teacher / tau, 1), F.log_softmax(student / tau, 1)
    return (theirs.exp() * (theirs - ours)).sum(1)


@dataclass(frozen=True)
class Losses:
    """What a peer's loss was in a round, unweighted means over its samples, before each of its steps."""

    task: float
    exchange: float


class Peer:
    """One model in an exchange: predicts a round's samples, then learns those that others know better.

    The model takes a view's inputs and gives logits (N, C) or (N, C, H, W), or an object with ``logits``. It predicts
    in evaluation mode and learns in training mode; what is random in it (dropout) is seeded from plan, round and name.
    So the same plan leads every copy of this peer, on any host and in any form, the same way. ``schedule`` is stepped
    with the optimiser.
    """

    def __init__(
        self,
        name: str,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        samples: Samples,
        plan: RoundPlan,
        schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
    ) -> None:
        self.name, self.model, self.optimizer, self.samples = name, model, optimizer, samples
        self.plan, self.schedule, self.task = plan, schedule, samples.task
        self._seen: tuple[int, View] | None = None
        plan.batch(0, len(self.task.samples))  # refuses a plan that is too large for the set

    def predict(self, round_number: int) -> Predictions:
        """Logits (N, C, ...) of the round's samples, float32 as they travel; `PredictionsInvalid` unless all finite."""
        view = self._view(round_number)
        self.model.eval()
        with torch.no_grad():
            logits = self._forward(view.inputs).float().cpu().numpy()
        self._check(logits)
        return logits

    def labels(self, round_number: int) -> NDArray[np.int64]:
        """The round's labels, (N,) or (N, H, W)."""
        return self._view(round_number).labels.numpy()

    def confidences(self, round_number: int, logits: Predictions) -> NDArray[np.float32]:
        """``p_k`` of ``logits``, anybody's, on the round's samples: what a holder of labels posts, or checks."""
        return confidences(probabilities(logits), self.labels(round_number))

    def learn(self, round_number: int, targets: Predictions, mask: Masks) -> Losses:
        """Make the round's steps. ``targets`` (N, C, ...) from each sample's teacher, ``mask`` (N, ...) own row of m.

        Rows of ``targets`` that this peer teaches are not read. `PredictionsInvalid` leaves the weights of the last
        good step.
        """
        self._check(targets)
        view, found = self._view(round_number), []
        shape = tuple(view.labels.shape)
        if (targets.shape[0], *targets.shape[2:]) != shape or mask.shape != shape:
            raise PredictionsInvalid(f"targets {targets.shape} and mask {mask.shape} do not fit labels {shape}")
        taught, own = torch.from_numpy(targets), torch.from_numpy(mask)
        self.model.train()
        with _seeded(self.plan.seed, round_number, self.name, next(self.model.parameters()).device):
            for part in self.plan.steps():
                losses = self._step(View(view.inputs[part], view.labels[part]), taught[part], own[part])
                found.append((part.stop - part.start, losses))
        return _mean(found)

    def _step(self, view: View, targets: Tensor, mask: Tensor) -> Losses:
        logits = self._forward(view.inputs)
        device = logits.device
        task, exchange = student_loss(
            logits.float(), view.labels.to(device), targets.to(device), mask.to(device), self.plan.tau
        )
        loss = self.plan.task_weight * task + exchange
        if not torch.isfinite(loss):
            raise PredictionsInvalid(f"the loss of {self.name} is not finite: its weights are those of the step before")
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        if self.schedule:
            self.schedule.step()
        return Losses(float(task.detach()), float(exchange.detach()))

    def _forward(self, inputs: Tensor) -> Tensor:
        device = next(self.model.parameters()).device
        out = self.model(inputs.to(device))
        logits: Tensor = out if isinstance(out, Tensor) else out.logits
        return logits

    def _view(self, round_number: int) -> View:
        """The round's samples; made once a round, because augmentation may cost more than the model."""
        if self._seen is None or self._seen[0] != round_number:
            self._seen = round_number, self._fresh(round_number)
        return self._seen[1]

    def _fresh(self, round_number: int) -> View:
        now = self.samples.task
        if now is not self.task and now.digest != self.task.digest:
            raise SamplesChanged(f"the sample set of {self.name} is not the one that the exchange began with")
        return self.samples.view(self.plan.batch(round_number, len(self.task.samples)), self.plan.seed, round_number)

    def _check(self, logits: Predictions) -> None:
        try:
            check_predictions(logits, len(self.task.classes))
        except PredictionsInvalid as error:
            raise PredictionsInvalid(f"{self.name}: {error.detail}") from error


@dataclass(frozen=True)
class Round:
    """What happened in one round; rows are peers ordered by name."""

    number: int
    confidences: NDArray[np.float32]  # (K, N, ...)
    masks: Masks  # (K, N, ...)
    losses: tuple[Losses, ...]

    @property
    def shares(self) -> NDArray[np.float64]:
        """Which share each peer taught, (K,)."""
        return mask_shares(self.masks)


def run_local(
    peers: Sequence[Peer], plan: RoundPlan, on_round: Callable[[Round], None] = lambda _: None
) -> list[Round]:
    """The exchange between models in this process, all rounds of ``plan``.

    One peer alone teaches every sample to nobody: continued training with the same batches, views and steps. That is
    the baseline of every claim about gains.
    """
    ordered = sorted(peers, key=lambda peer: peer.name)
    check_peers(ordered, plan)
    rounds = []
    for number in range(plan.rounds):
        rounds.append(_round(ordered, number))
        on_round(rounds[-1])
    return rounds


def check_peers(peers: Sequence[Peer], plan: RoundPlan) -> Task:
    """The task that all share; `ExchangeError` and its kin say which peer differs in what."""
    if not peers:
        raise ExchangeError("an exchange needs peers")
    names = [peer.name for peer in peers]
    if len(set(names)) < len(names):
        raise ExchangeError(f"peers need different names, these are {', '.join(names)}")
    for peer in peers:
        peers[0].task.check(peer.task, peer.name)
        if peer.plan != plan:
            raise PlanInvalid(f"{peer.name} follows another round plan")
    return peers[0].task


def _round(peers: Sequence[Peer], number: int) -> Round:
    logits = [peer.predict(number) for peer in peers]
    known = np.stack([peer.confidences(number, each) for peer, each in zip(peers, logits, strict=True)])
    roles = masks(known)
    taught = targets(logits, roles)
    losses = [peer.learn(number, taught, mask) for peer, mask in zip(peers, roles, strict=True)]
    return Round(number, known, roles, tuple(losses))


def _mean(found: Sequence[tuple[int, Losses]]) -> Losses:
    count = sum(samples for samples, _ in found)
    return Losses(
        sum(samples * each.task for samples, each in found) / count,
        sum(samples * each.exchange for samples, each in found) / count,
    )


@contextmanager
def _seeded(seed: int, round_number: int, name: str, device: torch.device) -> Iterator[None]:
    """Torch's generators, seeded for one peer's round and put back afterwards."""
    peer = int.from_bytes(sha256(name.encode()).digest()[:8])
    word = int(draws.words(seed, draws.Purpose.MODEL, round_number, peer)[0])
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(word % 2**63)
        yield
