"""What a student daemon is told: a TOML file or options (docs/daemons.md)."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from m2kt.errors import UsageError
from m2kt.packet import fields as rule
from student_agent.take import Policy, Student


@dataclass(frozen=True)
class Subscription:
    """A channel that a student follows."""

    name: str
    channel: str

    @classmethod
    def parse(cls, text: str) -> "Subscription":
        """From ``acme/chains:stable``."""
        name, colon, channel = text.rpartition(":")
        if not colon or not channel:
            raise UsageError(f"{text!r} is no subscription", hint="Write it like acme/chains:stable.")
        return cls(rule.name(name, "subscription"), channel)

    def __str__(self) -> str:
        return f"{self.name}:{self.channel}"


@dataclass(frozen=True)
class Config:
    """One student on this host."""

    broker: str
    key: Path
    trust: Path
    model: Path
    state: Path
    subscribe: tuple[str, ...]
    """Channels, as ``NAME:CHANNEL``."""
    checks: Path | None = None
    """Sealed checks; without them nothing is activated unless ``policy.activate_unverified`` says so."""
    general: Path | None = None
    policy: dict[str, Any] = field(default_factory=dict)
    """Fields of `student_agent.take.Policy`."""
    schedule: dict[str, Any] = field(default_factory=dict)
    """Fields of `student_agent.training.Schedule`."""
    alignment: dict[str, Any] = field(default_factory=dict)
    """``cal``, ``lambdas``, ``deny`` and ``harm``: docs/transfer.md."""
    device: str = "auto"
    threads: int | None = None
    poll_seconds: float = 10.0
    """Between two looks at the channels; a change that the broker announces is looked at once."""
    settle_seconds: float = 2.0
    """The student's own model is there when nothing wrote to its directory for so long."""
    drain_seconds: float = 30.0
    """What a running alignment gets to finish in when the daemon is told to leave."""

    def __post_init__(self) -> None:
        if not self.subscribe:
            raise UsageError("this daemon follows no channel", hint="Give --subscribe NAME:CHANNEL.")
        for each in self.subscribe:
            Subscription.parse(each)
        known = {each.name for each in fields(Policy)}
        if unknown := sorted(set(self.policy) - known):
            raise UsageError(f"policy: unknown {', '.join(unknown)}; there are {', '.join(sorted(known))}")

    @property
    def subscriptions(self) -> list[Subscription]:
        return [Subscription.parse(each) for each in self.subscribe]

    @property
    def student(self) -> Student:
        return Student(
            self.model,
            self.state,
            self.checks,
            self.general,
            self.device,
            self.threads,
            dict(self.schedule),
            dict(self.alignment),
        )

    @property
    def taking(self) -> Policy:
        told: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in self.policy.items()
        }
        return Policy(**told)
