"""What a student takes is in force whole or not at all, and reported once: at a real broker, killed at random lines."""

import random
import resource
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from m2kt.client import OUTCOME
from m2kt.errors import BrokerAway, DiskFull, PacketRevoked
from m2kt.signing import key_id, sign_packet
from m2kt.signing.dsse import Envelope
from m2kt.signing.keys import load_private
from m2kt.signing.statement import Statement
from student_agent.activation import State
from student_agent.card import CARD, WEIGHTS
from student_agent.records import Records
from student_agent.take import Decision
from tests.killing import Killer, killer
from tests.small import small_packet
from tests.stack import Stack
from tests.student_agent.taking import HARMS, intake_of, run

Spec = dict[str, Any]


@pytest.fixture(scope="module")
def broker(running_stack: Stack) -> Stack:
    return running_stack


@pytest.fixture(scope="module")
def packets(broker: Stack) -> list[str]:
    """Three approved versions of one name."""
    teacher = load_private(broker.agent("teacher", "teacher"))
    with broker.client(teacher) as client:
        made = [client.publish(sign_packet(small_packet(f"1.{n}.0"), teacher))["packet_id"] for n in range(3)]
        for each in made:
            client.wait_for_state(each, {"approved"})
    return made


@pytest.fixture(scope="module")
def helper() -> Iterator[Killer]:
    with killer("tests.student_agent.taking", "obey") as helper:
        yield helper


@pytest.fixture
def taker(broker: Stack, packets: list[str], memory_directory: Path, tmp_path: Path) -> Spec:
    """A student with the first version in force, and the spec of taking the second."""
    return new_student(broker, packets, memory_directory, tmp_path)


def new_student(broker: Stack, packets: list[str], memory: Path, home: Path) -> Spec:
    home.mkdir(exist_ok=True)
    spec = {
        "broker": broker.url,
        "key": str(broker.agent(f"s-{random.getrandbits(48):x}", "student")),
        "trust": str(broker.trusted),
        "state": str(home / "state"),
        "memory": str(memory),
    }
    run({**spec, "packet_id": packets[0]})
    return {**spec, "packet_id": packets[1]}


def in_force(spec: Spec) -> list[str]:
    """Ids in force; every one of them is whole."""
    state = State(Path(spec["state"]))
    assert all((each / WEIGHTS).is_file() and (each / CARD).is_file() for each in state.memories())
    return [each.packet_id for each in state.active()]


def reports(broker: Stack, spec: Spec, packet_id: str) -> list[str]:
    """Decisions of this student that the broker has, in the order in which they came."""
    with broker.client() as client:
        told = [each for each in client.attestations(packet_id) if each["predicate_type"] == OUTCOME]
    said = [Statement.from_bytes(Envelope.from_bytes(b64decode(each["envelope"])).payload) for each in told]
    who = key_id(load_private(Path(spec["key"])).public_key())
    return [str(each.predicate["decision"]) for each in said if each.predicate["student"] == who]


def check_whole(broker: Stack, spec: Spec, packets: list[str]) -> None:
    """The second version is in force in place of the first, and each decision was reported once."""
    assert in_force(spec) == [packets[1]]
    assert reports(broker, spec, packets[0]) == ["accepted", "replaced"]
    assert reports(broker, spec, packets[1]) == ["accepted"]
    assert all(each.told and each.applied for each in Records(Path(spec["state"])))


def kill_while_taking(
    broker: Stack, helper: Killer, packets: list[str], memory: Path, home: Path, times: int, seed: int
) -> int:
    """Kill a take ``times``, each another student's, then let it catch up; how often the new one was there already."""
    dice, new = random.Random(seed), 0
    total = helper.run(new_student(broker, packets, memory, home / "whole"))["lines"]
    for number in range(times):
        spec = new_student(broker, packets, memory, home / str(number))
        killed = helper.run(spec, lines=dice.randint(1, total))
        after = in_force(spec)
        assert after in ([packets[0]], [packets[1]]), after
        new += after == [packets[1]]
        assert killed["killed"] or after == [packets[1]]
        helper.run(spec)
        check_whole(broker, spec, packets)
    return new


def test_a_kill_at_a_random_line_leaves_the_old_or_the_new_and_one_report(
    broker: Stack, helper: Killer, packets: list[str], memory_directory: Path, tmp_path: Path
) -> None:
    kill_while_taking(broker, helper, packets, memory_directory, tmp_path, 1, seed=20)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_fifty_kills_leave_the_old_or_the_new_and_one_report(
    broker: Stack, helper: Killer, packets: list[str], memory_directory: Path, tmp_path: Path
) -> None:
    new = kill_while_taking(broker, helper, packets, memory_directory, tmp_path, 50, seed=21)
    assert 0 < new < 50  # the dice hit both sides of the change


@pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.nightly)])
def test_a_recall_that_is_killed_is_obeyed_afterwards_and_reported_once(
    broker: Stack, helper: Killer, packets: list[str], memory_directory: Path, tmp_path: Path, times: int
) -> None:
    dice, order = random.Random(22), {"packet_id": packets[0], "recalled": True}
    total = helper.run({**new_student(broker, packets, memory_directory, tmp_path / "whole"), **order})["lines"]
    for number in range(times):
        spec = {**new_student(broker, packets, memory_directory, tmp_path / str(number)), **order}
        helper.run(spec, lines=dice.randint(1, total))
        helper.run(spec)
        assert in_force(spec) == []
        assert reports(broker, spec, packets[0]) == ["accepted", "recalled"]


@pytest.mark.parametrize("room", [*(pytest.param(each, marks=pytest.mark.nightly) for each in (0, 2000)), 300])
def test_a_disk_that_is_full_in_the_middle_of_an_activation_leaves_what_was_in_force(
    broker: Stack, packets: list[str], taker: Spec, room: int
) -> None:
    """The kernel limits what this process may write to one file: 0 refuses the first byte, more the later files."""
    intake = intake_of(taker)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with intake.client:
        data = intake.client.fetch(packets[1])
        trust = intake.client.verify(packets[1], data).key_ids
        assert trust
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
        try:
            with pytest.raises(DiskFull):
                intake.take(packets[1])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert in_force(taker) == [packets[0]]
    run(taker)
    check_whole(broker, taker, packets)


def test_reports_wait_for_a_broker_that_is_away(broker: Stack, packets: list[str], taker: Spec) -> None:
    away = intake_of({**taker, "broker": "http://127.0.0.1:9"})
    intake = intake_of(taker)
    with intake.client, away.client:
        intake.take(packets[1])
        with pytest.raises(BrokerAway):
            away.report()
        assert reports(broker, taker, packets[1]) == []
        intake.report()
        intake.report()
    check_whole(broker, taker, packets)


def test_a_version_that_harms_leaves_the_older_one_in_force(broker: Stack, packets: list[str], taker: Spec) -> None:
    intake = intake_of(taker, HARMS)
    with intake.client:
        assert intake.take(packets[1]).decision == Decision.ROLLED_BACK
        intake.report()
    assert in_force(taker) == [packets[0]]
    assert reports(broker, taker, packets[1]) == ["rolled-back"]
    assert reports(broker, taker, packets[0]) == ["accepted"]


def test_a_packet_that_comes_back_is_reported_again(broker: Stack, packets: list[str], taker: Spec) -> None:
    run(taker)
    run({**taker, "packet_id": packets[0]})
    assert in_force(taker) == [packets[0]]
    assert reports(broker, taker, packets[0]) == ["accepted", "replaced", "accepted"]
    assert reports(broker, taker, packets[1]) == ["accepted", "replaced"]


def test_what_was_aligned_with_another_model_leaves(broker: Stack, packets: list[str], taker: Spec) -> None:
    intake = intake_of(taker)
    with intake.client:
        intake.model = "sha256:" + "d" * 64
        intake.recover()
        intake.leave_strangers()
        intake.report()
        assert in_force(taker) == []
        assert intake.records.about(packets[0], intake.model).keys() == {Decision.REMOVED}
    assert reports(broker, taker, packets[0]) == ["accepted", "removed"]


def test_a_packet_that_is_recalled_while_it_is_aligned_never_comes_in(
    broker: Stack, packets: list[str], taker: Spec
) -> None:
    intake = intake_of(taker)
    children = intake.run

    def run_and_recall(module: str, job: str, spec: Spec, **options: Any) -> Spec:
        """The order comes with a heartbeat, in the middle of the alignment."""
        intake.recall(packets[1], "no good")
        return children(module, job, spec, **options)

    intake.run = run_and_recall
    with intake.client:
        with pytest.raises(PacketRevoked, match="recalled while it was aligned"):
            intake.take(packets[1])
        intake.report()
    assert in_force(taker) == [packets[0]]
    assert reports(broker, taker, packets[1]) == ["recalled"]
