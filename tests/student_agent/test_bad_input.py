"""Packets and students that do not go together, and students that break: told, and nothing is half made or in force."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from m2kt.errors import AlignmentRefused, M2KTError, OutOfMemory
from m2kt.signing import TrustStore
from student_agent import align as job
from student_agent import training
from student_agent.activation import State
from student_agent.take import Policy, Student, take
from tests.models import silent_student
from tests.student_agent.parts import Signed

Spec = dict[str, Any]
Patch = pytest.MonkeyPatch


@pytest.fixture
def spec(addition_packet: Signed, student_directory: Path, tmp_path: Path, monkeypatch: Patch) -> Spec:
    """An alignment that would succeed; in this process, which holds what an alignment's own may not."""
    monkeypatch.setattr(job, "isolate", lambda: None)
    return {
        "packet": str(addition_packet.path),
        "trust": str(addition_packet.trust),
        "model": str(student_directory),
        "out": str(tmp_path / "out"),
        "device": "cpu",
        "schedule": {"steps": 2},
    }


def other_words(spec: Spec, tmp_path: Path, _: Patch) -> None:
    """A student whose tokenizer has no string of the packet's."""
    spec["model"] = str(silent_student(tmp_path / "other", ("alpha", "beta", "gamma")))


def other_version(spec: Spec, *_: Any) -> None:
    spec["domain"] = "addition@2.0.0"


def other_domain(spec: Spec, *_: Any) -> None:
    spec["domain"] = "chains"


def breaks(monkeypatch: Patch, spoil: Callable[[Any], None]) -> None:
    real = job.load

    def broken(*given: Any) -> Any:
        lm = real(*given)
        spoil(lm)
        return lm

    monkeypatch.setattr(job, "load", broken)


def no_numbers(_: Spec, __: Path, monkeypatch: Patch) -> None:
    breaks(monkeypatch, lambda lm: lm.model.transformer.h[0].mlp.c_proj.weight.fill_(float("nan")))


def no_memory(_: Spec, __: Path, monkeypatch: Patch) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training, "layer_states", full)


def core_moves(_: Spec, __: Path, monkeypatch: Patch) -> None:
    """A training that would touch what is frozen."""
    real = job.align

    def touching(lm: Any, *given: Any) -> Any:
        found = real(lm, *given)
        lm.model.transformer.wte.weight[0, 0] += 1e-6
        return found

    monkeypatch.setattr(job, "align", touching)


CASES = [
    (other_words, AlignmentRefused, "can follow 0.00 of the packet's chains"),
    (other_version, AlignmentRefused, "is of the domain addition@1.0.0, not addition@2.0.0"),
    (other_domain, AlignmentRefused, "is of the domain addition@1.0.0, not chains"),
    (no_numbers, AlignmentRefused, "not finite"),
    (no_memory, OutOfMemory, "single chain"),
    (core_moves, AlignmentRefused, "frozen core changed"),
]


@pytest.mark.parametrize(("spoil", "error", "says"), CASES, ids=lambda each: getattr(each, "__name__", ""))
def test_an_alignment_that_cannot_be_says_why_and_leaves_nothing(
    spec: Spec, tmp_path: Path, monkeypatch: Patch, spoil: Callable[..., None], error: type[M2KTError], says: str
) -> None:
    spoil(spec, tmp_path, monkeypatch)
    with pytest.raises(error) as caught:
        job.run(spec)
    assert says in caught.value.detail
    assert caught.value.hint
    assert not Path(spec["out"]).exists()


@pytest.mark.parametrize("domain", ["addition", "addition@1.0.0"])
def test_the_wanted_domain_passes_with_and_without_its_version(spec: Spec, domain: str) -> None:
    assert job.run({**spec, "domain": domain})["cal"] == "linear"


def test_the_options_of_a_take_reach_the_alignment(addition_packet: Signed, tmp_path: Path) -> None:
    """And when that fails, the student has nothing more than before."""
    told: list[Spec] = []

    def run(_: str, name: str, spec: Spec, **__: Any) -> dict[str, Any]:
        told.append(spec)
        Path(spec["out"]).mkdir()
        raise AlignmentRefused(f"{name} went wrong")

    alignment = {"cal": {"form": "mlp"}, "lambdas": {"safe": 2.0}, "deny": ["1"]}
    student = Student(tmp_path / "model", tmp_path / "state", alignment=alignment)
    student.model.mkdir()
    (student.model / "config.json").write_text('{"model_type": "of another family"}')
    trust = TrustStore.from_directory(addition_packet.trust)
    with pytest.raises(AlignmentRefused, match="align went wrong"):
        take(
            addition_packet.path.read_bytes(),
            trust,
            student,
            Policy(domain="addition@1.0.0"),
            lambda _: None,
            tmp_path / "log",
            run,
        )
    assert alignment.items() <= told[0].items()
    assert told[0]["domain"] == "addition@1.0.0"
    assert State(student.state).active() == []
    assert list(student.state.iterdir()) == []
