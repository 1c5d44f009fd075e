"""Teacher and student of one base family: traits may pass between them that no concept of a packet shows (subliminal
learning), so such a packet has to be cleared by a stricter tier than other packets, or be allowed by name.

The family of a student is told by what a teacher's is (`teacher_agent.build.describe_teacher`): its configuration. A
configuration can be edited, so weights that are known decide, too.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from m2kt.client.clearance import Clearance
from m2kt.errors import ModelError, SameFamily, TierNotCleared
from m2kt.packet import Manifest, Teacher

Clear = Callable[[str], Clearance]
"""Asks the broker what a tier made of the packet: `TierNotCleared` when it does not let it through."""


@dataclass(frozen=True)
class KinPolicy:
    """What a student asks of packets of its own base family."""

    tier: str = "strict"
    """The tier of the broker's scan policy that must have let the packet through."""
    allowed: tuple[str, ...] = ()
    """Packet names (``acme/chains``) and base families (``llama``) that are taken without that."""
    families: Mapping[str, str] = field(default_factory=dict)
    """The true base family of known weights (``sha256:...``), teachers' and students'."""


@dataclass
class Kin:
    """One packet and one student, looked at whenever more is known about the student."""

    manifest: Manifest
    family: str
    policy: KinPolicy
    clear: Clear
    cleared: dict[str, Any] | None = None
    """Why they are of one family, and by what the packet may be taken all the same."""

    def check(self, weights: str | None = None) -> None:
        """`SameFamily` unless they are strangers, or the packet may be taken all the same."""
        why = kinship(self.manifest.teacher, self.family, self.policy.families, weights)
        if why is not None and self.cleared is None:
            self.cleared = require_clear(self.manifest, why, self.policy, self.clear)


def nobody(tier: str) -> Clearance:
    """Without a broker nobody clears anything."""
    raise TierNotCleared(f"no broker was asked what its tier {tier} made of this packet")


def own_family(model: Path) -> str:
    """The base family that a model's directory says it is of; `ModelError` when it says nothing."""
    try:
        config = json.loads((model / "config.json").read_bytes())
        return str(config.get("base_family") or config["model_type"])
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ModelError(f"{model} does not say of which family it is: {error!r}") from error


def kinship(teacher: Teacher, family: str, known: Mapping[str, str], weights: str | None = None) -> str | None:
    """Why teacher and student are of one base family, in words; None when nothing says so. ``weights``: the digest of
    the student's, as soon as somebody has computed it."""
    if weights == teacher.weights_sha256:
        return "the teacher's weights are this student's own"
    theirs = {_plain(each): each for each in (teacher.base_family, known.get(teacher.weights_sha256)) if each}
    ours = {_plain(each): each for each in (family, known.get(weights or "")) if each}
    shared = sorted(theirs.keys() & ours.keys())
    return f"teacher and student are both of the base family {theirs[shared[0]]}" if shared else None


def _plain(family: str) -> str:
    """``GPT-NeoX`` and ``gpt_neox`` are one."""
    return re.sub(r"[^a-z0-9]", "", family.casefold())


def require_clear(manifest: Manifest, why: str, policy: KinPolicy, clear: Clear) -> dict[str, Any]:
    """By what a packet of the student's own family may be taken, for the report; `SameFamily` when by nothing."""
    families = {manifest.teacher.base_family, policy.families.get(manifest.teacher.weights_sha256)}
    named = [each for each in policy.allowed if each == manifest.name or each in families]
    if named:
        return {"why": why, "by": "local policy", "allowed": named[0]}
    try:
        return {"why": why, "by": "the broker's scan", **asdict(clear(policy.tier))}
    except TierNotCleared as error:
        raise SameFamily(f"{why}, and the tier {policy.tier} has not cleared it: {error.detail}") from error
