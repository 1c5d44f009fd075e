"""The whole static path as a person types it: anchors, concepts, ground, classify, remove; and what is refused.

The models are tiny and untrained, of two families; a student's children are processes of their own.
"""

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from m2kt.anchors import strokes
from m2kt.cli.edge import run_app
from m2kt.errors import AlignmentRefused, ModelError, NotFound, SameFamily, UsageError
from student_agent import commands as student
from student_agent.heads import Heads
from teacher_agent import commands as teacher
from teacher_agent import static_commands
from teacher_agent.__main__ import JOBS
from tests.static_parts import labelled, write_task


def typed(root: Path, line: str) -> list[str]:
    """The words of a command; those in braces are files in ``root``."""
    return [str(root / each[1:-1]) if each.startswith("{") else each for each in line.split()]


def teach(root: Path, line: str) -> int:
    return run_app(teacher.app, "teacher_agent", typed(root, line))


def learn(root: Path, line: str) -> int:
    return run_app(student.app, "student_agent", typed(root, line))


def here(_: str, job: str, spec: dict[str, Any], **__: Any) -> dict[str, Any]:
    """A teacher's job in this process, which saves the child's start; the nightly test below has all of them."""
    return import_module(JOBS[job]).run(json.loads(json.dumps(spec)))


GROUND = (
    "ground {concepts.m2kt} --anchors {anchors.m2kt} --set {set.txt} --trust {key.pub} --state {state} "
    "--threads 1 --log {ground.log}"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher's two packets, and a student in which they are grounded, all by command."""
    made = write_task(tmp_path_factory.mktemp("static"))
    shared = "--model {teacher} --set {set.txt} --version 1.0.0 --key {key.pem} --threads 1 --layer 0"
    files = "--labelled {labelled.tsv} --probes {probes.txt} --out {concepts.m2kt} --log {c.log}"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(static_commands, "run_child", here)
        assert teach(made, f"anchors {shared} --name acme/anchors --out {{anchors.m2kt}} --log {{a.log}}") == 0
        assert teach(made, f"concepts {shared} {files} --name acme/halves --count 20") == 0
    assert learn(made, f"{GROUND} --model {{student}} --layer 0") == 0
    return made


def test_a_student_that_saw_no_label_is_right_far_above_chance(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert learn(root, "classify --model {student} --state {state} --labelled {test.tsv}") == 0
    told = re.fullmatch(r"right (\d+) of 64: (\S+) \(the commonest label: (\S+)\)\n", capsys.readouterr().out)
    assert told
    assert float(told[2]) > 0.85 > float(told[3])


def test_texts_and_files_are_classified_line_by_line(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = labelled()[200][0]
    (tmp_path / "new.txt").write_text(f"{text}\n# a comment\n\n{labelled()[201][0]}\n")
    assert learn(root, f"classify --model {{student}} --state {{state}} --file {tmp_path / 'new.txt'}") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"(low|high)\t[01]\.\d{{3}}\t{text}", first)
    arguments = ["classify", "--model", str(root / "student"), "--state", str(root / "state"), text]
    assert run_app(student.app, "student_agent", arguments) == 0
    assert capsys.readouterr().out.strip() == first
    assert second.endswith(labelled()[201][0])


@pytest.mark.parametrize(
    ("line", "status", "why"),
    [
        ("--model {student}", UsageError.exit_code, "give texts, or a file of inputs"),
        ("--file {probes.txt}", UsageError.exit_code, "next: Name it with --model."),
        ("--model {teacher} --file {probes.txt}", AlignmentRefused.exit_code, "grounded in another student"),
        ("--model {nowhere} --file {probes.txt}", ModelError.exit_code, "there is no directory"),
        ("--model {student} --file {nowhere}", UsageError.exit_code, "cannot read"),
        (
            "--model {student} --file {probes.txt} --packet acme/other",
            NotFound.exit_code,
            "In force: acme/halves@1.0.0.",
        ),
        ("--model {student} --labelled {probes.txt}", UsageError.exit_code, "line 2: no label"),
        ("--model {student} --labelled {strange.tsv}", UsageError.exit_code, "does not say: 'middle'"),
    ],
)
def test_what_cannot_be_classified_is_two_lines_with_the_next_step(
    root: Path, capsys: pytest.CaptureFixture[str], line: str, status: int, why: str
) -> None:
    (root / "strange.tsv").write_text("w1 w2\tmiddle\n")
    assert learn(root, f"classify --state {{state}} {line}") == status
    said = capsys.readouterr()
    assert why in said.err
    assert (said.out, said.err.count("\n"), "\nnext: " in said.err) == ("", 2, True)


def test_a_packet_of_the_students_own_family_is_refused_and_what_is_in_force_stays(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Heads(root / "state").active()
    assert learn(root, f"{GROUND} --model {{teacher}}") == SameFamily.exit_code
    assert "the teacher's weights are this student's own" in capsys.readouterr().err
    assert Heads(root / "state").active() == before
    assert [each.name for each in (root / "state" / "heads").iterdir()] == [before[0].directory]


def test_a_head_that_changed_on_the_disk_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next((root / "state" / "heads").iterdir()) / "head.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    try:
        assert learn(root, "classify w1 --model {student} --state {state}") == ModelError.exit_code
        assert "changed after it was written" in capsys.readouterr().err
    finally:
        path.write_bytes(data)


def test_removing_the_packet_removes_the_knowledge(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (head,) = Heads(root / "state").active()
    assert learn(root, "list --state {state}") == 0
    assert capsys.readouterr().out == f"{head.packet_id}  {head.directory}  head of acme/halves@1.0.0\n"
    assert learn(root, f"remove {head.packet_id} --state {{state}}") == 0
    assert list((root / "state" / "heads").iterdir()) == []
    assert learn(root, "classify w1 --model {student} --state {state}") == NotFound.exit_code
    assert "Ground a packet first" in capsys.readouterr().err
    assert learn(root, f"remove {head.packet_id} --state {{state}}") == NotFound.exit_code


@pytest.mark.nightly  # three more children
def test_plain_modules_teach_each_other_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    levels = strokes(700, 8, np.random.default_rng(9))
    names = np.where(
        levels[:, :4].sum((1, 2), dtype=np.int64) > levels[:, 4:].sum((1, 2), dtype=np.int64), "up", "down"
    )
    for name, part in (("labelled", slice(0, 200)), ("probes", slice(200, 500)), ("test", slice(500, 700))):
        told = {} if name == "probes" else {"labels": names[part]}
        np.savez(tmp_path / f"{name}.npz", images=levels[part], **told)
    (tmp_path / "set.json").write_text('{"recipe": "strokes/1", "count": 400, "side": 8, "seed": 7}')
    for name, settings in (("teacher", '{"seed": 1, "width": 48}'), ("student", '{"seed": 2, "width": 40}')):
        (tmp_path / f"{name}.json").write_text(settings)
    write_task(tmp_path)  # for its key
    plugged = "--encoder tests.static_parts:image_encoder --set {set.json} --threads 1"
    shared = f"{plugged} --settings {{teacher.json}} --version 1.0.0 --key {{key.pem}}"
    assert teach(tmp_path, f"anchors {shared} --name acme/strokes --out {{anchors.m2kt}} --log {{a.log}}") == 0
    files = "--labelled {labelled.npz} --probes {probes.npz} --out {concepts.m2kt} --log {c.log}"
    assert teach(tmp_path, f"concepts {shared} {files} --name acme/halves --count 40") == 0
    line = GROUND.replace("--set {set.txt} ", "").replace("--threads 1 ", "")
    allowed = "--settings {student.json} --allow-same-family sequential"
    assert learn(tmp_path, f"{line} {plugged} {allowed}") == 0
    capsys.readouterr()
    assert learn(tmp_path, "classify --state {state} --labelled {test.npz}") == 0
    told = re.match(r"right \d+ of 200: (\S+) \(the commonest label: (\S+)\)", capsys.readouterr().out)
    assert told
    assert float(told[1]) > 0.8 > float(told[2])
    assert learn(tmp_path, "classify --state {state} --file {test.npz}") == 0
    assert capsys.readouterr().out.splitlines()[199].endswith("\timage 199")
