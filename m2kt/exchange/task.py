"""What the peers of an exchange share: classes, samples in one order, labels."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from m2kt.errors import LabelsInvalid, ManifestError, SamplesChanged, TaskDiffers
from m2kt.packet import canonical


@dataclass(frozen=True)
class Task:
    """A labelled task. Peers whose tasks differ cannot teach each other.

    ``classes`` are names in the order of the logits. ``samples`` are identifiers that say nothing of the inputs unless
    their owner wants it (a number, a digest). ``labels_sha256`` proves that two holders have the same labels, and tells
    others nothing as long as there are many samples: it is one digest over all of them.
    """

    name: str
    classes: tuple[str, ...]
    samples: tuple[str, ...]
    labels_sha256: str

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            raise LabelsInvalid(f"task {self.name} needs at least two classes, each named once")
        if not self.samples:
            raise LabelsInvalid(f"task {self.name} has no samples")
        if len(set(self.samples)) < len(self.samples):
            twice = Counter(self.samples).most_common(1)[0][0]
            raise LabelsInvalid(f"sample {twice[:80]!r} stands twice in task {self.name}")

    @classmethod
    def of(cls, name: str, classes: tuple[str, ...], samples: tuple[str, ...], labels: NDArray[np.integer]) -> "Task":
        """The task of ``labels``, (M,) or (M, ...) with one class number for every pixel; `LabelsInvalid`."""
        if len(labels) != len(samples):
            raise LabelsInvalid(f"{len(samples)} samples and {len(labels)} labels")
        return cls(name, classes, samples, labels_digest(labels, len(classes)))

    @cached_property
    def digest(self) -> str:
        """``sha256:`` of all of it: two peers may meet when theirs are equal."""
        try:
            data = canonical.dumps([self.name, self.classes, self.labels_sha256, self.samples_sha256])
        except ManifestError as error:
            raise LabelsInvalid(error.detail) from error
        return f"sha256:{sha256(data).hexdigest()}"

    @cached_property
    def samples_sha256(self) -> str:
        """``sha256:`` of the identifiers in order, each hashed first, so that no two lists can meet."""
        each = b"".join(sha256(sample.encode()).digest() for sample in self.samples)
        return f"sha256:{sha256(each).hexdigest()}"

    def check(self, other: "Task", peer: str) -> None:
        """Refuse ``other``, the task of ``peer``, unless it is this one; `TaskDiffers`, `SamplesChanged` say where."""
        if other.classes != self.classes:
            raise TaskDiffers(f"the classes of {peer} differ: {_difference(self.classes, other.classes)}")
        if other.name != self.name:
            raise TaskDiffers(f"{peer} has the task {other.name!r} instead of {self.name!r}")
        if other.samples != self.samples:
            raise SamplesChanged(f"the samples of {peer} differ: {_difference(self.samples, other.samples)}")
        if other.labels_sha256 != self.labels_sha256:
            raise SamplesChanged(f"{peer} has other labels for the same samples")


def labels_digest(labels: NDArray[np.integer], classes: int) -> str:
    """``sha256:`` of shape and class numbers (as little-endian 64-bit); `LabelsInvalid` outside ``0..classes-1``."""
    if not np.issubdtype(labels.dtype, np.integer):
        raise LabelsInvalid(f"labels are {labels.dtype} instead of class numbers")
    if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise LabelsInvalid(f"labels go from {labels.min()} to {labels.max()}, the classes from 0 to {classes - 1}")
    shape = np.array(labels.shape, "<i8").tobytes()
    return f"sha256:{sha256(shape + np.ascontiguousarray(labels, '<i8').tobytes()).hexdigest()}"


def _difference(wanted: tuple[str, ...], found: tuple[str, ...]) -> str:
    if len(wanted) != len(found):
        return f"{len(found)} instead of {len(wanted)}"
    place = next(place for place, pair in enumerate(zip(wanted, found, strict=True)) if pair[0] != pair[1])
    return f"number {place} is {found[place][:80]!r} instead of {wanted[place][:80]!r}"
