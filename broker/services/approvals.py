"""How many reviewers a packet needs: the operator's policy."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from broker.models import Packet


@dataclass(frozen=True)
class Approvals:
    """At least ``least`` for every packet, and more by ``rules``: ``kind:aggregate``, ``domain:chains`` (also with
    its version), ``name:acme/`` (the beginning of names), ``publisher:ada``, ``base-family:gpt2``."""

    least: int = 0
    rules: Mapping[str, int] = field(default_factory=dict)

    def needed(self, packet: Packet) -> int:
        """The largest number among the rules that the packet falls under."""
        return max([self.least, *(count for rule, count in self.rules.items() if _falls_under(packet, rule))])


def _falls_under(packet: Packet, rule: str) -> bool:
    what, _, value = rule.partition(":")
    if what == "name":
        return packet.name.startswith(value)
    if what == "domain":
        return value in (packet.domain, packet.domain.partition("@")[0])
    found = {"kind": packet.kind, "publisher": packet.publisher, "base-family": packet.teacher.get("base_family")}
    return found.get(what) == value
