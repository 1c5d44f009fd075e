"""A teacher that is killed with -9 publishes every state of its model, and none twice."""

import random
from pathlib import Path
from typing import Any

import pytest

from m2kt.agent.directory import digest
from tests.killing import Killer, killer
from tests.stack import Stack


@pytest.fixture(scope="module")
def broker(running_stack: Stack) -> Stack:
    return running_stack


def teacher(broker: Stack, home: Path, name: str) -> dict[str, Any]:
    (home / "model").mkdir(parents=True)
    return {
        "broker": broker.url,
        "key": str(broker.agent(name, "teacher")),
        "model": str(home / "model"),
        "state": str(home / "state"),
        "name": f"tests/{name}",
    }


def change(spec: dict[str, Any], number: int) -> str:
    """Another state of the model; returns its digest."""
    model = Path(spec["model"])
    (model / "weights").write_bytes(b"%d" % number)
    return digest(model)


def published(broker: Stack, spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Oldest first, with manifests."""
    with broker.client() as client:
        return [client.show(each["packet_id"]) for each in reversed(list(client.list(name=spec["name"])))]


def kill_often(broker: Stack, helper: Killer, spec: dict[str, Any], kills: int, seed: int) -> None:
    """Kill the daemon's work at random lines; the model changes whenever its present state is published."""
    dice, states = random.Random(seed), [change(spec, 0)]
    total = helper.run(spec)["lines"]
    for number in range(1, kills + 1):
        states.append(change(spec, number))
        helper.run(spec, lines=dice.randint(1, total))
        if dice.random() < 0.3:  # killed while it catches up, too
            helper.run(spec, lines=dice.randint(1, total))
        weights = [each["teacher"]["weights_sha256"] for each in published(broker, spec)]
        assert weights in (states[:-1], states)  # never twice, never one that was not due
        helper.run(spec)
        check(broker, spec, states)


def check(broker: Stack, spec: dict[str, Any], states: list[str]) -> None:
    found = published(broker, spec)
    assert [each["teacher"]["weights_sha256"] for each in found] == states
    assert [each["version"] for each in found] == [f"1.{n}.0" for n in range(len(states))]
    parents = [each["manifest"]["parents"] for each in found]
    assert parents == [[], *([each["packet_id"]] for each in found[:-1])]
    assert not list((Path(spec["state"]) / "packets").iterdir())


def test_a_kill_at_a_random_line_publishes_nothing_twice(broker: Stack, tmp_path: Path) -> None:
    with killer("tests.teacher_agent.publishing", "run") as helper:
        kill_often(broker, helper, teacher(broker, tmp_path, "few"), 1, seed=30)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_fifty_kills_publish_nothing_twice(broker: Stack, tmp_path: Path) -> None:
    with killer("tests.teacher_agent.publishing", "run") as helper:
        kill_often(broker, helper, teacher(broker, tmp_path, "many"), 50, seed=31)
