"""The tables of docs/exchange.md, written from a run's figures and never by hand.

python -m bench.bikd.table docs/exchange-results.jsonl docs/exchange.md
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from bench.bikd.experiments import Row
from bench.bikd.run import read
from bench.bikd.settings import EXPERIMENTS
from bench.bikd.statistics import Gain, gain

BEGIN, END = "<!-- written by bench.bikd.table -->\n", "<!-- end -->\n"


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m bench.bikd.table", description=__doc__)
    arguments.add_argument("results", type=Path)
    arguments.add_argument("page", type=Path)
    wanted = arguments.parse_args()
    page = wanted.page.read_text()
    wanted.page.write_text(replaced(page, tables(read(wanted.results))))
    return 0


def replaced(page: str, text: str) -> str:
    """``page`` with ``text`` between its two markers."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}"


def tables(rows: Sequence[Row]) -> str:
    """All tables, in Markdown."""
    found = {name: [row for row in rows if row["experiment"] == name] for name in EXPERIMENTS}
    there = {name: sorted(each, key=lambda row: row["seed"]) for name, each in found.items() if len(each) > 1}
    parts = [
        ("Gain over continued training", _gains(there)),
        ("Without parts of the loss", _ablations(there)),
        ("Who taught, and how sure peers were", _roles(there)),
        ("Linear probe on another task", _probes(there)),
    ]
    return "\n\n".join(f"**{title}**\n\n{body}" for title, body in parts) + "\n"


def order(rows: Sequence[Row]) -> tuple[int, int]:
    """The weakest and the strongest peer by their mean accuracy before, over all seeds."""
    before = np.mean([row["before"]["views"] for row in rows], axis=0)
    return int(before.argmin()), int(before.argmax())


def paired(rows: Sequence[Row], arm: str, peer: int, figure: str = "views", against: str = "alone") -> Gain:
    """What ``peer`` has more in ``arm`` than in ``against``."""
    return gain([row[arm][figure][peer] for row in rows], [row[against][figure][peer] for row in rows])


def _mean(rows: Sequence[Row], arm: str, peer: int, figure: str = "views") -> float:
    return float(np.mean([row[arm][figure][peer] for row in rows]))


def _gains(found: dict[str, list[Row]]) -> str:
    head = "experiment | seeds | peer | before | continued | exchange | gain, 95 % | gain on bare images"
    return _table(head, (line for name, rows in found.items() for line in _gain_lines(name, rows)))


def _gain_lines(name: str, rows: Sequence[Row]) -> Iterable[str]:
    weak, strong = order(rows)
    for peer, label in enumerate(rows[0]["peers"]):
        role = {weak: "weakest", strong: "strongest"}.get(peer, "")
        accuracies = " | ".join(f"{_mean(rows, arm, peer):.4f}" for arm in ("before", "alone", "exchange"))
        gains = f"{paired(rows, 'exchange', peer)} | {paired(rows, 'exchange', peer, 'bare')}"
        yield f"{EXPERIMENTS[name].says} | {len(rows)} | {label[2:]} {role} | {accuracies} | {gains}"


def _ablations(found: dict[str, list[Row]]) -> str:
    says = {"no_task": "no task loss", "no_stop": "no stop-gradient"}
    lines = [
        f"{EXPERIMENTS[name].says} | {says[arm]} | {label[2:]} | {paired(rows, arm, peer)} | "
        f"{paired(rows, arm, peer, against='before')} | {paired(rows, arm, peer, against='exchange')}"
        for name, rows in found.items()
        for arm in says
        if all(arm in row for row in rows)
        for peer, label in enumerate(rows[0]["peers"])
    ]
    return _table("experiment | without | peer | against continued | against before | against the whole loss", lines)


def _roles(found: dict[str, list[Row]]) -> str:
    lines = []
    for name, rows in found.items():
        shares = np.array([row["exchange"]["shares"] for row in rows])
        sure = np.mean([row["exchange"]["confidences"] for row in rows], axis=0)
        for peer, label in enumerate(rows[0]["peers"]):
            share = f"{shares[:, peer].mean():.3f} ({shares[:, peer].min():.3f} to {shares[:, peer].max():.3f})"
            lines.append(
                f"{EXPERIMENTS[name].says} | {label[2:]} | {share} | " + " | ".join(f"{x:.3f}" for x in sure[peer])
            )
    return _table(
        "experiment | peer | share taught (range over seeds) | confidence: decile 1 | median | decile 9", lines
    )


def _probes(found: dict[str, list[Row]]) -> str:
    lines = [
        f"{EXPERIMENTS[name].says} | {label[2:]} | "
        + " | ".join(f"{_mean(rows, arm, peer, 'turns'):.4f}" for arm in ("before", "alone", "exchange"))
        + f" | {paired(rows, 'exchange', peer, 'turns')} | {paired(rows, 'exchange', peer, 'turns', 'before')}"
        for name, rows in found.items()
        if "turns" in rows[0]["before"]
        for peer, label in enumerate(rows[0]["peers"])
    ]
    return _table("experiment | peer | before | continued | exchange | against continued | against before", lines)


def _table(head: str, lines: Iterable[str]) -> str:
    rule = "|".join("---" for _ in head.split("|"))
    return "\n".join([f"| {head} |", f"|{rule}|", *(f"| {line} |" for line in lines)])


if __name__ == "__main__":
    sys.exit(main())
