"""One seed of an experiment: peers pretrained apart, then each arm from the same weights with the same steps."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bench.bikd.augment import Affine
from bench.bikd.images import Images
from bench.bikd.pretrain import pretrain
from bench.bikd.students import Student
from m2kt.exchange import RoundPlan, confidences, masks, probabilities
from m2kt.neural.exchange import Peer, Round, exchange_loss, run_local
from m2kt.neural.samples import ArraySamples, Indices, View


@dataclass(frozen=True)
class Setting:
    """What is compared.

    Peer i is pretrained for ``pretraining[i]`` steps on ``own[i]`` images: images that no other peer has (``apart``),
    or a random part of the shared set. Then ``rounds`` rounds of ``batch`` shared samples, one step each.
    """

    images: str
    designs: tuple[str, ...]
    shared: int
    own: tuple[int, ...]
    pretraining: tuple[int, ...]
    rounds: int
    rate: float
    batch: int = 32
    apart: bool = True
    augment: Affine | None = None


def names(setting: Setting) -> list[str]:
    """Peers' names; their order is the order of masks."""
    return [f"{place}-{design}" for place, design in enumerate(setting.designs)]


def plan_of(setting: Setting, seed: int, task_weight: float = 1.0) -> RoundPlan:
    return RoundPlan(seed, setting.rounds, setting.batch, task_weight=task_weight)


class Remembered(ArraySamples):
    """A set that keeps all its views: every arm asks for the same ones, and making them costs as much as a model."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._views: dict[tuple[int, int], View] = {}

    def view(self, indices: Indices, seed: int, round_number: int) -> View:
        if (seed, round_number) not in self._views:
            self._views[seed, round_number] = super().view(indices, seed, round_number)
        return self._views[seed, round_number]


def samples_of(setting: Setting, shared: Images, classes: tuple[str, ...]) -> ArraySamples:
    draws = setting.augment.draws if setting.augment else 0
    return Remembered(setting.images, classes, shared.inputs, shared.labels, augment=setting.augment, draws=draws)


def peers_of(setting: Setting, students: dict[str, Student], samples: ArraySamples, plan: RoundPlan) -> list[Peer]:
    """Peers with copies of ``students`` and fresh optimisers, so that every arm starts from the same."""
    return [_peer(setting, name, deepcopy(student), samples, plan) for name, student in students.items()]


def _peer(setting: Setting, name: str, model: Student, samples: ArraySamples, plan: RoundPlan) -> Peer:
    optimizer = torch.optim.AdamW(model.parameters(), setting.rate, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, plan.rounds, setting.rate / 30)
    return Peer(name, model, optimizer, samples, plan, schedule)


def students_of(setting: Setting, own: list[Images], seed: int, classes: int) -> dict[str, Student]:
    """Each design pretrained on its own images with its own recipe."""
    return {
        name: pretrain(
            setting.designs[place],
            own[place],
            setting.augment,
            steps=setting.pretraining[place],
            batch=setting.batch,
            seed=1000 * seed + place,
            classes=classes,
        )
        for place, name in enumerate(names(setting))
    }


def accuracy(student: torch.nn.Module, images: Images) -> float:
    """Share of right decisions (of pixels, for dense tasks) on bare images."""
    student.eval()
    with torch.no_grad():
        return float((student(images.inputs).argmax(1) == images.labels).float().mean())


def alone(peers: list[Peer], plan: RoundPlan) -> list[Round]:
    """Continued training of each by itself, with the same batches, views and steps: the baseline."""
    for peer in peers:
        run_local([peer], plan)
    return []


def joint(peers: list[Peer], plan: RoundPlan, stop_gradient: bool) -> list[Round]:
    """All peers by one backward pass of the paper's loss; only so can a gradient reach a teacher at all."""
    for number in range(plan.rounds):
        view = peers[0].samples.view(plan.batch(number, len(peers[0].task.samples)), plan.seed, number)
        logits = [peer.model(view.inputs) for peer in peers]
        known = [confidences(probabilities(each.detach().numpy()), view.labels.numpy()) for each in logits]
        roles = torch.from_numpy(masks(np.stack(known)))
        loss = exchange_loss(logits, view.labels, roles, tau=plan.tau, stop_gradient=stop_gradient)
        for peer in peers:
            peer.optimizer.zero_grad()
        torch.autograd.backward(loss)
        for peer in peers:
            peer.optimizer.step()
            assert peer.schedule is not None
            peer.schedule.step()
    return []


def shares(rounds: list[Round]) -> list[float]:
    """Which share of all samples each peer taught."""
    return [round(float(each), 4) for each in np.mean([each.shares for each in rounds], axis=0)]


def deciles(rounds: list[Round]) -> list[list[float]]:
    """Deciles 1, 5 and 9 of every peer's confidence over all rounds."""
    found = np.concatenate([each.confidences.reshape(len(each.confidences), -1) for each in rounds], axis=1)
    return [[round(float(each), 4) for each in np.quantile(row, (0.1, 0.5, 0.9))] for row in found]
