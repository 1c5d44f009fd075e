"""A packet between what it was made of (left) and what was made of it (right), for use inside a page."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from markupsafe import Markup

from broker.dashboard.drawing.svg import clipped, element, number, text, title
from broker.services.neighbourhoods import Neighbourhood, Relative

BOX, TALL, GAP, LANE = 190.0, 44.0, 12.0, 70.0
SIGNS = {
    "approved": "✓",
    "yanked": "!",
    "expired": "!",
    "quarantined": "…",
    "received": "…",
    "scanning": "…",
    "rejected": "✗",
    "revoked": "✗",
}
"""As in ``words.html``: a state is a sign and a word, never a colour alone."""

Places = dict[str, tuple[float, float]]


def draw(found: Neighbourhood) -> Markup:
    """Every packet is a link to its page; its shape is its kind."""
    columns = _columns(found.drawn)
    steps = sorted(columns)
    height = max(_height(len(columns[step]), found.beside.get(step)) for step in steps)
    places = {
        each.packet_id: (_x(steps, each.step), _top(len(columns[each.step]), height) + row * (TALL + GAP))
        for step in steps
        for row, each in enumerate(columns[step])
    }
    width = len(steps) * BOX + (len(steps) - 1) * LANE + 4
    more = [
        text(f"and {count:,} more", _x(steps, step) + 8, height - 6, class_="more")
        for step, count in found.beside.items()
        if step in columns
    ]
    drawn = element(
        "svg",
        *_edges(found, places),
        *(_node(each, *places[each.packet_id]) for each in found.drawn),
        *more,
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=number(width),
        height=number(height),
        class_="lineage",
        role="group",
        aria_label="Lineage: what it was made of on the left, what was made of it on the right",
    )
    return Markup(drawn)  # noqa: S704 - `element` and `text` escape whatever goes into them


def _columns(drawn: Sequence[Relative]) -> dict[int, list[Relative]]:
    found: defaultdict[int, list[Relative]] = defaultdict(list)
    for each in drawn:
        found[each.step].append(each)
    return found


def _height(count: int, beside: int | None) -> float:
    return count * (TALL + GAP) + (28 if beside else 8)


def _top(count: int, height: float) -> float:
    """Columns are centred."""
    return max(4.0, (height - count * (TALL + GAP)) / 2)


def _x(steps: Sequence[int], step: int) -> float:
    return 2 + steps.index(step) * (BOX + LANE)


def _edges(found: Neighbourhood, places: Places) -> Iterator[str]:
    for parent, child in found.edges:
        if parent in places and child in places:
            (x1, y1), (x2, y2) = places[parent], places[child]
            start, end, middle = x1 + BOX, x2, TALL / 2
            bend = (start + end) / 2
            path = (
                f"M{number(start)} {number(y1 + middle)} C{number(bend)} {number(y1 + middle)} "
                f"{number(bend)} {number(y2 + middle)} {number(end)} {number(y2 + middle)}"
            )
            yield element("path", d=path, class_="edge")


def _node(each: Relative, x: float, y: float) -> str:
    name = f"{each.name}@{each.version}"
    said = f"{SIGNS.get(each.state, '?')} {each.state}, {each.kind}"
    inside = [
        title(f"{name}: {each.state}, {each.kind}"),
        _shape(each, x, y),
        text(clipped(name, 26), x + 10, y + 18),
        text(said, x + 10, y + 35, class_="said"),
    ]
    if each.step == 0:
        return element("g", *inside, class_=f"node here {each.state}")
    return element("a", *inside, href=f"/packets/{each.packet_id}", class_=f"node {each.state}")


def _shape(each: Relative, x: float, y: float) -> str:
    """Knowledge is round, an aggregate a box with a second edge, all others have cut corners."""
    if each.kind in ("knowledge", "aggregate"):
        rounding = 14 if each.kind == "knowledge" else 0
        box = element("rect", x=number(x), y=number(y), width=BOX, height=TALL, rx=rounding)
        inner = element("rect", x=number(x + 3), y=number(y + 3), width=BOX - 6, height=TALL - 6, class_="second")
        return box if each.kind == "knowledge" else box + inner
    cut, right, low = 8, x + BOX, y + TALL
    corners = [
        (x + cut, y), (right - cut, y), (right, y + cut), (right, low - cut),
        (right - cut, low), (x + cut, low), (x, low - cut), (x, y + cut),
    ]  # fmt: skip
    return element("polygon", points=" ".join(f"{number(a)},{number(b)}" for a, b in corners))
