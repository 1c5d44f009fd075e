"""The rows of `bench.real` as Markdown: what docs/real-results.md is made of.

    python -m bench.anchored.report ROWS... > docs/real-results.md

where ``ROWS`` are files that `python -m bench.real --only PART --rows FILE` wrote.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Json = Mapping[str, Any]

TITLES = {
    "valence": "Word valence: SmolLM2-135M-Instruct (Q4_1) to all-MiniLM-L6-v2",
    "digits": "Real images: an MLP to a label-free convolutional autoencoder (MNIST, 5,000 images)",
    "facts": "Closed-book facts: SmolLM2-135M-Instruct to a small GPT-2",
    "encoder": "A sentence encoder at a tenth of its size: all-MiniLM-L6-v2 to a bag of word pieces",
}


def markdown(rows: Mapping[str, Json]) -> str:
    """All tables."""
    lines = [
        "# Results: pretrained models and public anchors",
        "",
        "Made by `python -m bench.real` and `python -m bench.anchored.report`: edit the programs, not this page.",
        "[real.md](real.md) says how each figure is measured, and what follows from it.",
    ]
    for name, table in rows.items():
        lines += ["", f"## {TITLES[name]}", "", *_body(table)]
    return "\n".join(lines) + "\n"


def _body(table: Json) -> Iterator[str]:
    """Single figures as a list; rows as a table whose columns are what any row tells."""
    single = {key: each for key, each in table.items() if not isinstance(each, Mapping)}
    rows = {key: each for key, each in table.items() if isinstance(each, Mapping)}
    yield "; ".join(f"{key} {each}" for key, each in single.items()) + "."
    yield ""
    columns = list(dict.fromkeys(key for row in rows.values() for key, each in row.items() if _plain(each)))
    yield f"| row | {' | '.join(columns)} |"
    yield "|---" * (len(columns) + 1) + "|"
    for name, row in rows.items():
        yield f"| {name} | {' | '.join(str(row.get(key, '')) for key in columns)} |"
    for name, row in rows.items():
        for key, each in row.items():
            if not _plain(each):
                told = each if isinstance(each, str) else "; ".join(f"{one} {other}" for one, other in each.items())
                yield ""
                yield f"{name}, {key}: {told}."


def _plain(value: Any) -> bool:
    return isinstance(value, int | float | list)


def main(paths: list[str]) -> None:
    """Print the tables of several files as one page."""
    rows: dict[str, Json] = {}
    for path in paths:
        rows |= json.loads(Path(path).read_text(encoding="utf-8"))["rows"]
    sys.stdout.write(markdown(rows))


if __name__ == "__main__":
    main(sys.argv[1:])
