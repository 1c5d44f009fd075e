"""What one worker offers: slots, devices, and the labels that jobs are matched with."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from broker.models import JobKind
from broker.services.jobs import Offer

MIB = 1 << 20


@dataclass(frozen=True)
class Options:
    slots: int = 1
    """Model jobs at a time."""
    devices: tuple[str, ...] = ()
    """``cpu``, ``cuda``, ``cuda:1``: slot i uses device i modulo their number. None: the child chooses."""
    kinds: frozenset[str] = frozenset(JobKind)
    models: frozenset[str] = frozenset()
    site: str | None = None
    memory_mib: int = 0
    limit_seconds: float | None = None
    """No job runs longer here, whatever it asks for."""

    @property
    def offer(self) -> Offer:
        gpu = any(each.startswith("cuda") for each in self.devices)
        return Offer(gpu, self.memory_mib, self.models, self.site)

    def device(self, slot: int) -> str | None:
        return self.devices[slot % len(self.devices)] if self.devices else None


def parse(arguments: Sequence[str]) -> Options:
    """Options of ``python -m broker.worker``."""
    parser = argparse.ArgumentParser("python -m broker.worker", description="Work on the broker's jobs.")
    parser.add_argument("--slots", type=_positive, default=1, help="model jobs at a time")
    parser.add_argument("--device", action="append", default=[], type=_device, help="cpu, cuda or cuda:N; repeatable")
    parser.add_argument("--kind", action="append", choices=list(JobKind), help="only these kinds; repeatable")
    parser.add_argument("--model", action="append", default=[], help="a model that jobs may name; repeatable")
    parser.add_argument("--site", help="where this worker stands")
    parser.add_argument("--memory-mib", type=_positive, default=memory_mib(), help="memory to offer; all by default")
    parser.add_argument("--limit-seconds", type=float, help="longest time for one attempt")
    told = parser.parse_args(arguments)
    return Options(
        slots=told.slots,
        devices=tuple(told.device),
        kinds=frozenset(told.kind or JobKind),
        models=frozenset(told.model),
        site=told.site,
        memory_mib=told.memory_mib,
        limit_seconds=told.limit_seconds,
    )


def _positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError
    return int(text)


def _device(text: str) -> str:
    kind, _, number = text.partition(":")
    if kind not in ("cpu", "cuda") or (":" in text and not (kind == "cuda" and number.isdecimal())):
        raise ValueError
    return text


def memory_mib(limit: Path = Path("/sys/fs/cgroup/memory.max")) -> int:
    """What this host, or its container, has."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        said = limit.read_text().strip()
    except OSError:
        said = "max"
    return min(found, int(said) if said.isdecimal() else found) // MIB


def environment(device: str | None, visible: str | None) -> dict[str, str]:
    """What shows a child its own GPU only; ``visible`` is our own CUDA_VISIBLE_DEVICES, which counts in its order."""
    if device is None:
        return {}
    if device == "cpu":
        return {"CUDA_VISIBLE_DEVICES": ""}
    ours = visible.split(",") if visible else []
    number = int(device.partition(":")[2] or 0)
    return {"CUDA_VISIBLE_DEVICES": ours[number] if number < len(ours) else str(number)}
