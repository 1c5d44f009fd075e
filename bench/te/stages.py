"""What every run does: load, teach, align."""

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from bench.te import flops
from bench.te.judging import open_prompts
from bench.te.packets import with_controls, write_packets
from bench.te.pair import pair_of
from bench.te.settings import BAGS, Size, probes_of
from examples.models.tasks import TASKS, Fact, Task
from m2kt.domains import Domain
from m2kt.neural.models import LanguageModel, load
from m2kt.packet import Packet
from m2kt.signing.keys import generate, write_public
from teacher_agent.build import build
from teacher_agent.extract import Settings, extract
from teacher_agent.label import Label

Row = dict[str, Any]
AS_LONG = ("packet", "answers-only", "recoverable")
"""What is compared with the packet is aligned as long as it; the rest as long as controls are."""


@dataclass(frozen=True)
class Scene:
    """Everything that the parts of one run share."""

    task: Task
    fact: Fact
    teacher: LanguageModel
    student: LanguageModel
    size: Size
    seed: int
    root: Path


def make_scene(domain: str, seed: int, size: Size, root: Path, models: Path) -> Scene:
    """Load what a run needs."""
    shutil.rmtree(root, ignore_errors=True)  # keys and packets of an earlier run are never overwritten
    root.mkdir(parents=True)
    task, (teacher, student) = TASKS[domain], pair_of(domain, seed, models)
    cpu = torch.device("cpu")
    return Scene(task, task.world(seed), load(teacher, cpu), load(student, cpu), size, seed, root)


def domain_of(name: str) -> Domain:
    """The plug-in, from the repository: it need not be installed to be measured."""
    module = __import__(f"examples.domains.{name}.m2kt_domain_{name}", fromlist=["DOMAIN"])
    found: Domain = module.DOMAIN
    return Shortened(found.name, found.version, TASKS[name]) if name == "chains" else found


@dataclass
class Shortened:
    """A domain whose shorter prompts only are probed, so that the teacher still knows what is two steps longer."""

    name: str
    version: str
    task: Task

    def probes(self, seed: int, count: int) -> Iterator[str]:
        """Like the domain's, of the task's lengths."""
        rng = random.Random(seed)
        return islice(open_prompts(self.task, rng), count)


def teach(teacher: LanguageModel, domain: Domain, size: Size, seed: int) -> tuple[Packet, Row]:
    """The packet, and what it took."""
    settings = Settings(probes=probes_of(domain.name, size), seed=seed + 1)
    counter, began = flops.counter(), time.perf_counter()
    with counter:
        found = extract(teacher, domain, settings, lambda step, done, total: None)
    packet = build(teacher, domain, settings, found, Label(f"bench/{domain.name}", "1.0.0"))
    return packet, {
        "coverage": {name: round(value, 4) for name, value in found.coverage.items()},
        "classes": found.knowledge.class_count,
        "templates": len(found.knowledge.templates),
        "flops": counter.get_total_flops(),
        "seconds": round(time.perf_counter() - began, 1),
    }


def align_all(scene: Scene, packet: Packet, names: tuple[str, ...], into: str = "real") -> Row:
    """Packet and controls, each aligned by a process that can import neither domains nor teachers."""
    size = scene.size
    jobs = {
        name: Job(
            each,
            _steps(name, size),
            count=name == "packet",
            blind=name in BAGS,
        )
        for name, each in with_controls(packet, names, scene.seed, size.draws).items()
    }
    return align_jobs(scene, jobs, into)


def _steps(name: str, size: Size) -> int:
    if name in BAGS:
        return 1  # their pointers are not kept, and the rest is settled before the first step
    return size.align_steps if name in AS_LONG else size.control_steps


@dataclass(frozen=True)
class Job:
    """One packet to align: for how many steps, with which options of an alignment, whether FLOPs are counted, and
    whether its pointers are made to look at everything alike afterwards."""

    packet: Packet
    steps: int
    options: Row = field(default_factory=dict)
    count: bool = False
    blind: bool = False


def align_jobs(scene: Scene, jobs: Mapping[str, Job], into: str) -> Row:
    """What became of each, by name; all by one isolated process."""
    key, root = generate(), scene.root / into
    root.mkdir(parents=True, exist_ok=True)
    write_public(root / "key.pub", key.public_key())
    paths = write_packets({name: each.packet for name, each in jobs.items()}, root / "packets", key)
    packets = {
        name: {
            "path": str(paths[name]),
            "out": str(root / name),
            "steps": each.steps,
            "options": each.options,
            "count": each.count,
            "blind": each.blind,
        }
        for name, each in jobs.items()
    }
    forbidden = [f"m2kt_domain_{each}" for each in TASKS]
    spec = {"student": str(scene.student.directory), "trust": str(root / "key.pub"), "seed": scene.seed}
    return _child({**spec, "packets": packets, "forbidden": forbidden})


def _child(spec: Row) -> Row:
    command = [sys.executable, "-m", "bench.te.aligning"]
    done = subprocess.run(command, input=json.dumps(spec), text=True, stdout=subprocess.PIPE, check=True)
    found: Row = json.loads(done.stdout.splitlines()[-1])
    return found
