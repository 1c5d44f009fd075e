"""Where everything of a demo lies, and how large it is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """The demo as `make demo` runs it; tests run a smaller one."""

    root: Path = Path("var/demo")
    models: Path = EXAMPLES / "models"
    domain: str = "chains"
    packet: str = "chains/base16"
    version: str = "1.0.0"
    probes: int = 6000
    extraction: dict[str, Any] = field(default_factory=dict)
    steps: int = 300
    seed: int = 1
    workers: int = 2  # alignments and verifications side by side, one thread each
    device: str = "cpu"

    @property
    def teacher(self) -> Path:
        return self.models / "teacher"

    @property
    def student(self) -> Path:
        return self.models / "student"

    @property
    def checks(self) -> Path:
        return self.models / "checks.jsonl"

    @property
    def general(self) -> Path:
        return self.models / "general.txt"

    @property
    def prompts(self) -> Path:
        return self.models / "prompts.txt"

    @property
    def state(self) -> Path:
        """The student's state directory."""
        return self.root / "student"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def trust(self) -> Path:
        """Public keys that the student trusts."""
        return self.root / "trust"
