"""Jobs refuse what they cannot use, each with its own error, and leave nothing behind."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from m2kt.agent.child import run_child
from m2kt.errors import (
    AlignmentRefused,
    ContainerError,
    DigestMismatch,
    LedgerMismatch,
    M2KTError,
    ModelError,
    UnknownKey,
    UsageError,
)
from m2kt.neural.models import LanguageModel
from m2kt.packet import PacketKind, ledger
from m2kt.signing import TrustStore, sign_packet
from m2kt.signing.keys import generate, write_public
from student_agent import logits, verify
from student_agent.align import open_packet
from student_agent.checks import _half
from tests.broker.conftest import make_packet
from tests.small import next_knowledge, small_knowledge
from tests.student_agent.parts import Signed, signed, write_checks

Spec = dict[str, Any]


@pytest.fixture
def spec(addition_packet: Signed, student_directory: Path, tmp_path: Path) -> Spec:
    """An alignment that would succeed."""
    return {
        "packet": str(addition_packet.path),
        "trust": str(addition_packet.trust),
        "model": str(student_directory),
        "out": str(tmp_path / "out"),
        "device": "cpu",
        "threads": 1,
        "schedule": {"steps": 2},
    }


def flip(spec: Spec, tmp_path: Path) -> None:
    data = bytearray(Path(spec["packet"]).read_bytes())
    data[-1] ^= 1
    spec["packet"] = str(tmp_path / "flipped.m2kt")
    Path(spec["packet"]).write_bytes(data)


def distrust(spec: Spec, tmp_path: Path) -> None:
    spec["trust"] = str(signed(tmp_path, small_knowledge(), "other").trust)


def misname_model(spec: Spec, tmp_path: Path) -> None:
    spec["model"] = str(tmp_path / "nowhere")


def lie(spec: Spec, tmp_path: Path) -> None:
    packet = signed(tmp_path, small_knowledge(), "liar", logit_rows_recoverable=0)
    spec |= {"packet": str(packet.path), "trust": str(packet.trust)}


@pytest.mark.parametrize(
    ("spoil", "error"),
    [(flip, DigestMismatch), (distrust, UnknownKey), (misname_model, ModelError), (lie, LedgerMismatch)],
)
def test_an_alignment_that_cannot_be_leaves_nothing(
    spec: Spec, tmp_path: Path, spoil: Callable[[Spec, Path], None], error: type[M2KTError]
) -> None:
    spoil(spec, tmp_path)
    with pytest.raises(error) as caught:
        run_child("student_agent", "align", spec)
    assert type(caught.value) is error
    assert caught.value.hint
    assert not Path(spec["out"]).exists()


# What needs no process of its own


@pytest.mark.parametrize("count", ledger.COUNTS)
def test_a_ledger_that_lies_about_any_count_is_refused(tmp_path: Path, count: str) -> None:
    packet = signed(tmp_path, small_knowledge(), "liar", PacketKind.KNOWLEDGE, **{count: 77})
    with pytest.raises(LedgerMismatch, match="77"):
        open_packet(packet.path, TrustStore.from_path(packet.trust))


def test_a_file_that_is_not_there_or_no_packet(addition_packet: Signed, tmp_path: Path) -> None:
    trust = TrustStore.from_path(addition_packet.trust)
    with pytest.raises(UsageError, match="cannot read"):
        open_packet(tmp_path / "none.m2kt", trust)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ContainerError):
        open_packet(tmp_path / "text", trust)


def test_a_packet_without_concepts_cannot_be_aligned(tmp_path: Path) -> None:
    (tmp_path / "anchors").mkdir()
    key = generate()
    path, trust = tmp_path / "anchors.m2kt", tmp_path / "anchors" / "teacher.pub"
    path.write_bytes(sign_packet(make_packet(), key))
    write_public(trust, key.public_key())
    with pytest.raises(AlignmentRefused, match="kind anchors"):
        open_packet(path, TrustStore.from_path(trust))


def test_an_aggregate_opens_like_knowledge(tmp_path: Path) -> None:
    packet = signed(tmp_path, next_knowledge(), "aggregate", kind=PacketKind.AGGREGATE)
    assert open_packet(packet.path, TrustStore.from_path(packet.trust))[0].manifest.kind == "aggregate"


def test_a_good_packet_opens(addition_packet: Signed) -> None:
    packet, knowledge = open_packet(addition_packet.path, TrustStore.from_path(addition_packet.trust))
    assert packet.manifest.reference == "tests/addition@1.0.0"
    assert len(knowledge.centroids) == 9


@pytest.fixture
def behaviour_spec(student: LanguageModel, memory_directory: Path, tmp_path: Path) -> Spec:
    checks = write_checks(tmp_path / "checks.jsonl", 1)
    return {
        "model": str(student.directory),
        "checks": str(checks),
        "memories": [str(memory_directory)],
        "device": "cpu",
        "max_new_tokens": 4,
    }


def test_behaviour_is_told_before_and_after(behaviour_spec: Spec) -> None:
    found = verify.run(behaviour_spec)
    assert (found["items"], found["accuracy_before"], found["accuracy_after"]) == (9, 0.0, 1.0)
    assert found["by_tag_after"] == {"from0": 1.0, "from1": 1.0, "from2": 1.0}
    assert found["perplexity_before"] is found["perplexity_after"] is None


def test_what_is_in_force_already_counts_on_both_sides(behaviour_spec: Spec, memory_directory: Path) -> None:
    found = verify.run({**behaviour_spec, "beside": [str(memory_directory)]})
    assert (found["accuracy_before"], found["gained"], found["lost"]) == (1.0, 0, 0)


def test_other_memories_are_told_against_the_same_before(behaviour_spec: Spec, memory_directory: Path) -> None:
    alone = verify.run(behaviour_spec)
    found = verify.run({**behaviour_spec, "memories": [], "others": {"this": [str(memory_directory)], "none": []}})
    assert "accuracy_after" not in found
    assert found["others"]["this"] == {key: alone[key] for key in found["others"]["this"]}
    assert (found["others"]["none"]["accuracy_after"], found["others"]["none"]["gained"]) == (0.0, 0)


def test_without_memories_only_the_student_is_told(behaviour_spec: Spec) -> None:
    del behaviour_spec["memories"]
    found = verify.run(behaviour_spec)
    assert "accuracy_before" in found
    assert "accuracy_after" not in found


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"part": "most"}, UsageError),
        ({"checks": "none.jsonl"}, UsageError),
        ({"general": "none.txt"}, UsageError),
        ({"chekcs": "x"}, UsageError),
        ({"model": "nowhere"}, ModelError),
        ({"memories": ["nowhere"]}, ModelError),
        ({"device": "gpu"}, ModelError),
    ],
    ids=lambda value: "".join(value) if isinstance(value, dict) else "",
)
def test_a_verification_that_cannot_be_says_why(behaviour_spec: Spec, change: Spec, error: type[M2KTError]) -> None:
    with pytest.raises(error):
        verify.run({**behaviour_spec, **change})


def test_a_half_without_any_check_is_refused(behaviour_spec: Spec) -> None:
    prompt = next(f"{a} + 1 =" for a in range(99) if _half(f"{a} + 1 =") == "report")
    Path(behaviour_spec["checks"]).write_text(json.dumps({"prompt": prompt, "answer": "1"}))
    with pytest.raises(UsageError, match="no checks for the half 'decide'"):
        verify.run({**behaviour_spec, "part": "decide"})
    assert verify.run({**behaviour_spec, "part": "report"})["items"] == 1


def test_logits_of_no_state_are_the_bare_students(student: LanguageModel, tmp_path: Path) -> None:
    (tmp_path / "prompts").write_text("the cat\n0 + 1 =\n")
    found = logits.run({"model": str(student.directory), "prompts": str(tmp_path / "prompts"), "device": "cpu"})
    empty = logits.run(
        {
            "model": str(student.directory),
            "prompts": str(tmp_path / "prompts"),
            "state": str(tmp_path / "state"),
            "device": "cpu",
        }
    )
    assert found == empty
    assert (found["prompts"], found["active"]) == (2, 0)
