"""Plots as SVG text: accuracy bars, the concept map, roles by slot."""

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

PALETTE = [
    "#4e79a7",
    "#f28e2b",
    "#e15759",
    "#76b7b2",
    "#59a14f",
    "#edc948",
    "#b07aa1",
    "#ff9da7",
    "#9c755f",
    "#bab0ac",
    "#1f77b4",
    "#d62728",
    "#2ca02c",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#7f7f7f",
    "#bcbd22",
]


def bars(values: Sequence[tuple[str, float, str]]) -> str:
    """Horizontal bars for (label, share in [0, 1], colour)."""
    rows = []
    for number, (label, share, colour) in enumerate(values):
        y = 8 + 30 * number
        rows.append(
            f'<text x="150" y="{y + 15}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="160" y="{y}" width="{max(1.0, 400 * share):.1f}" height="20" fill="{colour}"/>'
            f'<text x="{166 + 400 * share:.1f}" y="{y + 15}">{share:.3f}</text>'
        )
    return _svg(640, 16 + 30 * len(values), "".join(rows), "accuracy of each model")


def scatter(points: NDArray[np.float64], groups: NDArray[np.int64], title: str) -> str:
    """Points (n, 2), coloured by group."""
    low, high = points.min(0), points.max(0)
    places = 12 + 376 * (points - low) / np.maximum(high - low, 1e-12)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{PALETTE[group % len(PALETTE)]}" fill-opacity="0.75"/>'
        for (x, y), group in zip(places.tolist(), groups.tolist(), strict=True)
    )
    return _svg(400, 400, dots, title)


def heat(rows: NDArray[np.float64], columns: Sequence[str], names: Sequence[str], title: str) -> str:
    """One square per value in [0, 1]; darker is more."""
    size, left, top = 22, 90, 26
    cells = []
    for y, row in enumerate(rows.tolist()):
        cells.append(f'<text x="{left - 6}" y="{top + y * size + 15}" text-anchor="end">{escape(names[y])}</text>')
        for x, value in enumerate(row):
            cells.append(
                f'<rect x="{left + x * size}" y="{top + y * size}" width="{size - 1}" height="{size - 1}" '
                f'fill="#b03a2e" fill-opacity="{value:.2f}" stroke="#8884" stroke-width="0.5"/>'
            )
    heads = "".join(
        f'<text x="{left + x * size + 10}" y="18" text-anchor="middle">{escape(each)}</text>'
        for x, each in enumerate(columns)
    )
    return _svg(left + size * len(columns) + 8, top + size * len(rows) + 8, heads + "".join(cells), title)


def _svg(width: int, height: int, body: str, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>{body}</svg>'
    )
