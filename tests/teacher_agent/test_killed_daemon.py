"""The teacher's daemon itself, with its real extractions in real children, killed with -9 at times that dice chose."""

import json
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from m2kt.neural.models import load, weights_sha256
from tests.daemons import Daemon, daemon, until
from tests.models import EXAMPLES
from tests.stack import Stack
from tests.teacher_agent.test_schedule import TINY, nudge

KILLS = 50


@dataclass(frozen=True)
class Line:
    """A teacher's model, and what a broker has of it."""

    broker: Stack
    home: Path
    name: str

    @property
    def model(self) -> Path:
        return self.home / "model"

    def due(self) -> str:
        """Digest of the model's weights as they are now."""
        return weights_sha256(load(self.model, torch.device("cpu")).model)

    def run(self) -> Any:
        return daemon("teacher_agent", self.home, config=self.home / "teacher.toml")

    def published(self) -> list[dict[str, Any]]:
        """Oldest first, with manifests."""
        with self.broker.client() as client:
            return [client.show(each["packet_id"]) for each in reversed(list(client.list(name=self.name)))]

    def states(self) -> list[str]:
        """Digests of the weights that were published, oldest first."""
        return [str(each["teacher"]["weights_sha256"]) for each in self.published()]


@pytest.fixture
def line(running_stack: Stack, tmp_path: Path) -> Line:
    shutil.copytree(EXAMPLES / "teacher", tmp_path / "model")
    told = {
        "broker": running_stack.url,
        "key": str(running_stack.agent("t-killed", "teacher")),
        "model": "model",
        "device": "cpu",
        "threads": 1,
        "look_seconds": 0.2,
        "settle_seconds": 0.0,
    }
    settings = {name: value for name, value in TINY.items() if name != "swap"}
    sections: dict[str, dict[str, Any]] = {
        "publish": {"chains": "tests/killed"},
        "settings": settings,
        "settings.swap": TINY["swap"],
    }
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in told.items())
    for section, values in sections.items():
        text += f"[{section}]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
    (tmp_path / "teacher.toml").write_text(text)
    return Line(running_stack, tmp_path, "tests/killed")


def one_whole_run(line: Line) -> float:
    """Seconds from the daemon's start until the first state is published."""
    begun = time.monotonic()
    with line.run() as each:
        until(line.states, "the first version", 300)
        found = time.monotonic() - begun
        leave(each)
    return found


def leave(each: Daemon) -> None:
    assert each.told_to_leave() == 0, each.said()


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_a_daemon_that_is_killed_fifty_times_publishes_each_state_once(line: Line) -> None:
    dice, states = random.Random(41), [line.due()]
    whole = one_whole_run(line)
    for number in range(KILLS):
        if line.states() == states:  # what is due was published: another state is due
            nudge(line.model, 1e-4 * (number + 1))
            states.append(line.due())
        with line.run() as each:
            time.sleep(dice.uniform(0, 1.2 * whole))
            each.kill()
        assert line.states() in (states[:-1], states)  # never twice, never one that was not due
    with line.run() as each:
        until(lambda: line.states() == states, "the last version", 300)
        leave(each)
    assert 3 < len(states) < KILLS  # the dice hit before and after
    found = line.published()
    assert [each["version"] for each in found] == [f"1.{number}.0" for number in range(len(states))]
    parents = [each["manifest"]["parents"] for each in found]
    assert parents == [[], *([each["packet_id"]] for each in found[:-1])]
