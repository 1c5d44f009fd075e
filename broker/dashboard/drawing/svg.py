"""Elements of SVG, with their texts and attributes escaped."""

from dataclasses import dataclass
from html import escape

from broker.dashboard.render import plain

SPACE = "http://www.w3.org/2000/svg"
MARKS = str.maketrans({"\n": "⏎", "\t": "⇥", " ": "␣"})


def element(name: str, *inside: str, **attributes: object) -> str:
    """``inside`` is markup; attributes are escaped, with ``_`` for ``-`` and a last ``_`` dropped (``class_``)."""
    told = "".join(f' {_name(key)}="{escape(str(each))}"' for key, each in attributes.items() if each is not None)
    return f"<{name}{told}>{''.join(inside)}</{name}>" if inside else f"<{name}{told}/>"


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-") if key != "viewBox" else key


def text(said: str, x: float, y: float, **attributes: object) -> str:
    return element("text", words(said), x=number(x), y=number(y), **attributes)


def title(said: str) -> str:
    """What a pointer over the parent shows, and what is read out for it."""
    return element("title", words(clipped(said, 160)))


def words(said: str) -> str:
    """Text that is shown as it is: nothing in it is markup or turns the direction of what follows."""
    return escape(plain(said))


def clipped(said: str, most: int) -> str:
    return said if len(said) <= most else f"{said[: most - 1]}…"


def visible(symbol: str, most: int = 12) -> str:
    """A piece of a model's text, with its white space to be seen."""
    return clipped(symbol.translate(MARKS), most) if symbol.strip() != symbol or not symbol else clipped(symbol, most)


def number(value: float) -> str:
    """At most one decimal: pixels."""
    return f"{value:.1f}".removesuffix(".0")


@dataclass(frozen=True)
class Palette:
    """Colours of a picture that stands alone; each keeps 4.5 : 1 (texts) or 3 : 1 (shapes) against ``paper``."""

    paper: str
    ink: str
    quiet: str
    line: str
    positive: str
    negative: str
    classes: tuple[str, ...]


LIGHT = Palette(
    "#ffffff", "#1a1a1a", "#555555", "#8a8a8a", "#0b57a4", "#9a4a00",
    ("#0b57a4", "#9a4a00", "#0a6b2d", "#8a1c7c", "#6b5300", "#a3161b"),
)  # fmt: skip
DARK = Palette(
    "#141414", "#eeeeee", "#aaaaaa", "#7a7a7a", "#8cc2ff", "#ffb26b",
    ("#8cc2ff", "#ffb26b", "#6fd58f", "#e6a0dd", "#e6c766", "#ff9a94"),
)  # fmt: skip
PALETTES = {"light": LIGHT, "dark": DARK}


def picture(width: float, height: float, palette: Palette, label: str, *inside: str) -> str:
    """A whole document on its own paper."""
    paper = element("rect", width=number(width), height=number(height), fill=palette.paper)
    return element(
        "svg",
        title(label),
        paper,
        *inside,
        xmlns=SPACE,
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=number(width),
        height=number(height),
        font_family="system-ui, sans-serif",
        font_size="12",
    )
