"""What a peer's features are still good for: a linear probe on another task, quarter turns of unseen images."""

import torch
from torch import Tensor

from bench.bikd.images import Images
from bench.bikd.students import Student

RIDGE = 1.0


def turns(student: Student, train: Images, test: Images) -> float:
    """Accuracy of guessing by how many quarters a test image was turned, by ridge regression on the features."""
    states, wanted = _features(student, train)
    mean, scale = states.mean(0), states.std(0) + 1e-6
    states = (states - mean) / scale
    gram = states.T @ states + RIDGE * torch.eye(states.shape[1])
    weights = torch.linalg.solve(gram, states.T @ (torch.nn.functional.one_hot(wanted, 4).float() - 0.25))
    unseen, truth = _features(student, test)
    guessed = (((unseen - mean) / scale) @ weights).argmax(1)
    return float((guessed == truth).float().mean())


def _features(student: Student, images: Images) -> tuple[Tensor, Tensor]:
    """States before the head of all images at all four turns, (4M, d), and the turns."""
    student.eval()
    turned = torch.cat([torch.rot90(images.inputs, k, (2, 3)) for k in range(4)])
    with torch.no_grad():
        states = student.features(turned)
    return states.flatten(1), torch.arange(4).repeat_interleave(len(images))
