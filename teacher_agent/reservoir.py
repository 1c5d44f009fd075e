"""A uniform sample of states of bounded size, however many stream by (Vitter's algorithm R)."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

BYTES = 64 * 2**20
LEAST, MOST = 2_048, 16_384
"""Rows of a sample: as many as fit into `BYTES` as float32, within these."""


@dataclass
class Reservoir:
    """Rows of ``width`` values; the same stream in the same batches leaves the same rows."""

    width: int
    seed: int
    seen: int = 0
    _rows: NDArray[np.float32] = field(init=False)
    _rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        size = min(MOST, max(LEAST, BYTES // (4 * self.width)))
        self._rows = np.empty((size, self.width), np.float32)
        self._rng = np.random.default_rng(self.seed)

    def add(self, rows: NDArray[np.float64]) -> None:
        """See ``rows`` (n, width)."""
        size = len(self._rows)
        order = np.arange(self.seen, self.seen + len(rows))
        places = np.where(order < size, order, self._rng.integers(0, order + 1))
        for row, place in zip(rows, places.tolist(), strict=True):
            if place < size:
                self._rows[place] = row
        self.seen += len(rows)

    @property
    def rows(self) -> NDArray[np.float32]:
        """The sample, (n, width)."""
        return self._rows[: min(self.seen, len(self._rows))]
