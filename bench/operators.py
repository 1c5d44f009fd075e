"""Each extraction operator, each form of the CAL, and consolidation, on the demo's pair of models.

    python -m bench.operators --json [--probes 6000] [--steps 300] [--items 400] [--lora-steps 0]

Everything runs as the agents run it: signed packets, alignment and checking in children of their own. Accuracy is on
sealed checks of the half that is kept for reports; TE is the student's over the teacher's (eq. 22), and `te_low` its
exact lower bound at 95 % where the teacher is taken to be always right. One line per row goes to stderr as it is there.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from m2kt.agent.child import run_child
from m2kt.signing.keys import generate, write_private, write_public
from student_agent.cal import Form
from student_agent.checks import read_checks
from teacher_agent.settings import Operator

MODELS = Path(__file__).parents[1] / "examples" / "models"
ROWS: tuple[tuple[str, dict[str, Any], Form], ...] = (
    ("attribution", {}, Form.LINEAR),
    ("clustering, 256", {"operator": Operator.CLUSTERING}, Form.LINEAR),
    ("clustering, 64", {"operator": Operator.CLUSTERING, "clusters": 64}, Form.LINEAR),
    ("bottleneck", {"operator": Operator.BOTTLENECK}, Form.LINEAR),
    ("attribution", {}, Form.LOW_RANK),
    ("attribution", {}, Form.MLP),
    ("attribution", {}, Form.ATTENTION),
)

Json = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """Where everything lies and how large it is."""

    root: Path
    probes: int
    steps: int
    seed: int

    @property
    def checks(self) -> Path:
        return self.root / "checks.jsonl"

    def packet(self, name: str, settings: Json) -> tuple[Path, Json]:
        """The packet of one operator, made once."""
        path = self.root / f"{name.replace(', ', '-')}.m2kt"
        told = path.with_suffix(".json")
        if not path.exists():
            spec = {
                "model": str(MODELS / "teacher"),
                "domain": "chains",
                "name": "bench/operators",
                "version": "1.0.0",
                "key": str(self.root / "key.pem"),
                "out": str(path),
                "device": "cpu",
                "threads": 1,
                "settings": {"probes": self.probes, "seed": self.seed, **settings},
            }
            told.write_text(json.dumps(run_child("teacher_agent", "extract", spec)))
        found: Json = json.loads(told.read_text())
        return path, found

    def student(self, packet: Path, form: Form) -> tuple[Path, Json]:
        """A memory aligned with the CAL in ``form``."""
        out = self.root / f"{packet.stem}-{form}"
        spec = {**self._common(packet), "out": str(out), "cal": {"form": form}}
        spec["schedule"] = {"steps": self.steps, "seed": self.seed}
        return out, run_child("student_agent", "align", spec)

    def consolidated(self, packet: Path, memory: Path, steps: int) -> tuple[Path, Json]:
        """The memory as LoRA matrices."""
        out = self.root / "adapter"
        spec = {**self._common(packet), "memory": str(memory), "out": str(out), "schedule": {"steps": steps}}
        return out, run_child("student_agent", "consolidate", spec)

    def checked(self, model: str, memory: Path | None = None) -> Json:
        spec = {"model": str(MODELS / model), "checks": str(self.checks), "device": "cpu", "threads": 1}
        if memory:
            spec |= {"memories": [str(memory)], "general": str(MODELS / "general.txt")}
        return run_child("student_agent", "verify", spec)

    def _common(self, packet: Path) -> Json:
        trust = str(self.root / "key.pub")
        return {"packet": str(packet), "trust": trust, "model": str(MODELS / "student"), "device": "cpu", "threads": 1}


def rows(bench: Bench, lora_steps: int) -> Iterator[Json]:
    """One row per operator and form, then the adapter's."""
    teacher = bench.checked("teacher")["accuracy_before"]
    yield {"row": "teacher", "accuracy": teacher}
    for number, (name, settings, form) in enumerate(ROWS):
        packet, extracted = bench.packet(name, settings)
        memory, aligned = bench.student(packet, form)
        found = bench.checked("student", memory)
        if not number:
            yield {"row": "student before", "accuracy": found["accuracy_before"]}
        coverage = extracted["coverage"]
        told = {
            "concepts": extracted["concepts"],
            "vectors": round(coverage["vectors"] * extracted["concepts"]),
            "symbols_kept": coverage["symbols"],
            "residual": aligned["residual"],
            "trained_parameters": aligned["trained_parameters"],
        }
        yield _row(f"{name}; {form}", found, teacher, told)
    if lora_steps:
        packet, _ = bench.packet(*ROWS[0][:2])
        adapter, learned = bench.consolidated(packet, bench.root / f"{packet.stem}-{Form.LINEAR}", lora_steps)
        told = {"trained_parameters": learned["trained_parameters"], "seconds": learned["seconds"]}
        yield _row(f"consolidated, {lora_steps} steps", bench.checked("student", adapter), teacher, told)


def _row(name: str, found: Json, teacher: float, more: Json) -> Json:
    return {
        "row": name,
        "accuracy": found["accuracy_after"],
        "te": round(found["accuracy_after"] / teacher, 4),
        "te_low": round(found["accuracy_low_after"], 4),
        "perplexity_rise": round(found["perplexity_after"] / found["perplexity_before"] - 1, 5),
        **more,
    }


def measure(probes: int, steps: int, items: int, lora_steps: int, seed: int) -> Json:
    """All rows, in one temporary directory."""
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(Path(directory), probes, steps, seed)
        key = generate()
        write_private(bench.root / "key.pem", key)
        write_public(bench.root / "key.pub", key.public_key())
        chosen = read_checks(MODELS / "checks.jsonl", "report")[:items]
        bench.checks.write_text("".join(json.dumps(vars(each)) + "\n" for each in chosen))
        found = []
        started = time.perf_counter()
        for row in rows(bench, lora_steps):
            found.append(row)
            sys.stderr.write(json.dumps(row) + "\n")
        seconds = round(time.perf_counter() - started)
    return {"probes": probes, "steps": steps, "items": len(chosen), "seed": seed, "seconds": seconds, "rows": found}


def main(
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
    probes: int = 6000,
    steps: int = 300,
    items: int = 400,
    lora_steps: int = 0,
    seed: int = 1,
) -> None:
    """Print the rows."""
    found = measure(probes, steps, items, lora_steps, seed)
    typer.echo(json.dumps(found) if as_json else json.dumps(found, indent=2))


if __name__ == "__main__":
    typer.run(main)
