"""A student follows channels at a real broker: ten versions, one of them bad, recalls, and channels that go back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from m2kt.client import Client
from m2kt.packet import PacketId, build_packet
from m2kt.packet.knowledge import Knowledge
from m2kt.signing import sign_packet
from m2kt.signing.keys import load_private
from student_agent.activation import State
from student_agent.config import Subscription
from student_agent.follow import Follow
from student_agent.records import Records
from student_agent.take import Decision
from tests.daemons import daemon, until
from tests.small import packet_of, small_knowledge
from tests.stack import Stack
from tests.student_agent.parts import write_checks
from tests.student_agent.taking import children, intake_of
from tests.student_agent.test_take import wrong_knowledge

VERSIONS, BAD = 10, 5


@pytest.fixture(scope="module")
def broker(running_stack: Stack) -> Stack:
    return running_stack


class Teacher:
    """Publishes versions of one name and leads its channel to them."""

    def __init__(self, broker: Stack, client: Client, name: str) -> None:
        self._key = load_private(broker.agent(name, "teacher"))
        self._client, self.name = client, f"tests/{name}"
        self.packets: list[str] = []

    def publish(self, knowledge: Knowledge, parents: Sequence[str] = ()) -> str:
        """The next version, approved, and the channel at it."""
        packet = packet_of(knowledge, f"1.{len(self.packets)}.0", self.name)
        # A teacher that was trained on: of the same weights, other answers would be suspicious (docs/scan.md, drift).
        weights = f"sha256:{len(self.packets):064x}"
        taught = replace(packet.manifest.teacher, weights_sha256=weights)
        manifest = replace(packet.manifest, teacher=taught, parents=tuple(map(PacketId, parents)))
        packet = build_packet(manifest, packet.tensors)
        found = str(self._client.publish(sign_packet(packet, self._key))["packet_id"])
        self._client.wait_for_state(found, {"approved"}, 120)
        self.packets.append(found)
        self.lead(found)
        return found

    def lead(self, packet_id: str) -> None:
        etag = self._client.channel_etag(self.name, "stable")
        self._client.move_channel(self.name, "stable", packet_id=packet_id, etag=etag)


@contextmanager
def following(broker: Stack, teacher: Teacher, memory: Path, home: Path, bad: Sequence[str] = ()) -> Iterator[Follow]:
    """A student that follows the teacher; its children's work was done before."""
    home.mkdir()
    spec = {
        "broker": broker.url,
        "key": str(broker.agent(f"s-{teacher.name.rpartition('/')[2]}", "student")),
        "trust": str(broker.trusted),
        "state": str(home / "state"),
        "memory": str(memory),
    }
    intake = intake_of(spec)
    intake.run = children(memory, bad=bad)
    with intake.client:
        yield Follow(intake, [Subscription(teacher.name, "stable")])


def in_force(state: Path) -> list[str]:
    return [each.packet_id for each in State(state).active()]


def decisions(state: Path, packet_id: str) -> set[Decision]:
    return {each.decision for each in Records(state) if each.packet_id == packet_id}


@pytest.mark.parametrize(("versions", "bad"), [(3, 1), pytest.param(VERSIONS, BAD, marks=pytest.mark.nightly)])
def test_versions_are_taken_and_the_bad_one_is_rolled_back(
    broker: Stack, memory_directory: Path, tmp_path: Path, versions: int, bad: int
) -> None:
    with broker.client() as client:
        teacher = Teacher(broker, client, f"line-of-{versions}")
        with following(broker, teacher, memory_directory, tmp_path / "s", bad=[f"1.{bad}.0"]) as follow:
            assert not follow.step()  # the channel is still to be made
            for number in range(versions):
                teacher.publish(small_knowledge(number))
                assert follow.step()
                assert not follow.step()
                follow.intake.report()
                last = number - 1 if number == bad else number
                assert in_force(follow.intake.state.root) == [teacher.packets[last]]
            state = follow.intake.state.root
        assert decisions(state, teacher.packets[bad]) == {Decision.ROLLED_BACK}
        assert decisions(state, teacher.packets[-1]) == {Decision.ACCEPTED}
        assert decisions(state, teacher.packets[bad - 1]) == {Decision.ACCEPTED, Decision.REPLACED}
        assert all(each.told for each in Records(state))


def test_a_channel_that_goes_back_is_followed_and_a_revoked_head_leaves(
    broker: Stack, memory_directory: Path, tmp_path: Path
) -> None:
    with broker.client() as client:
        teacher = Teacher(broker, client, "back")
        first = teacher.publish(small_knowledge(20))
        with following(broker, teacher, memory_directory, tmp_path / "s") as follow:
            state = follow.intake.state.root
            assert follow.step()
            second = teacher.publish(small_knowledge(21))
            assert follow.step()
            assert in_force(state) == [second]
            teacher.lead(first)
            assert follow.step()
            assert in_force(state) == [first]
            client.revoke(first, "a mistake")
            assert not follow.step()  # the channel leads nowhere
            assert follow.intake.obey() == [first]
            follow.intake.report()
            assert in_force(state) == []
            teacher.lead(second)
            assert follow.step()
            assert in_force(state) == [second]
            third = teacher.publish(small_knowledge(22), parents=[second])
            assert follow.step()
            client.revoke(second, "a mistake, too")
            assert client.show(third)["state"] == "quarantined"
            assert follow.intake.obey() == [third]  # it was made of one that was taken back


def toml(**told: Any) -> str:
    return "".join(f"{name} = {value!r}\n".replace("'", '"') for name, value in told.items())


@pytest.mark.nightly
@pytest.mark.timeout(3000)
def test_a_daemon_takes_ten_real_versions_and_obeys_a_recall(
    broker: Stack, student_directory: Path, tmp_path: Path
) -> None:
    """The whole of it: real packets, alignments and verifications in real children, of a real daemon."""
    told = {"subscribe": ["tests/real:stable"], "device": "cpu", "threads": 1, "settle_seconds": 0, "poll_seconds": 2}
    (tmp_path / "student.toml").write_text(toml(**told) + "[schedule]\nsteps = 60\n")
    options = {
        "config": tmp_path / "student.toml",
        "broker": broker.url,
        "key": broker.agent("s-real", "student"),
        "trust": broker.trusted,
        "model": student_directory,
        "checks": write_checks(tmp_path / "checks.jsonl"),
    }
    with broker.client() as client:
        teacher = Teacher(broker, client, "real")
        with daemon("student_agent", tmp_path / "s", **options) as each:
            state = tmp_path / "s" / "state"
            for number in range(VERSIONS):
                made = teacher.publish(wrong_knowledge() if number == BAD else small_knowledge(number))
                until(lambda made=made: decisions(state, made), f"version {number}", 600)  # type: ignore[misc]
                last = number - 1 if number == BAD else number
                until(lambda last=last: in_force(state) == [teacher.packets[last]], f"version {last} in force", 60)  # type: ignore[misc]
            client.revoke(teacher.packets[9], "a mistake")
            until(lambda: in_force(state) == [], "the recall")
            until(lambda: all(record.told for record in Records(state)), "the reports")
            assert each.told_to_leave() == 0
    assert decisions(state, teacher.packets[BAD]) == {Decision.ROLLED_BACK}
    assert decisions(state, teacher.packets[9]) == {Decision.ACCEPTED, Decision.RECALLED}
