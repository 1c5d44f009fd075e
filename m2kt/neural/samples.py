"""Labelled samples by index, with augmentation that is equal on every host."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from m2kt.errors import SamplesChanged
from m2kt.exchange import Task, draws
from m2kt.exchange.task import labels_digest

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class View:
    """Samples as a round sees them: ``inputs`` (N, ...), ``labels`` (N,) or (N, H, W), 64-bit class numbers."""

    inputs: Tensor
    labels: Tensor


Augment = Callable[[View, Tensor], View]
"""Changes a view; the second argument holds uniform numbers of [0, 1), (N, ``draws``), each sample's own."""


class Samples(Protocol):
    """What a peer learns on. Two hosts that hold the same set must give the same views."""

    @property
    def task(self) -> Task:
        """The task as the set has it now: a change shows as another task."""

    def view(self, indices: Indices, seed: int, round_number: int) -> View:
        """The samples at ``indices``, augmented for this round from ``(seed, round_number, index)`` alone."""


class ArraySamples:
    """A set in memory. Inputs or labels that change later are noticed: `SamplesChanged`.

    ``identifiers`` default to place and digest of the input. Who knows an input can recognise its digest: give
    other identifiers where that matters. ``augment`` gets ``draws`` numbers a sample.
    """

    def __init__(
        self,
        name: str,
        classes: tuple[str, ...],
        inputs: Tensor,
        labels: Tensor,
        *,
        identifiers: tuple[str, ...] | None = None,
        augment: Augment | None = None,
        draws: int = 0,
    ) -> None:
        self.inputs, self.labels = inputs, labels.long()
        self._name, self._classes, self._augment, self._draws = name, classes, augment, draws
        self._rows = [_digest(row) for row in inputs.numpy()]
        self._identifiers = identifiers or tuple(f"{index}-{row[:32]}" for index, row in enumerate(self._rows))
        self._task = self._describe()
        self._last: tuple[tuple[int, int, bytes], View] | None = None

    @property
    def task(self) -> Task:
        """The task as the labels say it now; the same object as long as they stand."""
        if labels_digest(self.labels.numpy(), len(self._classes)) != self._task.labels_sha256:
            self._task = self._describe()
        return self._task

    def _describe(self) -> Task:
        return Task.of(self._name, self._classes, self._identifiers, self.labels.numpy())

    def view(self, indices: Indices, seed: int, round_number: int) -> View:
        """The last view is kept: peers in one process ask for it one after the other."""
        self._check_inputs(indices)
        key = seed, round_number, indices.tobytes()
        if self._last is None or self._last[0] != key:
            self._last = key, self._make(indices, seed, round_number)
        return self._last[1]

    def _check_inputs(self, indices: Indices) -> None:
        rows = self.inputs.numpy()
        for index in indices:
            if _digest(rows[index]) != self._rows[index]:
                raise SamplesChanged(f"sample {self._identifiers[index]} has another input than at the start")

    def _make(self, indices: Indices, seed: int, round_number: int) -> View:
        view = View(self.inputs[indices], self.labels[indices])
        if self._augment is None:
            return view
        places = indices[:, None], np.arange(self._draws)
        numbers = draws.uniforms(seed, draws.Purpose.AUGMENTATION, round_number, *places)
        return self._augment(view, torch.from_numpy(numbers))


def _digest(row: NDArray[np.generic]) -> str:
    return sha256(row.tobytes()).hexdigest()
