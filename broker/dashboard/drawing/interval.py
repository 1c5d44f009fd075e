"""What a packet did to a student, as a line from -1 to 1: the interval, and the gain within it."""

from markupsafe import Markup

from broker.dashboard.drawing.svg import element, number, title

WIDTH, HEIGHT = 160.0, 18.0


def draw(gain: float | None, low: float | None, high: float | None) -> Markup:
    """Zero is the tick in the middle; an open end of the interval is not drawn. Nothing without a gain."""
    if gain is None:
        return Markup("")
    begin, end = low if low is not None else gain, high if high is not None else gain
    said = f"gain {gain:+.3f}" + (f", from {begin:+.3f} to {end:+.3f}" if low is not None else "")
    middle = HEIGHT / 2
    drawn = element(
        "svg",
        title(said),
        element("line", x1=0, y1=middle, x2=WIDTH, y2=middle, class_="axis"),
        element("line", x1=WIDTH / 2, y1=2, x2=WIDTH / 2, y2=HEIGHT - 2, class_="axis"),
        element("line", x1=number(_x(begin)), y1=middle, x2=number(_x(end)), y2=middle, class_="range"),
        element("circle", cx=number(_x(gain)), cy=middle, r=4, class_="gain"),
        viewBox=f"0 0 {number(WIDTH)} {number(HEIGHT)}",
        width=number(WIDTH),
        height=number(HEIGHT),
        class_="interval",
        role="img",
        aria_label=said,
    )
    return Markup(drawn)  # noqa: S704 - numbers only


def _x(value: float) -> float:
    return (max(-1.0, min(1.0, value)) + 1) / 2 * WIDTH
