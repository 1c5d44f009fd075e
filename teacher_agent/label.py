"""What a publisher says of a packet."""

from dataclasses import dataclass

from m2kt.packet import PacketId
from m2kt.packet import fields as rule


@dataclass(frozen=True)
class Label:
    """Name, version, licence and parents; checked at once, since an extraction takes long."""

    name: str
    version: str
    licence: str = "Apache-2.0"
    parents: tuple[PacketId, ...] = ()

    def __post_init__(self) -> None:
        rule.name(self.name, "name")
        rule.version(self.version, "version")
        rule.text(self.licence, "licence")
        rule.sequence(self.parents, "parents", rule.digest, len(self.parents))
