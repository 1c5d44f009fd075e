"""A packet becomes LoRA matrices beside a student's weights, and leaves without a trace."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from m2kt.errors import Conflict, ModelError, NotFound, NotInstalled, UsageError
from m2kt.neural.models import LanguageModel, load, weights_sha256
from m2kt.signing import TrustStore
from student_agent import consolidate as job
from student_agent.activation import State
from student_agent.adapter import attach, core_sha256, detach
from student_agent.aligned import AlignedStudent
from student_agent.artifact import load_student, save_adapter, save_memory
from student_agent.card import ADAPTER, CARD, Card, read_card
from student_agent.commands import app
from student_agent.consolidate import Consolidation, consolidate, consolidation_of
from student_agent.consolidating import consolidate as put_in_place
from student_agent.take import Decision, Outcome, Policy, Student
from tests.models import tiny_student
from tests.small import next_knowledge, small_knowledge
from tests.student_agent.parts import PAIRS, SUMS, WORDS, Signed, Taught, card_of, signed, teach, write_checks
from tests.tiny import FAMILIES, make_model

TRUTH = [str((a + b) % 3) for a, b in PAIRS]
IDS = torch.tensor([[2, 5, 3, 6], [4, 5, 4, 6]])
QUICK = Consolidation(rank=16, alpha=32, steps=160, batch=18, texts=32, length=12)
VERDICT = {
    "improvement": 0.5,
    "improvement_low": 0.4,
    "confidence": 0.95,
    "accuracy_after": 0.99,
    "accuracy_replaced": 1.0,
    "accuracy_low_after": 0.9,
    "perplexity_before": None,
    "perplexity_after": None,
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student that, other than the silent one, can learn to speak."""
    return tiny_student(tmp_path_factory.mktemp("speaker"), WORDS, seed=5)


@pytest.fixture
def lm(directory: Path) -> LanguageModel:
    return load(directory)


@pytest.fixture(scope="module")
def sums(directory: Path) -> Taught:
    return teach(load(directory), small_knowledge())


# Adapters


@pytest.mark.parametrize("family", FAMILIES)
def test_an_adapter_that_is_off_or_gone_leaves_every_bit(family: str, tmp_path: Path) -> None:
    lm = load(make_model(family, tmp_path))
    ids, digest = torch.arange(1, 13).reshape(2, 6) % lm.head.out_features, weights_sha256(lm.model)
    before = AlignedStudent(lm).logits(ids)
    adapter = attach(lm, "one", 4, 8)
    for tensor in adapter.tensors(lm).values():
        torch.nn.init.normal_(tensor, std=0.5)
    assert torch.equal(AlignedStudent(lm).logits(ids), before)
    assert not torch.allclose(AlignedStudent(lm, adapters=(adapter,)).logits(ids), before, atol=1e-3)
    assert torch.equal(AlignedStudent(lm).logits(ids), before)  # on is on for one call only
    assert core_sha256(lm) == digest
    detach(lm, adapter)
    assert torch.equal(AlignedStudent(lm).logits(ids), before)


def test_a_fresh_adapter_changes_nothing(lm: LanguageModel) -> None:
    before = AlignedStudent(lm).logits(IDS)
    torch.testing.assert_close(AlignedStudent(lm, adapters=(attach(lm, "one", 4, 8),)).logits(IDS), before)


def test_several_adapters_add_up_and_each_can_speak_alone(lm: LanguageModel) -> None:
    made = [attach(lm, name, 4, 8) for name in ("one", "two")]
    for each in made:
        for tensor in each.tensors(lm).values():
            torch.nn.init.normal_(tensor, std=0.3)
    first, second, both, bare = (
        AlignedStudent(lm, adapters=some).logits(IDS) for some in ((made[0],), (made[1],), tuple(made), ())
    )
    assert not torch.allclose(first, second, atol=1e-3)
    assert not torch.allclose(both, first, atol=1e-3)
    assert torch.equal(AlignedStudent(lm).logits(IDS), bare)


def test_a_memory_beside_an_adapter_reads_the_states_that_it_was_trained_on(lm: LanguageModel, sums: Taught) -> None:
    adapter = attach(lm, "one", 4, 8)
    for tensor in adapter.tensors(lm).values():
        torch.nn.init.normal_(tensor, std=0.3)
    speaker = AlignedStudent(lm, (sums.memory,), (adapter,))
    assert [each.strip() for each in speaker.write(SUMS, 1)] == TRUTH


def test_without_peft_it_says_what_to_install(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(NotInstalled, match="peft") as caught:
        attach(lm, "one", 4, 8)
    assert "m2kt[lora]" in caught.value.hint
    assert AlignedStudent(lm).write(SUMS[:1], 1)  # nobody else needs it


# Learning


def test_a_student_says_without_the_memory_what_it_said_with_it(
    lm: LanguageModel, sums: Taught, tmp_path: Path
) -> None:
    before, digest = AlignedStudent(lm).logits(IDS), core_sha256(lm)
    adapter, report = consolidate(lm, sums.memory, small_knowledge(), QUICK)
    assert [each.strip() for each in AlignedStudent(lm, adapters=(adapter,)).write(SUMS, 1)] == TRUTH
    assert report["losses"][-1] < report["losses"][0]
    assert report["trained_parameters"] == sum(each.numel() for each in adapter.tensors(lm).values())
    assert core_sha256(lm) == digest
    assert torch.equal(AlignedStudent(lm).logits(IDS), before)
    # to disk and back, beside a student that was loaded anew
    card = Card("sha256:0", "a@1.0.0", digest, {"rank": 16, "alpha": 32}, report, kind=ADAPTER)
    save_adapter(tmp_path / "adapter", lm, adapter, card)
    fresh = load(lm.directory)
    again = load_student(fresh, [tmp_path / "adapter"])
    torch.testing.assert_close(again.logits(IDS), AlignedStudent(lm, adapters=(adapter,)).logits(IDS))
    assert torch.equal(load_student(fresh, []).logits(IDS), before)


@pytest.mark.parametrize("wrong", [{"rank": 0}, {"ranks": 3}, {"steps": 2.5}, {"rate": "fast"}, {"batch": True}])
def test_settings_of_nonsense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="consolidation"):
        consolidation_of(wrong)


def saved(lm: LanguageModel, directory: Path) -> Path:
    adapter = attach(lm, "one", 4, 8)
    save_adapter(
        directory, lm, adapter, Card("sha256:0", "a@1.0.0", core_sha256(lm), {"rank": 4, "alpha": 8}, {}, kind=ADAPTER)
    )
    return directory


def test_another_students_adapter_and_a_damaged_one_are_refused(
    lm: LanguageModel, other_student: LanguageModel, student: LanguageModel, tmp_path: Path
) -> None:
    directory = saved(lm, tmp_path / "adapter")
    with pytest.raises(ModelError, match="another student"):
        load_student(student, [directory])
    card = json.loads((directory / CARD).read_bytes())
    (directory / CARD).write_text(json.dumps({**card, "shape": {"rank": 5, "alpha": 8}}))
    with pytest.raises(ModelError, match="damaged"):
        load_student(load(lm.directory), [directory])


# In force


def scene(directory: Path, sums: Taught, packet: Signed, home: Path) -> tuple[Student, State]:
    """A student with the packet's memory in force."""
    lm, packet_id = load(directory), packet_id_of(packet)
    save_memory(home / "memory", sums.memory, card_of(lm, sums, packet_id))
    state = State(home / "state")
    with state.changing():
        state.activate(state.adopt(home / "memory"))
    return Student(directory, state.root, write_checks(home / "checks.jsonl"), device="cpu", threads=1), state


def packet_id_of(packet: Signed) -> str:
    from m2kt.packet import read_packet

    return read_packet(packet.path.read_bytes()).packet_id


def children(out: Path, verdict: Mapping[str, Any]) -> Any:
    """As `run_child`, for an adapter that was trained before."""

    def run(module: str, job: str, spec: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        if job == "verify":
            assert [len(spec[each]) for each in ("memories", "beside", "replaced")] == [1, 0, 1]
            return dict(verdict)
        Path(spec["out"]).mkdir()
        for each in out.iterdir():
            (Path(spec["out"]) / each.name).write_bytes(each.read_bytes())
        return {"steps": 1}

    return run


def consolidated(student: Student, packet: Signed, run: Any) -> Outcome:
    trust = TrustStore.from_directory(packet.trust)
    return put_in_place(
        packet.path.read_bytes(), trust, student, Policy(), {}, lambda _: None, student.state / "log", run
    )


def test_an_adapter_takes_the_memorys_place_and_is_removed_like_one(
    directory: Path, sums: Taught, addition_packet: Signed, tmp_path: Path
) -> None:
    student, state = scene(directory, sums, addition_packet, tmp_path)
    lm = load(directory)
    before = AlignedStudent(lm).logits(IDS)
    made = saved(load(directory), tmp_path / "adapter")
    card = replace(read_card(made), packet_id=packet_id_of(addition_packet), packet="tests/addition@1.0.0")
    (made / CARD).write_bytes(card.to_bytes())
    outcome = consolidated(student, addition_packet, children(made, VERDICT))
    assert (outcome.decision, outcome.te_low) == (Decision.ACCEPTED, 0.9)
    (active,) = state.active()
    assert read_card(state.memory(active)).kind == ADAPTER
    assert not list(student.state.glob(".consolidate-*"))
    state.remove(active.packet_id)
    assert torch.equal(load_student(lm, state.memories()).logits(IDS), before)


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        ({**VERDICT, "accuracy_after": 0.97}, "the version in force has 1.000"),
        ({**VERDICT, "improvement_low": -0.1}, "not proven"),
        ({**VERDICT, "perplexity_before": 10.0, "perplexity_after": 10.2}, "perplexity"),
    ],
)
def test_an_adapter_that_does_less_well_leaves_the_memory_in_force(
    directory: Path, sums: Taught, addition_packet: Signed, tmp_path: Path, verdict: dict[str, Any], reason: str
) -> None:
    student, state = scene(directory, sums, addition_packet, tmp_path)
    memory = state.active()
    outcome = consolidated(student, addition_packet, children(saved(load(directory), tmp_path / "adapter"), verdict))
    assert outcome.decision == Decision.ROLLED_BACK
    assert reason in outcome.reason
    assert state.active() == memory


def test_what_is_not_in_force_is_not_consolidated(
    directory: Path, sums: Taught, addition_packet: Signed, tmp_path: Path
) -> None:
    student, state = scene(directory, sums, addition_packet, tmp_path)
    with pytest.raises(NotFound, match="not active"):
        consolidated(student, signed(tmp_path, next_knowledge(), "next"), children(tmp_path, VERDICT))
    gone = children(saved(load(directory), tmp_path / "adapter"), VERDICT)

    def recalled(module: str, job: str, spec: Mapping[str, Any], **given: Any) -> dict[str, Any]:
        if job == "verify":
            state.remove(packet_id_of(addition_packet))
        return gone(module, job, spec, **given)  # type: ignore[no-any-return]

    with pytest.raises(Conflict, match="left while"):
        consolidated(student, addition_packet, recalled)
    assert state.active() == []


@pytest.mark.nightly
def test_the_command_refuses_what_its_few_steps_taught_and_keeps_the_memory(
    directory: Path, sums: Taught, addition_packet: Signed, tmp_path: Path
) -> None:
    """Real children: two steps teach nothing, so the memory stays, and the student's logits are what they were."""
    student, state = scene(directory, sums, addition_packet, tmp_path)
    active = state.active()
    told = ["consolidate", str(addition_packet.path), "--model", str(directory), "--state", str(student.state)]
    told += ["--trust", str(addition_packet.trust), "--checks", str(student.checks), "--steps", "2", "--rank", "2"]
    told += ["--device", "cpu", "--threads", "1", "--log", str(tmp_path / "log")]
    found = CliRunner().invoke(app, told)
    assert (found.exit_code, found.output.split(":")[0]) == (3, "rolled-back")
    assert state.active() == active


@pytest.fixture
def spec(directory: Path, addition_packet: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A consolidation, in this process, which holds what a job's own may not."""
    monkeypatch.setattr(job, "isolate", lambda: None)
    return {
        "packet": str(addition_packet.path),
        "trust": str(addition_packet.trust),
        "model": str(directory),
        "memory": str(tmp_path / "memory"),
        "out": str(tmp_path / "out"),
        "device": "cpu",
        "schedule": {"steps": 2, "rank": 2, "texts": 8, "batch": 4},
    }


def test_the_job_writes_an_adapter_that_loads(
    spec: dict[str, Any], directory: Path, sums: Taught, addition_packet: Signed, tmp_path: Path
) -> None:
    lm = load(directory)
    save_memory(tmp_path / "memory", sums.memory, card_of(lm, sums, packet_id_of(addition_packet)))
    found = job.run(spec)
    assert (found["steps"], len(found["losses"])) == (2, 2)
    assert load_student(lm, [Path(found["adapter"])]).adapters


def test_the_job_refuses_another_packets_memory(
    spec: dict[str, Any], directory: Path, sums: Taught, tmp_path: Path
) -> None:
    save_memory(tmp_path / "memory", sums.memory, card_of(load(directory), sums))
    with pytest.raises(ModelError, match="holds no memory of sha256"):
        job.run(spec)
    assert not (tmp_path / "out").exists()
