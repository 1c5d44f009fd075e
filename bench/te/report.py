"""docs/results.md and its plots from rows."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from operator import itemgetter

from bench.te.settings import COMPARISONS, CONTROLS
from bench.te.summary import (
    PLATEAU,
    Row,
    bytes_ratio,
    bytes_to_equal,
    bytes_to_labels,
    corrected,
    efficiency,
    excess,
    figures,
    flops_ratio,
    interval,
)

HEAD = """# Results

Written by `python -m bench.te.experiments` (`make experiments`, `make experiments QUICK=1`) from docs/results.json,
never by hand. Each row is one run of one domain and seed: packet, controls, baseline and checks of that very run.
docs/transfer.md says how each figure is measured.
"""
COLOURS = {"packet": "#4e79a7", "answers-only": "#76b7b2", "KD": "#f28e2b", "untaught": "#bab0ac", "control": "#e15759"}


def page(rows: Sequence[Row], ablations: Sequence[Row] = ()) -> tuple[dict[str, str], str]:
    """Plots by file name, and the page."""
    plots, parts = {}, [HEAD]
    for size in sorted({row["size"] for row in rows}):
        chosen = [row for row in rows if row["size"] == size]
        plots[f"{size}.svg"] = plot(chosen)
        parts += [f"## {size.capitalize()} runs", f"![accuracy by domain](results/{size}.svg)"]
        parts += [tabulate(columns, chosen) for columns in (TRANSFER, CONTROLLED, COSTS, CONDITIONS)]
        parts += ["Over these rows, as `bench.transfer` sums them up:", summary(chosen)]
        changed = [row for row in ablations if row["size"] == size]
        parts += [ABLATED, tabulate(CHANGED, changed)] if changed else []
    return plots, "\n\n".join(parts) + "\n"


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(_cell(each) for each in line) + " |" for line in lines)


def _cell(value: object) -> str:
    if value is None:
        return "refused"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


Columns = Mapping[str, Callable[[Row], object]]

NAMES: Columns = {"domain": itemgetter("domain"), "seed": itemgetter("seed")}

TRANSFER: Columns = {
    **NAMES,
    "items": itemgetter("items"),
    "teacher": itemgetter("teacher"),
    "untaught": itemgetter("untaught"),
    "packet": lambda row: row["rows"]["packet"],
    "packet, 95 %": lambda row: _interval(row["rows"]["packet"], row["items"]),
    "TE": efficiency,
    "corrected TE": corrected,
    "KD 150k TE": lambda row: row["kd"]["accuracy"] / row["teacher"],
    "KD plateau TE": lambda row: row["kd"]["plateau"] / row["teacher"],
    "KD epochs": lambda row: row["kd"]["epochs"],
    "KD void": lambda row: "void" if row["kd"]["plateau"] / row["teacher"] < PLATEAU else "",
    "answers-only TE": lambda row: efficiency(row, "answers-only"),
    "recoverable TE": lambda row: efficiency(row, "recoverable"),
    "far: teacher": lambda row: row["far"]["teacher"],
    "far: untaught": lambda row: row["far"]["untaught"],
    "far: items": itemgetter("far_items"),
    "far: packet": lambda row: row["far"]["packet"],
    "far: packet, 95 %": lambda row: _interval(row["far"]["packet"], row["far_items"]),
}
"""Who is right how often, with exact intervals over items. *Far* are chains two steps longer than any probe."""


def _interval(share: float | None, items: int) -> str | None:
    return None if share is None else "{:.3f} to {:.3f}".format(*interval(share, items))


def _accuracy_of(name: str) -> Callable[[Row], object]:
    return lambda row: row["rows"].get(name)


CONTROLLED: Columns = {
    **NAMES,
    "chance": itemgetter("chance"),
    "untaught": itemgetter("untaught"),
    **{name: _accuracy_of(name) for name in (*CONTROLS, *COMPARISONS)},
    "best control's excess": excess,
    "deranged obeyed": itemgetter("deranged_obeyed"),
    "draws of shuffled; no-roles": lambda row: _draws(row),
    "planted error": lambda row: _planted(row),
}
"""Accuracy with every other packet."""


def _count(name: str) -> Callable[[Row], object]:
    return lambda row: row["ledger"][name]


COUNTS = ("concepts", "anchors", "examples_moved", "labels_moved", "activations_moved", "weight_rows_moved")
MORE_COUNTS = ("logit_rows_recoverable", "teacher_queries_used_to_build", "bytes")
COSTS: Columns = {
    **NAMES,
    **{name.replace("_", " "): _count(name) for name in (*COUNTS, *MORE_COUNTS)},
    "bytes ratio": bytes_ratio,
    "to labels": bytes_to_labels,
    "to KD as good": bytes_to_equal,
    "FLOPs ratio": flops_ratio,
    "general perplexity": lambda row: " -> ".join(f"{each:.4f}" for each in row["perplexity"]),
}
"""The ledger, bytes and FLOPs."""


def _told(name: str) -> Callable[[Row], object]:
    return lambda row: row.get(name, "")


TOLD = ("domain", "seed", "report", "date", "cores", "load", "cpu_s")
CONDITIONS: Columns = {name: _told(name) for name in TOLD}


ABLATED = """One thing changed at a time (`python -m bench.te.experiments --ablations`). All packets of a domain come
from one survey of its teacher and are aligned with the controls' number of steps; *vector bytes* are those of the
concepts' vectors alone. In the linear form of the CAL, L_align and L_safe have no gradient, so they are left out of the
form `mlp`; nothing is denied here, which makes L_safe 0. Rows of *KD* are the baseline with other means: the same
student fine-tuned on other numbers of outputs, and the packet's memory with values learned from outputs, not from C.
Rows of *edges* and *templates* leave a share of R out, three draws each; rows of *missing facts* a share of C. In
rows of *wrong outputs* a packet is made of five outputs of each fact, a share of which are another decision's; in those
of *blurred states* all five have noise. *Another world* is a packet of a teacher of another world, judged in both on
items that ask what they say differently; *chance* is the larger of guesses and the untaught student on these items.
*Labels* are the student's own ceiling: the baseline's schedule on the texts themselves."""


CHANGED: Columns = {
    **NAMES,
    "changed": itemgetter("group"),
    "to": itemgetter("name"),
    "accuracy": itemgetter("accuracy"),
    "TE": itemgetter("te"),
    **{name.replace("_", " "): _told(name) for name in ("concepts", "vectors", "vector_bytes", "residual")},
    **{name: _told(name) for name in ("trained", "outputs", "steps", "items", "chance")},
}
"""The rows of `bench.te.ablations`."""


def tabulate(columns: Columns, rows: Sequence[Row]) -> str:
    """One line for each row."""
    return table(list(columns), [[read(row) for read in columns.values()] for row in rows])


def _draws(row: Row) -> str:
    told = row.get("draws", {}).values()
    return "; ".join(", ".join("refused" if each is None else f"{each:.3f}" for each in found) for found in told)


def _planted(row: Row) -> str:
    found = row.get("planted")
    if not found:
        return "not run"
    return (
        f"{found['items']} items: teacher errs in {found['teacher_errs']:.3f}, student in {found['student_errs']:.3f}; "
        f"elsewhere right {found['teacher_elsewhere']:.3f}, {found['student_elsewhere']:.3f}"
    )


def summary(rows: Sequence[Row]) -> str:
    """The numbers of `bench.transfer`."""
    return table(("figure", "value"), [(f"`{name}`", f"{value:.4g}") for name, value in figures(rows).items()])


def plot(rows: Sequence[Row]) -> str:
    """Bars of accuracy by domain."""
    bars, groups = [], []
    for place, row in enumerate(rows):
        values = _bars(row)
        left = 60 + place * (len(values) * 22 + 30)
        for number, (name, value) in enumerate(values):
            height = 180 * value
            bars.append(
                f'<rect x="{left + 22 * number}" y="{200 - height:.1f}" width="20" height="{height:.1f}" '
                f'fill="{COLOURS[name]}"><title>{escape(name)}: {value:.3f}</title></rect>'
            )
        groups.append(f'<text x="{left}" y="216" font-size="12">{escape(row["domain"])} {row["seed"]}</text>')
    keys = "".join(
        f'<rect x="{60 + 110 * number}" y="228" width="12" height="12" fill="{colour}"/>'
        f'<text x="{76 + 110 * number}" y="239" font-size="12">{escape(name)}</text>'
        for number, (name, colour) in enumerate(COLOURS.items())
    )
    width = max(640, 60 + len(rows) * (len(COLOURS) * 22 + 30))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 250" width="{width}" height="250" role="img" '
        f'aria-label="accuracy by domain" font-family="sans-serif">{"".join(bars + groups)}{keys}</svg>\n'
    )


def _bars(row: Row) -> list[tuple[str, float]]:
    controls = [row["rows"].get(name) or row["untaught"] for name in CONTROLS]
    return [
        ("packet", row["rows"]["packet"] or 0.0),
        ("answers-only", row["rows"].get("answers-only") or 0.0),
        ("KD", row["kd"]["accuracy"]),
        ("untaught", row["untaught"]),
        ("control", max(controls)),
    ]
