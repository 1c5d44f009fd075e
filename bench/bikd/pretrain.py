"""Students trained apart and differently, before they meet."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from bench.bikd.augment import Affine
from bench.bikd.images import Images
from bench.bikd.students import Student, make
from m2kt.exchange import draws
from m2kt.neural.samples import View


@dataclass(frozen=True)
class Recipe:
    """How a design is pretrained. ``turning``: this share of the steps only guesses quarter turns, without labels."""

    smoothing: float = 0.0
    turning: float = 0.0
    momentum: bool = False
    augmented: bool = True


RECIPES = {
    "conv": Recipe(),
    "vit": Recipe(turning=0.3),
    "mixer": Recipe(smoothing=0.1),
    "mlp": Recipe(momentum=True, augmented=False),
}
"""Each design its own: supervised; self-supervised first; smoothed labels; plain gradient descent on bare images."""


def pretrain(
    design: str, images: Images, augment: Affine | None, steps: int, batch: int, seed: int, classes: int = 10
) -> Student:
    """A student of ``design`` trained on ``images`` alone by its recipe."""
    recipe = RECIPES[design]
    side, dense = images.inputs.shape[-1], images.labels.dim() > 1
    student = make(design, side, classes, seed, dense)
    augment = augment if recipe.augmented else None
    turning = 0 if dense else int(recipe.turning * steps)
    if turning:
        _turn(student, images, turning, batch, seed)
    optimizer = _optimizer(student, recipe)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps - turning, 1e-4)
    for step in range(steps - turning):
        view = _view(images, augment, step, batch, seed)
        loss = F.cross_entropy(student(view.inputs), view.labels, label_smoothing=recipe.smoothing)
        _descend(loss, optimizer)
        schedule.step()
    return student


def _optimizer(student: Student, recipe: Recipe) -> torch.optim.Optimizer:
    if recipe.momentum:
        return torch.optim.SGD(student.parameters(), 0.05, momentum=0.9)
    return torch.optim.AdamW(student.parameters(), 3e-3, fused=True)


def _turn(student: Student, images: Images, steps: int, batch: int, seed: int) -> None:
    """Self-supervision: by how many quarters was this image turned? The head for it is thrown away."""
    head, student.head = student.head, nn.Linear(student.head.in_features, 4)  # type: ignore[arg-type]
    optimizer = torch.optim.AdamW(student.parameters(), 3e-3, fused=True)
    for step in range(steps):
        inputs = _view(images, None, step, batch, seed + 1).inputs
        quarters = torch.arange(len(inputs)) % 4
        turned = torch.stack([torch.rot90(each, int(k), (1, 2)) for each, k in zip(inputs, quarters, strict=True)])
        _descend(F.cross_entropy(student(turned), quarters), optimizer)
    student.head = head


def _view(images: Images, augment: Affine | None, step: int, batch: int, seed: int) -> View:
    numbers = draws.uniforms(seed, draws.Purpose.BATCH, step, np.arange(batch))
    indices = (torch.from_numpy(numbers) * len(images)).long()
    view = View(images.inputs[indices], images.labels[indices])
    if augment is None:
        return view
    places = np.arange(batch)[:, None], np.arange(augment.draws)
    return augment(view, torch.from_numpy(draws.uniforms(seed, draws.Purpose.AUGMENTATION, step, *places)))


def _descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    optimizer.step()
