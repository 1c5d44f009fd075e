"""The student's daemon itself, with real packets and real children, killed with -9 at times that dice chose."""

import random
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from m2kt.client import OUTCOME
from m2kt.signing import key_id
from m2kt.signing.dsse import Envelope
from m2kt.signing.keys import load_private
from m2kt.signing.statement import Statement
from student_agent.activation import State
from student_agent.card import CARD, WEIGHTS
from student_agent.records import Records
from tests.daemons import Daemon, daemon, until
from tests.small import small_knowledge
from tests.stack import Stack
from tests.student_agent.parts import write_checks
from tests.student_agent.test_follow import Teacher, toml

KILLS = 50
SESSION = "session epoch"


@dataclass(frozen=True)
class Student:
    broker: Stack
    home: Path
    key: Path
    options: dict[str, object]

    @contextmanager
    def run(self) -> Iterator[Daemon]:
        with daemon("student_agent", self.home, **self.options) as each:
            yield each

    def in_force(self) -> list[str]:
        """Ids in force, every one of them whole."""
        state = State(self.home / "state")
        assert all((each / WEIGHTS).is_file() and (each / CARD).is_file() for each in state.memories())
        return [each.packet_id for each in state.active()]

    def reports(self, packet_id: str) -> list[str]:
        """What the broker was told by this student, in the order in which it came."""
        with self.broker.client() as client:
            told = [each for each in client.attestations(packet_id) if each["predicate_type"] == OUTCOME]
        said = [Statement.from_bytes(Envelope.from_bytes(b64decode(each["envelope"])).payload) for each in told]
        who = key_id(load_private(self.key).public_key())
        return [str(each.predicate["decision"]) for each in said if each.predicate["student"] == who]


@pytest.fixture
def student(running_stack: Stack, student_directory: Path, tmp_path: Path) -> Student:
    told = {"subscribe": ["tests/kills:stable"], "device": "cpu", "threads": 1, "settle_seconds": 0, "poll_seconds": 1}
    (tmp_path / "student.toml").write_text(toml(**told) + "[schedule]\nsteps = 60\n")
    key = running_stack.agent("s-kills", "student")
    options: dict[str, object] = {
        "config": tmp_path / "student.toml",
        "broker": running_stack.url,
        "key": key,
        "trust": running_stack.trusted,
        "model": student_directory,
        "checks": write_checks(tmp_path / "checks.jsonl"),
    }
    return Student(running_stack, tmp_path / "s", key, options)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_a_daemon_that_is_killed_fifty_times_has_the_old_or_the_new(running_stack: Stack, student: Student) -> None:
    dice = random.Random(42)
    with running_stack.client() as client:
        teacher = Teacher(running_stack, client, "kills")
        teacher.publish(small_knowledge(0))
        begun = time.monotonic()
        with student.run() as each:
            until(lambda: student.in_force() == teacher.packets, "the first version", 300)
            whole = time.monotonic() - begun
            assert each.told_to_leave() == 0
        for _ in range(KILLS):
            if student.in_force() == teacher.packets[-1:]:
                teacher.publish(small_knowledge(len(teacher.packets)))
            with student.run() as each:
                time.sleep(dice.uniform(0, 1.2 * whole))
                each.kill()
            assert student.in_force() in (teacher.packets[-2:-1], teacher.packets[-1:])
        with student.run() as each:
            lives = each.said().count(SESSION)
            until(lambda: each.said().count(SESSION) > lives, "the session", 300)  # it listens to TERM by then
            until(lambda: student.in_force() == teacher.packets[-1:], "the last version", 300)
            until(lambda: all(record.told for record in Records(student.home / "state")), "the reports")
            assert each.told_to_leave() == 0
    assert 3 < len(teacher.packets) < KILLS  # the dice hit before and after
    assert {tuple(student.reports(each)) for each in teacher.packets[:-1]} == {("accepted", "replaced")}
    assert student.reports(teacher.packets[-1]) == ["accepted"]
