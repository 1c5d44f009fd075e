"""A teacher's schedule whose extractions were done before: for tests that kill it, again and again.

The packet is signed and of the model's present bytes, as a real one; only the hour of GPU work is missing. `run` is
what a killed process does (`tests.killing`).
"""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from m2kt.agent.child import OnProgress
from m2kt.agent.directory import digest
from m2kt.agent.drain import Drain
from m2kt.agent.guard import Guard
from m2kt.client import Client
from m2kt.files import write_atomically
from m2kt.packet import PacketId, build_packet
from m2kt.signing import key_id, sign_packet
from m2kt.signing.keys import load_private
from teacher_agent.config import Config
from teacher_agent.extraction import Wanted
from teacher_agent.schedule import Schedule
from tests.small import small_packet


def extracted(path: Path, wanted: Wanted, config: Config, guard: Guard, drain: Drain, on_progress: OnProgress) -> None:
    """A signed packet whose teacher is the model as it is now."""
    packet = small_packet(wanted.version, wanted.name)
    teacher = replace(packet.manifest.teacher, weights_sha256=digest(config.model))
    manifest = replace(packet.manifest, teacher=teacher, parents=tuple(map(PacketId, wanted.parents)))
    data = sign_packet(build_packet(manifest, packet.tensors), load_private(config.key))
    write_atomically(path, data)


def schedule_of(spec: dict[str, Any], opened: ExitStack) -> Schedule:
    """Spec: ``broker``, ``key``, ``model``, ``state``, ``name``."""
    places = {each: Path(spec[each]) for each in ("key", "model", "state")}
    config = Config(spec["broker"], **places, publish={"chains": spec["name"]}, settle_seconds=0.0)
    key = load_private(config.key)
    client = opened.enter_context(Client(config.broker, key))
    return Schedule(config, client, key_id(key.public_key()), Drain(5), extract=extracted)


def run(spec: dict[str, Any]) -> None:
    """What a daemon does about its model: all that is due."""
    with ExitStack() as opened:
        schedule = schedule_of(spec, opened)
        while schedule.step():
            pass
