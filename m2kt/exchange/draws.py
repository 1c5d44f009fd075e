"""Random numbers by place instead of by order: a hash of (seed, purpose, round, sample), equal on every host.

SplitMix64's finaliser (Steele, Lea, Flood 2014) over 64-bit integers. No stream of a library is used, because those may
change between versions (NEP 19), and two hosts must draw the same batches and the same augmentations.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


class Purpose(IntEnum):
    """Keeps draws for different ends apart."""

    BATCH = 1
    AUGMENTATION = 2
    MODEL = 3


def words(seed: int, purpose: Purpose, *places: NDArray[np.integer] | int) -> NDArray[np.uint64]:
    """A 64-bit word for every place; ``places`` are counters that broadcast against each other."""
    state = np.zeros(1, np.uint64)  # arrays wrap around silently, scalars would warn
    for each in (seed, int(purpose), *places):
        state = _mix((state ^ np.atleast_1d(np.asarray(each, np.uint64))) + _GOLDEN)
    return state


def uniforms(seed: int, purpose: Purpose, *places: NDArray[np.integer] | int) -> NDArray[np.float32]:
    """Uniform numbers in [0, 1) with 24 bits, one for every place."""
    return (words(seed, purpose, *places) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def _mix(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))
