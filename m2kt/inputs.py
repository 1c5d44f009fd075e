"""Inputs of a task as people keep them: texts line by line, labelled ones with a tab, images as arrays (docs/real.md).

``*.npz`` holds ``images`` (n, H, W) of uint8 and, where they are labelled, ``labels`` (n,); every other file is UTF-8
text, one input a line without the spaces around it, a tab before its label. As in anchor sets, empty lines and those
that begin with # are comments.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from m2kt.anchors import Images
from m2kt.errors import UsageError

Inputs = tuple[str, ...] | Images


@dataclass(frozen=True, eq=False)
class Labelled:
    """Inputs and what each is called."""

    items: Inputs
    labels: tuple[str, ...]


def read_inputs(path: Path) -> Inputs:
    """The inputs in a file; `UsageError` says what is wrong with it."""
    if path.suffix == ".npz":
        return _images(path, _arrays(path))
    found = tuple(text.strip() for _, text in _lines(path))
    if not found:
        raise UsageError(f"{path} holds no inputs", hint="Write one text a line.")
    return found


def read_labelled(path: Path) -> Labelled:
    """Inputs with their labels, each input once; `UsageError` for a line without a label, or an input with two."""
    if path.suffix == ".npz":
        arrays = _arrays(path)
        images = _images(path, arrays)
        if "labels" not in arrays or arrays["labels"].shape != (len(images),):
            raise UsageError(f"{path} needs `labels`, one for each of its {len(images)} images")
        return Labelled(images, tuple(map(str, arrays["labels"].tolist())))
    found: dict[str, tuple[str, int]] = {}
    for number, line in _lines(path):
        text, tab, label = line.rpartition("\t")
        if not (tab and text.strip() and label.strip()):
            raise UsageError(
                f"{path}, line {number}: no label", hint="Write TEXT, a tab, LABEL on each line (see docs/real.md)."
            )
        text = text.strip()
        before, first = found.setdefault(text, (label.strip(), number))
        if before != label.strip():
            raise UsageError(
                f"{path}, line {number}: {text[:60]!r} is labelled {label.strip()!r}, on line {first} {before!r}",
                hint="Keep one of the two lines.",
            )
    if not found:
        raise UsageError(f"{path} holds no inputs", hint="Write TEXT, a tab, LABEL on each line.")
    return Labelled(tuple(found), tuple(label for label, _ in found.values()))


def raw(item: str | Images) -> bytes:
    """What two equal inputs have in common."""
    return item.encode() if isinstance(item, str) else np.ascontiguousarray(item).tobytes()


def together(parts: Sequence[Inputs]) -> Inputs:
    """The inputs of several files, in order; `UsageError` where texts and images, or images of two sizes, would mix."""
    texts = [each for each in parts if isinstance(each, tuple)]
    if len(texts) == len(parts):
        return tuple(text for each in texts for text in each)
    images = [each for each in parts if isinstance(each, np.ndarray)]
    if texts or len({each.shape[1:] for each in images}) != 1:
        raise UsageError("these files mix texts and images, or images of several sizes")
    return np.concatenate(images)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="Name a file of texts.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from error
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            yield number, line


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as held:
            return dict(held)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, BadZipFile, EOFError) as error:
        raise UsageError(f"{path} is no .npz of plain arrays: {error}") from error


def _images(path: Path, arrays: dict[str, NDArray[Any]]) -> Images:
    found = arrays.get("images", np.zeros(0))
    if found.ndim != 3 or found.dtype != np.uint8 or not len(found):
        raise UsageError(f"{path} needs `images`, (n, H, W) of uint8, not {found.shape} of {found.dtype}")
    return found
