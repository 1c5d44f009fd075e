"""The map of a packet's concepts."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from broker.dashboard.drawing.svg import Palette, element, number, picture, text, title, visible
from m2kt.packet.plane import Plane

WIDTH, HEIGHT, EDGE, FOOT = 640.0, 460.0, 40.0, 60.0
MOST_POINTS = 600
MOST_LABELS = 30
SHAPES = 4


def drawn(count: int) -> range:
    """Which concepts the map shows: all, or every n-th."""
    return range(0, count, -(-count // MOST_POINTS) or 1)


def draw(plane: Plane, name_of: Callable[[int], str], classes: Sequence[int], palette: Palette, label: str) -> str:
    """One mark per concept that the plane has: its shape and colour are its class of decision."""
    shown = drawn(len(plane.points))
    place = _scale(plane)
    there = [each for each in shown if np.isfinite(plane.points[each]).all()]
    marks = [
        _mark(*place(each), int(classes[each]), palette, name_of(each), labelled=len(shown) <= MOST_LABELS)
        for each in there
    ]
    return picture(WIDTH, HEIGHT, palette, label, *_axes(plane, len(there), palette), *marks)


def _scale(plane: Plane) -> Callable[[int], tuple[float, float]]:
    """Both axes to one scale, so that distances can be compared."""
    there = plane.points[np.isfinite(plane.points).all(1)]
    low, high = (there.min(0), there.max(0)) if len(there) else (np.zeros(2), np.ones(2))
    spread = max(float(high[0] - low[0]) / (WIDTH - 2 * EDGE), float(high[1] - low[1]) / (HEIGHT - EDGE - FOOT)) or 1.0

    def place(concept: int) -> tuple[float, float]:
        x, y = (float(plane.points[concept, axis] - low[axis]) / spread for axis in (0, 1))
        return EDGE + x, HEIGHT - FOOT - y

    return place


def _axes(plane: Plane, shown: int, palette: Palette) -> Iterator[str]:
    bottom = HEIGHT - FOOT + 12
    yield element("line", x1=EDGE, y1=bottom, x2=WIDTH - EDGE, y2=bottom, stroke=palette.line)
    yield element("line", x1=EDGE - 12, y1=EDGE / 2, x2=EDGE - 12, y2=HEIGHT - FOOT, stroke=palette.line)
    first, second = (f"{100 * each:.0f} %" for each in plane.shares)
    yield text(
        f"→ component 1 ({first} of the variance)    ↑ component 2 ({second}); one scale",
        EDGE,
        bottom + 16,
        fill=palette.ink,
    )
    of = f"{shown} of {len(plane.points)} concepts" if shown < len(plane.points) else f"{shown} concepts"
    yield text(f"{plane.method}; {of}", EDGE, bottom + 34, fill=palette.quiet)


def _mark(x: float, y: float, class_: int, palette: Palette, name: str, *, labelled: bool) -> str:
    colour = palette.classes[class_ % len(palette.classes)]
    said = [text(visible(name, 18), x + 7, y + 4, fill=palette.ink, font_size="10")] if labelled else []
    return element("g", title(f"{name} (class {class_})"), _shape(x, y, class_ % SHAPES, colour), *said)


def _shape(x: float, y: float, which: int, colour: str) -> str:
    size = 4.0
    if which == 0:
        return element("circle", cx=number(x), cy=number(y), r=number(size), fill=colour)
    if which == 1:
        return element(
            "rect", x=number(x - size), y=number(y - size), width=number(2 * size), height=number(2 * size), fill=colour
        )
    tall = 1.3 * size
    corners = [(x, y - tall), (x + tall, y + size), (x - tall, y + size)]
    if which == 3:
        corners = [(x, y - tall), (x + tall, y), (x, y + tall), (x - tall, y)]
    return element("polygon", points=" ".join(f"{number(a)},{number(b)}" for a, b in corners), fill=colour)
