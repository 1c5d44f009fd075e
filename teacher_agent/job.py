"""The extraction job: what `python -m teacher_agent extract` does with the spec on its stdin."""

from pathlib import Path
from typing import Any

from m2kt.agent.child import progress
from m2kt.domains import load as load_domain
from m2kt.errors import UsageError
from m2kt.neural.models import load, offline, pick_device, pick_dtype, set_threads
from m2kt.packet import PacketId
from m2kt.signing.keys import load_private
from teacher_agent.build import build
from teacher_agent.extract import extract
from teacher_agent.label import Label
from teacher_agent.publishing import deliver
from teacher_agent.settings import settings_of as settings_of

REQUIRED = ("model", "domain", "name", "version", "key", "out")
OPTIONAL = ("device", "dtype", "threads", "settings", "licence", "parents", "broker", "project", "session")


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Extract, build, sign, write to ``out`` and, when ``broker`` is given, publish.

    Spec: ``model`` directory, ``domain`` name or name@version, ``name`` and ``version`` of the packet, ``key`` private
    key file, ``out`` file; optional ``device``, ``dtype`` (`pick_dtype`), ``threads``, ``settings`` (fields of
    `Settings`, the ``operator`` among them), ``licence``, ``parents``, ``broker`` URL, ``project`` there, ``session``
    of the agent whose child this is.
    """
    _check(spec)
    offline()
    set_threads(spec.get("threads"))
    settings = settings_of(spec.get("settings", {}))
    label = Label(
        spec["name"], spec["version"], spec.get("licence", Label.licence), tuple(map(PacketId, spec.get("parents", ())))
    )
    key, domain = load_private(Path(spec["key"])), load_domain(spec["domain"])
    device = pick_device(spec.get("device", "auto"))
    lm = load(spec["model"], device, pick_dtype(spec.get("dtype", "auto"), device))
    found = extract(lm, domain, settings, progress)
    packet = build(lm, domain, settings, found, label)
    return {
        **deliver(packet, key, spec),
        "concepts": len(found.knowledge.centroids),
        "coverage": found.coverage,
        "ledger": dict(packet.manifest.ledger),
        "operator": settings.operator,
        "device": str(lm.device),
    }


def _check(spec: dict[str, Any]) -> None:
    missing = [name for name in REQUIRED if not spec.get(name)]
    unknown = sorted(set(spec) - {*REQUIRED, *OPTIONAL})
    if missing or unknown:
        raise UsageError(f"extraction job: missing {missing or 'nothing'}, unknown {unknown or 'nothing'}")
