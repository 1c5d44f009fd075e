"""Peers small enough to teach each other in milliseconds: the factory behind `bench.exchange_network` and its tests."""

from typing import Any

import torch
from torch import nn

from m2kt.exchange import RoundPlan
from m2kt.neural.exchange import Peer
from m2kt.neural.samples import ArraySamples, View

CLASSES = ("left", "middle", "right")
WIDTH = 6


def points(count: int, seed: int) -> ArraySamples:
    """``count`` points in six dimensions; the class is a band of their first coordinate, with some noise."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, WIDTH, generator=generator)
    found = inputs[:, 0] + 0.3 * torch.randn(count, generator=generator)
    labels = (found > -0.4).long() + (found > 0.4).long()
    return ArraySamples("bands", CLASSES, inputs, labels, augment=_jitter, draws=WIDTH)


def _jitter(view: View, numbers: torch.Tensor) -> View:
    return View(view.inputs + 0.2 * (numbers.float() - 0.5), view.labels)


def dense(name: str, plan: RoundPlan, settings: dict[str, Any]) -> Peer:
    """As `make`, for pictures of 4 by 5 pixels with a class for each."""
    width = int(settings["widths"][name])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings["seed"] * 1000 + width)
        model = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.Tanh(), nn.Conv2d(width, len(CLASSES), 1))
    pictures = torch.randn(int(settings["samples"]), 1, 4, 5, generator=torch.Generator().manual_seed(settings["seed"]))
    labels = (pictures[:, 0] > -0.4).long() + (pictures[:, 0] > 0.4).long()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    return Peer(name, model, optimizer, ArraySamples("pixels", CLASSES, pictures, labels), plan)


def make(name: str, plan: RoundPlan, settings: dict[str, Any]) -> Peer:
    """The peer ``name``. Settings: ``samples`` (how many), ``seed``, ``widths`` by name."""
    width = int(settings["widths"][name])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings["seed"] * 1000 + width)
        model = nn.Sequential(nn.Linear(WIDTH, width), nn.Tanh(), nn.Dropout(0.1), nn.Linear(width, len(CLASSES)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=plan.rounds * plan.steps_per_round)
    return Peer(name, model, optimizer, points(int(settings["samples"]), settings["seed"]), plan, schedule)
