"""What a teacher daemon is told: a TOML file or options (docs/daemons.md)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from m2kt.errors import UsageError
from m2kt.packet import fields as rule
from teacher_agent.versions import PARTS


@dataclass(frozen=True)
class Config:
    """One teacher on this host."""

    broker: str
    key: Path
    model: Path
    state: Path
    publish: dict[str, str] = field(default_factory=dict)
    """Domain -> name of the packet: what this daemon publishes by itself whenever the model changes."""
    channel: str | None = None
    """Lead this channel of each name to what this daemon published, once it is approved."""
    jobs: bool = False
    """Lease extraction jobs, too."""
    model_names: tuple[str, ...] = ()
    """What jobs may call the model, beside its path and its directory's name."""
    domains: tuple[str, ...] = ()
    """Domains that jobs may ask for; empty: those that are installed."""
    site: str | None = None
    memory_mib: int = 0
    bump: str = "minor"
    """Which part of the version grows: major, minor or patch."""
    licence: str = "Apache-2.0"
    settings: dict[str, Any] = field(default_factory=dict)
    """Fields of `teacher_agent.settings.Settings`."""
    device: str = "auto"
    dtype: str = "auto"
    threads: int | None = None
    look_seconds: float = 30.0
    """Between two looks at the model's directory."""
    settle_seconds: float = 10.0
    """A model has changed when nothing wrote to its directory for so long."""
    poll_seconds: float = 2.0
    """Between two questions for a job."""
    drain_seconds: float = 30.0
    """What a running extraction gets to finish in when the daemon is told to leave."""
    limit_seconds: float | None = None
    """No extraction runs longer."""

    def __post_init__(self) -> None:
        for domain, name in self.publish.items():
            rule.name(name, f"publish.{domain}")
        if len(set(self.publish.values())) < len(self.publish):
            raise UsageError("publish: two domains with one name", hint="Give each domain a name of its own.")
        if self.bump not in PARTS:
            raise UsageError(f"bump must be one of {', '.join(PARTS)}, not {self.bump!r}")
        if not self.publish and not self.jobs:
            raise UsageError(
                "this daemon has nothing to do: no --publish and no --jobs",
                hint="Give --publish DOMAIN=NAME to follow the model, --jobs to lease extraction jobs, or both.",
            )

    @property
    def names(self) -> frozenset[str]:
        """What a job may call our model."""
        return frozenset({str(self.model), str(self.model.resolve()), self.model.resolve().name, *self.model_names})
