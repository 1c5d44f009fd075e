"""One template: its elements with what refers to what, and heat maps of what its decisions depend on, in columns."""

from collections.abc import Iterator, Sequence

from broker.dashboard.drawing.svg import Palette, clipped, element, number, picture, text, title, visible
from broker.services.templates import Evidence, Part, TemplateView
from m2kt.packet.knowledge import Element

CELL, LEFT, ROW = 76.0, 120.0, 22.0
ARCS, BOX = 70.0, 40.0
MEASURES = (
    ("swap", "role swaps"),
    ("gradient", "gradient × input"),
    ("attention", "attention"),
)
KINDS = {Element.LITERAL: "text", Element.SLOT: "slot", Element.COPY: "copy", Element.DECISION: "decision"}


def draw_graph(view: TemplateView, palette: Palette, label: str) -> str:
    """Boxes in reading order; arcs above lead from what fills a decision's roles, and from what is copied."""
    width = LEFT + CELL * len(view.parts) + 20
    arcs = [_arc(source, part, palette) for part in view.parts for source in part.refers_to if source < part.number]
    boxes = [_box(part, palette) for part in view.parts]
    legend = text("roles and copies ↷", 8, ARCS / 2, fill=palette.quiet)
    return picture(width, ARCS + BOX + 40, palette, label, legend, *arcs, *boxes)


def draw_heat(view: TemplateView, palette: Palette, label: str) -> str:
    """One row per decision and measure, one column per element; each row is scaled by its own largest value."""
    rows = [(decision, name, said) for decision in view.decisions for name, said in MEASURES if _values(decision, name)]
    head = [text(clipped(visible(part.text, 10), 10), _x(part) + 4, 16, fill=palette.ink) for part in view.parts]
    drawn = [
        cell
        for line, (decision, name, said) in enumerate(rows)
        for cell in _line(view.parts, decision, name, said, 28 + line * ROW, palette)
    ]
    note = text("darker: more, by the row's largest; minus: against", 8, 28 + len(rows) * ROW + 18, fill=palette.quiet)
    width = LEFT + CELL * len(view.parts) + 20
    return picture(max(width, 420), 28 + len(rows) * ROW + 30, palette, label, *head, *drawn, note)


def _x(part: Part) -> float:
    return LEFT + CELL * part.number


def _values(decision: Evidence, name: str) -> Sequence[float] | None:
    found: Sequence[float] | None = getattr(decision, name)
    return found


def _box(part: Part, palette: Palette) -> str:
    """Its shape says its kind: text is a plain box, a slot is round, a copy is dashed, a decision is thick."""
    x, kind = _x(part), part.kind
    shape = element(
        "rect",
        x=number(x + 2),
        y=number(ARCS),
        width=number(CELL - 6),
        height=number(BOX),
        rx=18 if kind == Element.SLOT else 2,
        fill="none",
        stroke=palette.positive if kind == Element.DECISION else palette.line,
        stroke_width=3 if kind == Element.DECISION else 1,
        stroke_dasharray="4 3" if kind == Element.COPY else None,
    )
    said = text(visible(part.text, 10), x + 8, ARCS + 18, fill=palette.ink)
    below = text(f"{part.number} {KINDS[kind]}", x + 8, ARCS + 33, fill=palette.quiet, font_size="10")
    mark = text("✎", x + CELL - 20, ARCS + 14, fill=palette.ink, font_size="10") if part.written else ""
    who = "written by the teacher" if part.written else "given"
    return element("g", title(f"{part.number}: {KINDS[kind]}, {part.text}, {who}"), shape, said, below, mark)


def _arc(source: int, part: Part, palette: Palette) -> str:
    start, end = LEFT + CELL * source + CELL / 2, _x(part) + CELL / 2
    height = min(ARCS - 8, 16 + 6 * (part.number - source))
    bend = f"{number((start + end) / 2)} {number(ARCS - 2 * height)}"
    path = f"M{number(start)} {number(ARCS)} Q{bend} {number(end)} {number(ARCS)}"
    dashed = "4 3" if part.kind == Element.COPY else None
    return element("path", d=path, fill="none", stroke=palette.positive, stroke_dasharray=dashed)


def _line(parts: Sequence[Part], decision: Evidence, name: str, said: str, y: float, palette: Palette) -> Iterator[str]:
    values = _values(decision, name) or ()
    most = max((abs(each) for each in values), default=0.0) or 1.0
    yield text(f"{said}, at {decision.element}", 8, y + 15, fill=palette.ink, font_size="11")
    for part, value in zip(parts, values, strict=False):
        colour = palette.positive if value >= 0 else palette.negative
        yield element(
            "rect",
            title(f"{said} of element {part.number} for the decision at {decision.element}: {value:.3f}"),
            x=number(_x(part) + 2),
            y=number(y),
            width=number(CELL - 6),
            height=number(ROW - 3),
            fill=colour,
            fill_opacity=f"{0.75 * abs(value) / most:.2f}",
            stroke=palette.line,
            stroke_width="0.5",
        )
        if value:
            yield text(f"{value:.2f}", _x(part) + 8, y + 14, fill=palette.ink, font_size="11")
