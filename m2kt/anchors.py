"""Anchor sets: published, task-free inputs that teacher and student both encode (docs/real.md).

A set is a plain file: ``*.txt`` holds one word or text per line, ``*.json`` is the recipe of synthetic images, such as
``{"recipe": "strokes/1", "count": 1000, "side": 28, "seed": 7}``. Both sides name it by `AnchorSet.digest`, which is
over the inputs themselves and not over the file: an image generator that changed gives another digest.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2kt.errors import AlignmentRefused, UsageError

SCHEMA = b"m2kt.anchors/1"
LEAST, MOST = 2, 2**20
"""Inputs that a set may have: a fit needs several, and whoever reads a file should not run out of memory."""

Images = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class AnchorSet:
    """Distinct inputs under a name: texts, or images (n, H, W) of grey levels."""

    name: str
    items: tuple[str, ...] | Images

    def __post_init__(self) -> None:
        if not LEAST <= len(self.items) <= MOST:
            raise UsageError(f"the anchor set {self.name} has {len(self.items)} inputs; {LEAST} to {MOST} are allowed")
        raw = [_raw(each) for each in self.items]
        if len(set(raw)) != len(raw):
            twice = next(number for number, each in enumerate(raw) if each in raw[:number])
            raise UsageError(
                f"the anchor set {self.name} has input {twice} twice",
                hint="Keep one of them: every anchor counts once.",
            )

    def __len__(self) -> int:
        return len(self.items)

    @property
    def kind(self) -> str:
        """``text`` or ``image``."""
        return "image" if isinstance(self.items, np.ndarray) else "text"

    @cached_property
    def digest(self) -> str:
        """``sha256:`` over schema, kind, shape of an image, and every input with its length, in order."""
        found = sha256(SCHEMA + b" " + self.kind.encode())
        if isinstance(self.items, np.ndarray):
            found.update(" x ".join(map(str, self.items.shape[1:])).encode())
        for each in self.items:
            raw = _raw(each)
            found.update(len(raw).to_bytes(8, "little") + raw)
        return f"sha256:{found.hexdigest()}"

    def require(self, digest: str) -> "AnchorSet":
        """This set, when it is the one that a packet names; `AlignmentRefused` when it changed."""
        if self.digest != digest:
            raise AlignmentRefused(
                f"the anchor set changed: this {self.name} is {self.digest}, the packet's activations are on {digest}",
                hint="Get the set that the packet names, or a packet on this one; activations on others pair nothing.",
            )
        return self


def _raw(item: str | Images) -> bytes:
    return item.encode() if isinstance(item, str) else np.ascontiguousarray(item).tobytes()


def texts(name: str, lines: Sequence[str]) -> AnchorSet:
    """A set of words or texts, in order."""
    return AnchorSet(name, tuple(lines))


def images(name: str, levels: NDArray[Any]) -> AnchorSet:
    """A set of images (n, H, W), grey levels from 0 to 255."""
    if levels.ndim != 3 or levels.dtype != np.uint8:
        raise UsageError(f"images are (n, H, W) of uint8, not {levels.shape} of {levels.dtype}")
    return AnchorSet(name, levels)


def read_set(path: Path) -> AnchorSet:
    """The set in a file; `UsageError` says what is wrong with it."""
    try:
        data = path.read_bytes()
        if path.suffix == ".txt":
            lines = data.decode().splitlines()
            return texts(path.stem, [each for each in lines if each and not each.startswith("#")])
        if path.suffix == ".json":
            return _made(path.stem, json.loads(data))
    except OSError as error:
        raise UsageError(f"cannot read the anchor set {path}: {error.strerror}") from error
    except (UnicodeDecodeError, ValueError) as error:
        raise UsageError(f"{path} is no anchor set: {error}") from error
    raise UsageError(f"{path} is no anchor set", hint="A set is a .txt (one text per line) or a .json (a recipe).")


def _made(name: str, recipe: Any) -> AnchorSet:
    keys = {"recipe", "count", "side", "seed"}
    if not isinstance(recipe, dict) or set(recipe) != keys or recipe["recipe"] not in RECIPES:
        raise UsageError(
            f"a recipe has exactly {', '.join(sorted(keys))}; recipes here: {', '.join(sorted(RECIPES))}",
            hint="Another version of M2KT may know this recipe.",
        )
    sizes = (recipe["count"], recipe["side"])
    if not all(type(each) is int for each in (*sizes, recipe["seed"])) or not (
        1 < sizes[0] <= MOST and 0 < sizes[1] <= 512
    ):
        raise UsageError("count, side and seed of a recipe are whole numbers; side is at most 512")
    return images(name, RECIPES[recipe["recipe"]](*sizes, np.random.default_rng(recipe["seed"])))


def strokes(count: int, side: int, rng: np.random.Generator) -> Images:
    """Random pen strokes: one to three smooth curves of a soft pen, as handwriting has them, that write nothing."""
    rows, columns = np.mgrid[:side, :side].astype(np.float64)
    made = np.zeros((count, side, side))
    for image in made:
        for _ in range(int(rng.integers(1, 4))):
            points = _curve(rng, side)  # (p, 2)
            away = (rows[None] - points[:, 0, None, None]) ** 2 + (columns[None] - points[:, 1, None, None]) ** 2
            width = side * rng.uniform(0.03, 0.06)
            np.maximum(image, np.exp(-away.min(0) / (2 * width**2)), out=image)
    return np.asarray((made * 255).round(), np.uint8)


def _curve(rng: np.random.Generator, side: int) -> NDArray[np.float64]:
    """Points along a cubic Bezier curve within the middle of the image, (p, 2)."""
    control = rng.uniform(0.15, 0.85, (4, 2)) * side
    t = np.linspace(0, 1, 24)[:, None]
    basis = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    return np.asarray(sum(each * point for each, point in zip(basis, control, strict=True)), np.float64)


def noise(count: int, side: int, rng: np.random.Generator) -> Images:
    """Every pixel for itself: anchors off every domain, for the control."""
    return rng.integers(0, 256, (count, side, side), dtype=np.uint8)


RECIPES: dict[str, Callable[[int, int, np.random.Generator], Images]] = {"strokes/1": strokes, "noise/1": noise}
