"""Omega_safe (eq. 17-18) of one student: what each shared symbol costs a concept that says it."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from m2kt.errors import UsageError
from m2kt.scan.harm import penalties
from m2kt.scan.policy import Thresholds

HARM = Thresholds().harm
"""Score above which a symbol is harmful: the scan's own, so that what passes there is taught here."""
NO_LIMIT = 1.0
"""The classifier is not asked."""


def penalty_of(symbols: Sequence[str], deny: Sequence[str], harm: float = NO_LIMIT) -> Tensor:
    """What each of the symbols costs, (A,) in [0, 1]: 1 where it is denied, the classifier's score where that is over
    ``harm``, and 0, not a little, for all others: a harmless domain is taught as if there were no penalty."""
    found = np.zeros(len(symbols))
    if harm < NO_LIMIT:
        told = penalties(symbols)
        found = np.where(told > harm, told, 0.0)
    found[[each in deny for each in symbols]] = 1.0
    return torch.from_numpy(found)


def harm_of(given: object) -> float:
    """The limit that an alignment was given; `UsageError` for what is none."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= 1:
        raise UsageError(f"harm must be a number above 0 and at most 1 (1 asks no classifier), not {given!r}")
    return float(given)
