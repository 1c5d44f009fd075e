"""Everything that decides what an extraction finds, apart from teacher and domain; and how it is read from a job."""

from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from m2kt.errors import UsageError


class Operator(StrEnum):
    """The forms of the extraction operator E(T) that the paper names (section V-A)."""

    ATTRIBUTION = "attribution"
    CLUSTERING = "clustering"
    BOTTLENECK = "bottleneck"


@dataclass(frozen=True)
class SwapSettings:
    """How many chains of a shape are swapped, how often per group, and the share of changes that makes a role."""

    chains: int = 48
    swaps: int = 4
    threshold: float = 0.12
    most_roles: int = 4


@dataclass(frozen=True)
class Settings:
    """The options of one extraction; docs/transfer.md says what each does."""

    operator: Operator = Operator.ATTRIBUTION
    probes: int = 6000
    surveyed: int = 6000  # probes that shapes and roles are learned from; what comes after them streams through
    seed: int = 1
    max_new_tokens: int = 96
    least_chains: int = 40  # of one shape
    least_support: int = 5  # members of one concept
    most_concepts: int = 1100
    swap: SwapSettings = field(default_factory=SwapSettings)
    layer: int = -1  # whose states are clustered or coded: hidden layers from 0, -1 what reaches the head
    clusters: int = 256
    atoms: int = 256  # of the bottleneck's dictionary
    active: int = 16  # of them in one state
    floor: float = (
        0.8  # least share of chains, of decisions in them, and of concepts' symbols that the packet must keep
    )
    force: bool = False  # build below the floor, and from a teacher at chance
    mantissa_bits: int = 8  # kept of every float: what is below could hide a message and teaches nothing


LEAST = {"seed": 0, "layer": -1, "swap.threshold": 0, "floor": 0}
"""Least values; of counts it is 1."""


def settings_of(given: dict[str, Any]) -> Settings:
    """Settings with what was given; `UsageError` for a field that does not exist or holds nothing that it can hold."""
    found = _typed(Settings(), given)
    if "swap" in found:
        found["swap"] = SwapSettings(**_typed(SwapSettings(), found["swap"], "swap."))
    return Settings(**found)


def plain(settings: Settings) -> dict[str, str | int]:
    """As the manifest holds them beside operator and seed: whole numbers and text, nested names joined with a dot."""
    flat: dict[str, str | int] = {}
    for name, value in asdict(settings).items():
        nested = value.items() if isinstance(value, dict) else [(None, value)]
        for inner, each in nested:
            flat[f"{name}.{inner}" if inner else name] = _plain(each)
    return flat


def _plain(value: int | float | str) -> int | str:
    if isinstance(value, int):
        return int(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _typed(defaults: Any, given: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(given, dict):
        raise UsageError(f"{type(defaults).__name__} must be an object")
    known = {each.name: getattr(defaults, each.name) for each in fields(defaults)}
    found = {}
    for name, value in given.items():
        if name not in known:
            raise UsageError(f"no setting named {name!r}; there are {', '.join(known)}")
        found[name] = value if name == "swap" else _checked(f"{prefix}{name}", value, known[name])
    return found


def _checked(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, Operator):
        if value not in list(Operator):
            raise UsageError(f"setting {name} must be one of {', '.join(Operator)}, not {value!r}")
        return Operator(value)
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise UsageError(f"setting {name} must be true or false, not {value!r}")
        return value
    least, whole = LEAST.get(name, 1), isinstance(default, int)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or (whole and not isinstance(value, int)) or not least <= value < 2**31:
        kind = "a whole number" if whole else "a number"
        raise UsageError(f"setting {name} must be {kind} of at least {least}, not {value!r}")
    return value
