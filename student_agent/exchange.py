"""The exchange job: one peer of a networked exchange, from joining to the end (docs/exchange-protocol.md).

1. Find out by which name the broker knows this agent's key, and which plan the exchange follows.
2. Have the peer factory make model, optimiser and samples: they stay on this host.
3. Go on from the checkpoint, if there is one.
4. Take part until the exchange ends; write the weights.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_model

from m2kt.agent.child import progress
from m2kt.client import Client, LogRules
from m2kt.client.transport import Json
from m2kt.errors import UnknownKey, UsageError
from m2kt.exchange import RoundPlan
from m2kt.exchange.packets import description, shape_text
from m2kt.files import disk_errors
from m2kt.log import Memory
from m2kt.neural.exchange import Peer
from m2kt.packet import canonical
from m2kt.signing import TrustStore, key_id
from m2kt.signing.keys import PrivateKey, load_private
from student_agent.factories import make_peer
from student_agent.member import Member, Terms
from student_agent.specs import check_spec

REQUIRED = ("exchange", "broker", "key", "trust", "peer", "state")
OPTIONAL = ("settings", "threads", "patience", "out", "licence", "device", "session")
"""``session`` is that of the agent whose child this is. ``device`` is what a worker tells every program; where a peer
computes, its factory decides."""


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Spec: ``exchange`` id, ``broker`` URL, ``key`` file, ``trust`` directory of public keys (the broker's and the
    peers'), ``peer`` factory, ``state`` directory; optional ``settings`` of the factory, ``threads``, ``patience`` in
    seconds, ``out`` file for the weights (safetensors), ``licence`` of what is published."""
    return take_part(spec, lambda done, total: progress("rounds", done, total))


def take_part(spec: dict[str, Any], on_round: Callable[[int, int], None]) -> dict[str, Any]:
    """The job, with another way to tell how far it is."""
    check_spec(spec, REQUIRED, OPTIONAL)
    settings = settings_of(spec)
    key, state = load_private(Path(spec["key"])), Path(spec["state"])
    trust = TrustStore.from_path(Path(spec["trust"]))
    terms = Terms(state, **{name: spec[name] for name in ("patience", "licence") if name in spec})
    rules = LogRules(memory=Memory(state / "log"))
    with Client(spec["broker"], key, trust, log=rules, session=spec.get("session")) as client:
        # 1. name and plan
        name, plan = own_name(client, key), plan_of(client.exchange(spec["exchange"]))
        # 2. the peer
        member = Member(make_peer(spec["peer"], name, plan, settings), client, key, spec["exchange"], terms, on_round)
        # 3. and 4.
        view = member.take_part()
    if spec.get("out"):
        write_weights(Path(spec["out"]), member.peer)
    return told(member, view)


def describe(spec: dict[str, Any]) -> dict[str, Any]:
    """The describe job: what the broker is told of a task. Spec: ``peer`` factory, ``name``; optional ``settings``,
    ``threads``."""
    check_spec(spec, ("peer", "name"), ("settings", "threads"))
    peer = make_peer(spec["peer"], spec["name"], RoundPlan(seed=0, rounds=1, samples_per_round=1), settings_of(spec))
    task, shape = peer.task, shape_text(tuple(peer.labels(0).shape[1:]))
    samples = len(task.samples)
    return description(task.name, task.classes, task.samples_sha256, samples, task.labels_sha256, shape)


def settings_of(spec: dict[str, Any]) -> dict[str, Any]:
    """The factory's settings; bounds torch's threads on the way."""
    settings = spec.get("settings", {})
    if not isinstance(settings, dict):
        raise UsageError("settings must be a JSON object")
    if spec.get("threads"):
        torch.set_num_threads(spec["threads"])
    return settings


def own_name(client: Client, key: PrivateKey) -> str:
    """The name under which the broker knows the holder of ``key``."""
    mine = key_id(key.public_key())
    for agent in client.agents():
        if any(each["key_id"] == mine for each in agent["keys"]):
            return str(agent["name"])
    raise UnknownKey(f"no registered agent has the key {mine[:16]}", hint="Register it: `m2kt agent register`.")


def plan_of(view: Json) -> RoundPlan:
    """The plan of an exchange, as the broker shows it."""
    return RoundPlan.from_bytes(canonical.dumps(view["plan"]))


def told(member: Member, view: Json) -> dict[str, Any]:
    """The job's result."""
    learned = member.learned
    return {
        "exchange": member.exchange,
        "peer": member.peer.name,
        "state": view["state"],
        "reason": view["reason"],
        "rounds": 0 if learned is None else learned.round + 1,
        "task_loss": None if learned is None else learned.losses.task,
        "exchange_loss": None if learned is None else learned.losses.exchange,
        "checkpoint": str(member.checkpoint),
    }


def write_weights(path: Path, peer: Peer) -> None:
    """The model's weights as safetensors, whole or not there."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        save_model(peer.model, str(beside))
        os.replace(beside, path)
