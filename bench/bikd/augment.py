"""Augmentation from numbers that every host draws equally: one affine map and noise for each sample."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from m2kt.neural.samples import View


@dataclass(frozen=True)
class Affine:
    """Turn, scale, shift by up to the given amounts, then noise of ``noise`` standard deviations. Labels stay."""

    degrees: float = 15.0
    scale: float = 0.15
    shift: float = 0.15
    """Of half the image's side."""
    noise: float = 0.0
    side: int = 8

    @property
    def draws(self) -> int:
        """Numbers for each sample."""
        return 4 + (self.side**2 if self.noise else 0)

    def __call__(self, view: View, numbers: Tensor) -> View:
        signed = 2 * numbers[:, :4] - 1
        angle = signed[:, 0] * math.radians(self.degrees)
        size = 1 + signed[:, 1] * self.scale
        turn = torch.stack([angle.cos() * size, -angle.sin() * size, angle.sin() * size, angle.cos() * size], 1)
        theta = torch.cat([turn.reshape(-1, 2, 2), (signed[:, 2:4] * self.shift).unsqueeze(2)], 2)
        grid = F.affine_grid(theta, list(view.inputs.shape), align_corners=False)
        inputs = F.grid_sample(view.inputs, grid, padding_mode="border", align_corners=False)
        if self.noise:
            # Uniform noise of this deviation: two hosts' logarithms and cosines need not agree to the last bit.
            spread = (numbers[:, 4:] - 0.5).reshape(inputs.shape) * math.sqrt(12) * self.noise
            inputs = inputs + spread
        return View(inputs, view.labels)
