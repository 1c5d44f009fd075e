"""The extraction job: what `python -m teacher_agent extract` does with the spec on its stdin."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from m2kt.agent.child import progress
from m2kt.client import Client
from m2kt.domains import load as load_domain
from m2kt.errors import UsageError
from m2kt.files import write_atomically
from m2kt.neural.models import load, offline, pick_device, set_threads
from m2kt.packet import PacketId
from m2kt.signing import PrivateKey, sign_packet
from m2kt.signing.keys import load_private
from teacher_agent.build import build
from teacher_agent.extract import Settings, extract
from teacher_agent.label import Label
from teacher_agent.roles import SwapSettings

REQUIRED = ("model", "domain", "name", "version", "key", "out")
OPTIONAL = ("device", "threads", "settings", "licence", "parents", "broker", "project", "session")


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Extract, build, sign, write to ``out`` and, when ``broker`` is given, publish.

    Spec: ``model`` directory, ``domain`` name, ``name`` and ``version`` of the packet, ``key`` private key file,
    ``out`` file; optional ``device``, ``threads``, ``settings`` (fields of `Settings`), ``licence``, ``parents``,
    ``broker`` URL, ``project`` there, ``session`` of the agent whose child this is.
    """
    _check(spec)
    offline()
    set_threads(spec.get("threads"))
    settings = settings_of(spec.get("settings", {}))
    label = Label(
        spec["name"], spec["version"], spec.get("licence", Label.licence), tuple(map(PacketId, spec.get("parents", ())))
    )
    key, domain = load_private(Path(spec["key"])), load_domain(spec["domain"])
    lm = load(spec["model"], pick_device(spec.get("device", "auto")))
    found = extract(lm, domain, settings, progress)
    packet = build(lm, domain, settings, found, label)
    data = sign_packet(packet, key)
    write_atomically(Path(spec["out"]), data)
    published = _publish(spec, key, data) if spec.get("broker") else {}
    return {
        **published,
        "packet_id": packet.packet_id,
        "packet": str(spec["out"]),
        "bytes": len(data),
        "concepts": len(found.knowledge.centroids),
        "coverage": found.coverage,
        "ledger": dict(packet.manifest.ledger),
        "device": str(lm.device),
    }


def _publish(spec: dict[str, Any], key: PrivateKey, data: bytes) -> dict[str, Any]:
    """Publish; the broker knows a packet by its id, so a second try after a lost answer changes nothing."""
    with Client(spec["broker"], key, session=spec.get("session")) as client:
        return {"state": client.publish(data, project=spec.get("project"))["state"]}


def _check(spec: dict[str, Any]) -> None:
    missing = [name for name in REQUIRED if not spec.get(name)]
    unknown = sorted(set(spec) - {*REQUIRED, *OPTIONAL})
    if missing or unknown:
        raise UsageError(f"extraction job: missing {missing or 'nothing'}, unknown {unknown or 'nothing'}")


def settings_of(given: dict[str, Any]) -> Settings:
    """Settings with what was given; `UsageError` for a field that does not exist or holds no number it can hold."""
    found = _typed(Settings, given)
    if "swap" in found:
        found["swap"] = SwapSettings(**_typed(SwapSettings, found["swap"]))
    return Settings(**found)


def _typed(cls: Any, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise UsageError(f"{cls.__name__} must be an object")
    kinds = {each.name: type(each.default) for each in fields(cls)}
    for name, value in given.items():
        if name not in kinds:
            raise UsageError(f"no setting named {name!r}; there are {', '.join(kinds)}")
        if name != "swap":
            _check_number(name, value, kinds[name])
    return dict(given)


def _check_number(name: str, value: Any, kind: type) -> None:
    """Counts are whole and at least 1; seeds and shares may be 0."""
    least = 1 if kind is int and name != "seed" else 0
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or (kind is int and not isinstance(value, int)) or not least <= value < 2**31:
        raise UsageError(f"setting {name} must be a number ({kind.__name__}) of at least {least}, not {value!r}")
