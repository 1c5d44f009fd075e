"""``python -m bench.injection --json``: how well the classifier of instructions tells them, alone and beside rules.

``--train FILE`` fits it anew: ``python -m bench.injection --train m2kt/scan/injection.npy``. ``--limit`` prints the
score that two in a thousand of the honest texts exceed which trained nothing: `m2kt.scan.text.learned.LIMIT`.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from bench.injection_texts import training
from bench.payloads import INJECTIONS, benign, more, unseen
from bench.regression import fit
from m2kt.scan.text import ngrams
from m2kt.scan.text.injection import injections
from m2kt.scan.text.learned import LIMIT, WEIGHTS, instructed

SHARE = 0.002
"""Honest texts that may score over the limit, of those that choose it."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.injection")
    parser.add_argument("--json", action="store_true", help="measure; the default")
    parser.add_argument("--train", type=Path)
    parser.add_argument("--limit", action="store_true")
    given = parser.parse_args()
    if given.train:
        texts, labels = zip(*training(), strict=True)
        np.save(given.train, fit(texts, labels).astype(np.float16))
    elif given.limit:
        print(json.dumps({"limit": limit()}))
    else:
        print(json.dumps(measure()))


def limit() -> float:
    """The score that ``SHARE`` of the other half of the honest texts exceeds."""
    told = ngrams.scores([*benign(), *more()][1::2], ngrams.load(WEIGHTS))
    return round(float(np.quantile(told, 1 - SHARE)), 3)


def measure() -> dict[str, Any]:
    """Shares of the (seen) instructions of `bench.payloads` and of honest texts of projects that chose nothing."""
    honest = list(unseen())
    return {
        "limit": LIMIT,
        "recall_alone": _share([any(instructed(each)) for each in INJECTIONS]),
        "recall_of_rules": _share([any(injections(each)) for each in INJECTIONS]),
        "recall_together": _share([any((*instructed(each), *injections(each))) for each in INJECTIONS]),
        "fpr_alone": _share([any(instructed(each)) for each in honest]),
        "honest_texts": len(honest),
    }


def _share(found: list[bool]) -> float:
    return round(sum(found) / len(found), 4)


if __name__ == "__main__":
    main()
