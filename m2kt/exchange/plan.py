"""The round plan: all that peers must agree on before the first round."""

import math
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from hashlib import sha256
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from m2kt.errors import ManifestError, PlanInvalid
from m2kt.exchange import draws
from m2kt.packet import canonical

SCHEMA = "m2kt.exchange.plan/1"
MAX_PLAN_BYTES = 4096
MAX_ROUNDS = 2**20
MAX_SAMPLES_PER_ROUND = 2**20
MAX_WEIGHT = 1e6

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class RoundPlan:
    """``rounds`` rounds; each takes ``samples_per_round`` samples and makes ``steps_per_round`` optimiser steps.

    In a round all peers predict its samples once, roles and targets are fixed, and every peer learns from them: in one
    step (the paper's form exactly), or in several steps over equal parts of the round's samples. ``tau`` is the
    temperature of the exchange's term, ``task_weight`` the weight of the task loss (1 in the paper). A plan that does
    not obey the limits does not exist: `PlanInvalid`.
    """

    seed: int
    rounds: int
    samples_per_round: int
    steps_per_round: int = 1
    tau: float = 1.0
    task_weight: float = 1.0

    def __post_init__(self) -> None:
        _integer(self.seed, "seed", 0, canonical.MAX_INT)
        _integer(self.rounds, "rounds", 1, MAX_ROUNDS)
        _integer(self.samples_per_round, "samples_per_round", 1, MAX_SAMPLES_PER_ROUND)
        _integer(self.steps_per_round, "steps_per_round", 1, self.samples_per_round)
        object.__setattr__(self, "tau", _number(self.tau, "tau"))
        object.__setattr__(self, "task_weight", _number(self.task_weight, "task_weight"))
        if self.tau == 0:
            raise PlanInvalid("tau must be above 0")

    def batch(self, round_number: int, sample_count: int) -> Indices:
        """Indices (N,) of the round's samples, all different: seeded passes over the whole set, its rest left out.

        Depends on seed, round and counts alone; any round can be asked for, in any order.
        """
        if not 0 <= round_number < self.rounds:
            raise PlanInvalid(f"round {round_number} is outside the plan's {self.rounds}")
        if sample_count < self.samples_per_round:
            raise PlanInvalid(f"a round takes {self.samples_per_round} samples, the set has {sample_count}")
        epoch, place = divmod(round_number, sample_count // self.samples_per_round)
        keys = draws.words(self.seed, draws.Purpose.BATCH, epoch, np.arange(sample_count))
        order = np.argsort(keys, kind="stable")
        return order[place * self.samples_per_round : (place + 1) * self.samples_per_round]

    def steps(self) -> list[slice]:
        """Which part of a round's samples each optimiser step takes."""
        edges = [step * self.samples_per_round // self.steps_per_round for step in range(self.steps_per_round + 1)]
        return [slice(start, end) for start, end in pairwise(edges)]

    def to_bytes(self) -> bytes:
        """RFC 8785 canonical JSON; decimals are strings."""
        values = asdict(self) | {"tau": repr(self.tau), "task_weight": repr(self.task_weight)}
        return canonical.dumps({"schema": SCHEMA, **values})

    @classmethod
    def from_bytes(cls, data: bytes) -> "RoundPlan":
        """The plan in canonical ``data``; `PlanInvalid` for anything else."""
        try:
            found = canonical.loads(data, max_bytes=MAX_PLAN_BYTES)
        except ManifestError as error:
            raise PlanInvalid(error.detail) from error
        wanted = {"schema", *(each.name for each in fields(cls))}
        if set(found) != wanted or found.pop("schema") != SCHEMA:
            raise PlanInvalid(f"a plan has exactly the keys {', '.join(sorted(wanted))}, and the schema {SCHEMA}")
        plan = cls(**{**found, "tau": _decimal(found["tau"]), "task_weight": _decimal(found["task_weight"])})
        if plan.to_bytes() != data:
            raise PlanInvalid("a decimal is not in its shortest form")
        return plan

    @cached_property
    def digest(self) -> str:
        """``sha256:`` of the canonical bytes."""
        return f"sha256:{sha256(self.to_bytes()).hexdigest()}"


def _integer(value: object, name: str, least: int, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise PlanInvalid(f"{name} must be an integer from {least} to {most}")


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise PlanInvalid(f"{name} must be a finite number")
    if not 0 <= value <= MAX_WEIGHT:
        raise PlanInvalid(f"{name} must be from 0 to {MAX_WEIGHT:g}")
    return float(value)


def _decimal(text: object) -> float:
    try:
        return float(text) if isinstance(text, str) else math.nan  # NaN is refused by the plan
    except ValueError:
        return math.nan
