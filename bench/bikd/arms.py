"""One seed of an experiment: peers pretrained apart, then each arm from the same weights with the same steps."""

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from bench.bikd.augment import Affine
from bench.bikd.images import Images
from bench.bikd.pretrain import pretrain
from bench.bikd.students import Student
from m2kt.exchange import RoundPlan
from m2kt.neural.exchange import Peer, Round, run_local
from m2kt.neural.samples import ArraySamples

Accuracies = dict[str, float]


@dataclass(frozen=True)
class Setting:
    """What is compared. ``own`` images each peer is pretrained on; ``apart`` says whether nobody else sees them, or
    they are a part of the shared set."""

    images: str
    designs: tuple[str, ...]
    shared: int
    own: tuple[int, ...]
    pretraining: tuple[int, ...]
    rounds: int
    rate: float
    batch: int = 32
    apart: bool = True
    augment: Affine | None = Affine()


def names(setting: Setting) -> list[str]:
    """Peers' names; their order is the order of masks."""
    return [f"{place}-{design}" for place, design in enumerate(setting.designs)]


def plan_of(setting: Setting, seed: int, task_weight: float = 1.0) -> RoundPlan:
    return RoundPlan(seed, setting.rounds, setting.batch, task_weight=task_weight)


def samples_of(setting: Setting, shared: Images, classes: tuple[str, ...]) -> ArraySamples:
    draws = setting.augment.draws if setting.augment else 0
    return ArraySamples(setting.images, classes, shared.inputs, shared.labels, augment=setting.augment, draws=draws)


def peers_of(setting: Setting, students: dict[str, Student], samples: ArraySamples, plan: RoundPlan) -> list[Peer]:
    """Fresh peers from copies of ``students``, so that every arm starts from the same weights."""
    peers = []
    for name, student in students.items():
        model = deepcopy(student)
        optimizer = torch.optim.AdamW(model.parameters(), setting.rate, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, plan.rounds, setting.rate / 30)
        peers.append(Peer(name, model, optimizer, samples, plan, schedule))
    return peers


def students_of(setting: Setting, own: list[Images], seed: int, classes: int) -> dict[str, Student]:
    """Each design pretrained on its own images with its own recipe."""
    return {
        name: pretrain(
            design, own[place], setting.augment, setting.pretraining[place], setting.batch, 1000 * seed + place, classes
        )
        for place, (name, design) in enumerate(zip(names(setting), setting.designs, strict=True))
    }


def accuracy(student: torch.nn.Module, images: Images) -> float:
    """Share of right decisions (pixels, for dense tasks) on bare images."""
    student.eval()
    with torch.no_grad():
        return float((student(images.inputs).argmax(1) == images.labels).float().mean())


def alone(peers: list[Peer], plan: RoundPlan) -> None:
    """Continued training of each: the baseline."""
    for peer in peers:
        run_local([peer], plan)


def together(peers: list[Peer], plan: RoundPlan) -> dict[str, Any]:
    """The exchange, and who taught how much with which confidence."""
    rounds = run_local(peers, plan)
    return {"shares": shares(rounds), "confidences": spread(rounds)}


def shares(rounds: list[Round]) -> list[float]:
    return [float(each) for each in np.mean([each.shares for each in rounds], axis=0)]


def spread(rounds: list[Round]) -> list[list[float]]:
    """Deciles 1, 5 and 9 of every peer's confidence over all rounds."""
    found = np.concatenate([each.confidences.reshape(len(each.confidences), -1) for each in rounds], axis=1)
    return [[float(each) for each in np.quantile(row, (0.1, 0.5, 0.9))] for row in found]
