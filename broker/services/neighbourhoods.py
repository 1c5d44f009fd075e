"""The part of a lineage that a page can show: the nearest packets of both directions, and how many there are beside."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.models import Packet, PacketParent, PacketState
from broker.services import lineage
from broker.services.scopes import Scope

MOST_DRAWN = 60
PER_STEP = 12
"""Of one distance: more would be a wall."""
TABLE_ROWS = 50


@dataclass(frozen=True)
class Relative:
    """A packet near another: ``step`` is its distance, negative for what the other was made of."""

    packet_id: str
    name: str
    version: str
    kind: str
    state: PacketState
    step: int


@dataclass(frozen=True)
class Neighbourhood:
    """``drawn`` begins with the packet itself; ``edges`` lead from parent to child, among what is drawn."""

    drawn: Sequence[Relative]
    edges: Sequence[tuple[str, str]]
    beside: dict[int, int]
    """How many of a distance are not drawn."""
    rows: Sequence[Relative]
    """One page of the table, nearest first."""
    first: int
    """Number of the first of them."""
    total: int
    up: int
    down: int
    truncated_up: bool
    truncated_down: bool


def around(session: Session, packet_id: str, scope: Scope, *, up: int, down: int, row: int = 0) -> Neighbourhood:
    """Ancestors within ``up`` steps and descendants within ``down``; the table begins at ``row``."""
    above = lineage.walk(session, packet_id, scope, up=True, depth=up)
    below = lineage.walk(session, packet_id, scope, up=False, depth=down)
    steps = {each: -step for each, step in above.depths.items()} | below.depths
    ordered = sorted(steps, key=lambda each: (abs(steps[each]), steps[each], each))
    shown = _nearest(ordered, steps)
    listed = ordered[row : row + TABLE_ROWS]
    found = _relatives(session, {packet_id, *shown, *listed}, {packet_id: 0, **steps})
    everywhere, drawn = Counter(steps.values()), Counter(steps[each] for each in shown)
    return Neighbourhood(
        [found[each] for each in (packet_id, *shown) if each in found],
        _edges(session, [packet_id, *shown]),
        {step: count - drawn[step] for step, count in everywhere.items() if count > drawn[step]},
        [found[each] for each in listed if each in found],
        row,
        len(ordered),
        up,
        down,
        above.truncated,
        below.truncated,
    )


def _nearest(ordered: Iterable[str], steps: dict[str, int]) -> list[str]:
    taken: Counter[int] = Counter()
    found: list[str] = []
    for each in ordered:
        if taken[steps[each]] < PER_STEP and len(found) < MOST_DRAWN:
            taken[steps[each]] += 1
            found.append(each)
    return found


def _relatives(session: Session, ids: set[str], steps: dict[str, int]) -> dict[str, Relative]:
    """Without their manifests, which are most of a row."""
    columns = (Packet.packet_id, Packet.name, Packet.version, Packet.kind, Packet.state)
    rows = session.execute(select(*columns).where(Packet.packet_id.in_(ids)))
    return {row.packet_id: Relative(*row, steps[row.packet_id]) for row in rows}


def _edges(session: Session, ids: Sequence[str]) -> list[tuple[str, str]]:
    wanted = select(PacketParent.parent_id, PacketParent.child_id)
    among = wanted.where(PacketParent.parent_id.in_(ids), PacketParent.child_id.in_(ids))
    return [(row.parent_id, row.child_id) for row in session.execute(among.order_by(*among.selected_columns))]
