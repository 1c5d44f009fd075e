"""What a check is, and what it is given to look at."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from m2kt.packet import Packet, PacketKind
from m2kt.packet import static as static_concepts
from m2kt.packet.knowledge import Knowledge, from_tensors
from m2kt.packet.static import StaticKnowledge
from m2kt.scan.policy import Policy
from m2kt.scan.verdict import Finding

ALL_KINDS = frozenset(PacketKind)
KNOWLEDGE = frozenset({PacketKind.KNOWLEDGE, PacketKind.AGGREGATE})


@dataclass(frozen=True)
class Subject:
    """A packet under the checks, with what it is held against. ``references`` are packets that a policy's owner trusts
    more than this one: its earlier versions, other teachers of its domain."""

    packet: Packet
    policy: Policy = field(default_factory=Policy)
    references: tuple[Packet, ...] = ()
    data: bytes = b""
    """The container's bytes, for checks that read them anew."""

    detonation: Mapping[str, str] | None = None
    """What it did to a reference student (`broker.worker.detonation`), if one has tried it."""

    @cached_property
    def knowledge(self) -> Knowledge:
        """The typed view; `TensorError` when an index in it points at nothing."""
        return view(self.packet)

    @property
    def static(self) -> bool:
        """Whether its concepts are static: a mixture of Gaussians, without decisions and graph."""
        return static_concepts.is_static(self.packet.tensors)

    @cached_property
    def mixture(self) -> StaticKnowledge:
        """The typed view of static concepts; `TensorError` when a rule of theirs is broken."""
        return static_concepts.from_tensors(self.packet.tensors, self.packet.manifest.symbols)


def view(packet: Packet) -> Knowledge:
    return from_tensors(packet.tensors, packet.manifest.symbols, packet.manifest.leads)


Run = Callable[[Subject], Iterator[Finding]]


@dataclass(frozen=True)
class Check:
    """A named check; its version changes whenever its verdict on some packet might."""

    name: str
    version: str
    run: Run
    kinds: frozenset[PacketKind] = ALL_KINDS
    needs: Callable[[Subject], str | None] = lambda _: None
    """Why there is nothing for it to do on this packet; None when there is."""
    static: bool = False
    """Of checks of knowledge: whether it can look at static concepts, too."""
