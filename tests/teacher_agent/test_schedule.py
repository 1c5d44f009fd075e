"""A teacher publishes each state of its model once: at a real broker, with real extractions."""

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from m2kt.agent.drain import Drain
from m2kt.agent.supervise import Interrupted
from m2kt.client import Client
from m2kt.errors import BrokerAway
from m2kt.signing import key_id, sign_packet
from m2kt.signing.keys import load_private
from teacher_agent.checkpoint import Checkpoints, Line, Pending
from teacher_agent.config import Config
from teacher_agent.schedule import Schedule
from tests.models import EXAMPLES
from tests.small import packet_of, small_knowledge, small_packet
from tests.stack import Stack

TINY = {"probes": 120, "least_chains": 8, "least_support": 1, "floor": 0.2, "swap": {"chains": 8, "swaps": 1}}


@pytest.fixture(scope="module")
def broker(running_stack: Stack) -> Stack:
    return running_stack


@pytest.fixture
def config(broker: Stack, tmp_path: Path, request: pytest.FixtureRequest) -> Config:
    """A teacher of its own, with a model of its own and a name of its own."""
    who = f"t-{tmp_path.name}"
    shutil.copytree(EXAMPLES / "teacher", tmp_path / "model")
    return Config(
        broker=broker.url,
        key=broker.agent(who.replace("_", "-"), "teacher"),
        model=tmp_path / "model",
        state=tmp_path / "state",
        publish={"chains": f"tests/{tmp_path.name.replace('_', '-')}"},
        settings=TINY,
        device="cpu",
        threads=1,
        settle_seconds=0.0,
    )


def nudge(model: Path, amount: float = 1e-4) -> None:
    """Another state of the same teacher: every weight a little off, as after a step of training."""
    path = model / "model.safetensors"
    weights = load_file(path)
    generator = torch.Generator().manual_seed(1)
    noisy = {
        name: each + amount * torch.randn(each.shape, generator=generator) if each.is_floating_point() else each
        for name, each in weights.items()
    }
    save_file(noisy, path.with_suffix(".new"), {"format": "pt"})
    path.with_suffix(".new").replace(path)


ScheduleOf = Callable[..., Schedule]


@pytest.fixture
def schedule_of() -> Iterator[ScheduleOf]:
    """A schedule as the daemon makes it; its client is closed afterwards."""
    with ExitStack() as opened:

        def make(config: Config, url: str | None = None) -> Schedule:
            key = load_private(config.key)
            client = opened.enter_context(Client(url or config.broker, key))
            return Schedule(config, client, key_id(key.public_key()), Drain(5))

        yield make


def name_of(config: Config) -> str:
    return config.publish["chains"]


def published(broker: Stack, config: Config) -> list[dict[str, Any]]:
    """Versions of the teacher's name, oldest first, with their manifests."""
    with broker.client() as client:
        found = list(client.list(name=name_of(config)))
        return [client.show(each["packet_id"]) for each in reversed(found)]


@pytest.mark.nightly  # two extractions; test_kills.py has the chain of versions without them
def test_a_changed_model_is_published_as_the_next_version_with_its_parent(
    broker: Stack, config: Config, schedule_of: ScheduleOf
) -> None:
    schedule = schedule_of(config)
    assert schedule.step()
    assert not schedule.step()
    nudge(config.model)
    assert schedule.step()
    first, second = published(broker, config)
    assert (first["version"], second["version"]) == ("1.0.0", "1.1.0")
    assert first["manifest"]["parents"] == []
    assert second["manifest"]["parents"] == [first["packet_id"]]
    assert first["teacher"]["weights_sha256"] != second["teacher"]["weights_sha256"]
    assert not list((config.state / "packets").iterdir())


def pending(config: Config, data: bytes, source: str = "sha256:0") -> None:
    """As a kill leaves it after the extraction: version chosen, packet made, and not known to be published."""
    kept = Checkpoints(config.state)
    kept.write(name_of(config), Line(pending=Pending(source, "1.0.0")))
    path = kept.packet(name_of(config), "1.0.0")
    path.parent.mkdir(parents=True)
    path.write_bytes(data)


@pytest.mark.parametrize("before_the_kill", [pytest.param(False, marks=pytest.mark.nightly), True])
def test_what_was_extracted_and_not_known_to_be_published_is_published_as_it_is(
    broker: Stack, config: Config, schedule_of: ScheduleOf, before_the_kill: bool
) -> None:
    data = sign_packet(small_packet(name=name_of(config)), load_private(config.key))
    pending(config, data)
    schedule = schedule_of(replace(config, settle_seconds=1000))
    if before_the_kill:
        schedule.client.publish(data)
    assert schedule.step()
    (found,) = published(broker, config)
    line = Checkpoints(config.state).read(name_of(config))
    assert line.published
    assert found["packet_id"] == line.published.packet_id
    assert line.pending is None


def test_a_version_that_somebody_else_took_is_not_taken_again(
    broker: Stack, config: Config, schedule_of: ScheduleOf, caplog: pytest.LogCaptureFixture
) -> None:
    data = sign_packet(small_packet(name=name_of(config)), load_private(config.key))
    with broker.client() as client:
        theirs = packet_of(small_knowledge(2), name=name_of(config))
        client.publish(sign_packet(theirs, broker.admin))
    pending(config, data)
    caplog.set_level(logging.WARNING)
    assert schedule_of(replace(config, settle_seconds=1000)).step()
    assert "taking the next version" in caplog.text
    assert Checkpoints(config.state).read(name_of(config)).pending is None
    assert len(published(broker, config)) == 1


def test_a_broker_that_is_away_costs_nothing_that_was_extracted(
    broker: Stack, config: Config, schedule_of: ScheduleOf
) -> None:
    data = sign_packet(small_packet(name=name_of(config)), load_private(config.key))
    pending(config, data)
    away = schedule_of(replace(config, settle_seconds=1000), "http://127.0.0.1:9")
    assert not away.step()
    assert Checkpoints(config.state).packet(name_of(config), "1.0.0").read_bytes() == data
    with pytest.raises(BrokerAway):
        away.client.broker()
    assert schedule_of(replace(config, settle_seconds=1000)).step()
    assert len(published(broker, config)) == 1


@pytest.mark.nightly
def test_a_model_that_gives_no_packet_is_not_asked_again(
    broker: Stack, config: Config, schedule_of: ScheduleOf
) -> None:
    (config.model / "model.safetensors").write_bytes(b"no weights")
    schedule = schedule_of(config)
    assert schedule.step()
    assert not schedule.step()
    refused = Checkpoints(config.state).read(name_of(config)).refused
    assert refused
    assert refused.code == "model-invalid"
    assert published(broker, config) == []


@pytest.mark.nightly
def test_a_drain_ends_the_extraction_and_keeps_the_version_for_the_next_start(
    broker: Stack, config: Config, schedule_of: ScheduleOf
) -> None:
    schedule = schedule_of(config)
    schedule.drain.ask("a test", at_once=True)
    with pytest.raises(Interrupted):
        schedule.step()
    line = Checkpoints(config.state).read(name_of(config))
    assert line.pending
    assert line.pending.version == "1.0.0"
    assert published(broker, config) == []
    assert json.loads((config.state / "lines" / f"{name_of(config).replace('/', '%2F')}.json").read_text())["pending"]


@pytest.mark.nightly
def test_another_file_beside_the_weights_is_no_new_version(
    broker: Stack, config: Config, schedule_of: ScheduleOf
) -> None:
    schedule = schedule_of(config)
    assert schedule.step()
    (config.model / "README.md").write_text("the same weights")
    assert schedule.step()  # an extraction that says the same
    assert not schedule.step()
    assert [each["version"] for each in published(broker, config)] == ["1.0.0"]


def test_a_teacher_that_lost_its_state_publishes_nothing_twice(
    broker: Stack, config: Config, schedule_of: ScheduleOf
) -> None:
    data = sign_packet(small_packet(name=name_of(config)), load_private(config.key))
    schedule = schedule_of(replace(config, settle_seconds=1000))
    schedule.client.publish(data)
    again = small_packet(name=name_of(config), version="1.1.0")
    kept = Checkpoints(config.state)
    pending(config, b"")
    kept.packet(name_of(config), "1.0.0").unlink()
    kept.write(name_of(config), Line(pending=Pending("sha256:0", "1.1.0")))
    kept.packet(name_of(config), "1.1.0").write_bytes(sign_packet(again, load_private(config.key)))
    assert schedule.step()
    (found,) = published(broker, config)
    line = kept.read(name_of(config))
    assert line.published
    assert (line.published.packet_id, line.published.version) == (found["packet_id"], "1.0.0")


def test_a_channel_is_led_to_what_was_approved(broker: Stack, config: Config, schedule_of: ScheduleOf) -> None:
    pending(config, sign_packet(small_packet(name=name_of(config)), load_private(config.key)))
    schedule = schedule_of(replace(config, settle_seconds=1000, channel="stable"))
    assert schedule.step()
    (found,) = published(broker, config)
    with broker.client() as client:
        client.wait_for_state(found["packet_id"], {"approved"}, 120)
        assert not schedule.step()
        assert client.channel(name_of(config), "stable").packet_id == found["packet_id"]
    line = Checkpoints(config.state).read(name_of(config))
    assert line.published
    assert line.published.led


@pytest.mark.nightly
def test_a_channel_that_is_anothers_to_lead_stays(
    broker: Stack, config: Config, schedule_of: ScheduleOf, caplog: pytest.LogCaptureFixture
) -> None:
    with broker.client() as client:
        first = client.publish(sign_packet(packet_of(small_knowledge(2), "0.9.0", name_of(config)), broker.admin))
        client.wait_for_state(first["packet_id"], {"approved"}, 120)
        pending(config, sign_packet(small_packet(name=name_of(config)), load_private(config.key)))
        schedule = schedule_of(replace(config, settle_seconds=1000, channel="stable"))
        assert schedule.step()
        ours = published(broker, config)[-1]["packet_id"]
        client.wait_for_state(ours, {"approved"}, 120)
        schedule.step()
        assert client.channel_etag(name_of(config), "stable") is None
    assert "stays where it is" in caplog.text
    assert not schedule.step()
