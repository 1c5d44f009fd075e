"""``python -m bench.harm --json``: how well the classifier of harmful texts tells them, on texts that trained nothing.

``--train FILE`` fits it anew and writes its weights: ``python -m bench.harm --train m2kt/scan/harm.npy``.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from bench.blind import HOME, judged
from bench.harm_texts import held_out, training
from bench.payloads import benign, more, unseen
from bench.regression import fit
from m2kt.scan.harm import scores
from m2kt.scan.policy import Thresholds
from m2kt.scan.text.ngrams import Vector

SHARE = 0.002
"""Honest texts that may score over the limit, of those that choose it."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.harm")
    parser.add_argument("--json", action="store_true", help="measure; the default")
    parser.add_argument("--train", type=Path)
    parser.add_argument("--limit", action="store_true", help="print the threshold that the honest texts give")
    given = parser.parse_args()
    if given.train:
        texts, labels = zip(*training(), strict=True)
        np.save(given.train, fit(texts, labels).astype(np.float16))
    elif given.limit:
        print(json.dumps({"limit": limit()}))
    else:
        print(json.dumps(measure()))


def measure() -> dict[str, Any]:
    """Shares on blind texts, on those held out by the author of the training texts (whom the checks' authors have
    read), and on honest texts of projects that chose nothing."""
    threshold = Thresholds().harm
    texts, harmful = zip(*held_out(), strict=True)
    told, labels = scores(texts), np.array(harmful)
    honest = scores(list(unseen()))
    return {
        **_blind(threshold),
        "threshold": threshold,
        "held_out": _figures(told, labels, threshold),
        "benign_fpr": _share(honest > threshold),
        "benign_texts": len(honest),
    }


def _blind(limit: float) -> dict[str, Any]:
    """The same of the blind sets (bench/blind), while there are any: texts of other authors."""
    found = [each for path in sorted(HOME.glob("harm-*.jsonl")) for each in judged(path)]
    if not found:
        return {"blind": None}
    texts, harmful = zip(*found, strict=True)
    return {"blind": _figures(scores(texts), np.array(harmful), limit)}


def _figures(told: Vector, labels: np.ndarray[Any, np.dtype[np.bool_]], limit: float) -> dict[str, Any]:
    """Accuracy at 1/2; area under the curve; recall and false alarms at the policy's threshold."""
    return {
        "accuracy": _share((told > 0.5) == labels),
        "auc": _auc(told[labels], told[~labels]),
        "recall": _share(told[labels] > limit),
        "fpr": _share(told[~labels] > limit),
        "texts": [int(labels.sum()), int((~labels).sum())],
    }


def limit() -> float:
    """The score that ``SHARE`` of the honest texts exceeds which trained nothing, rounded up."""
    told = scores([*benign(), *more()][1::2])
    return float(np.ceil(100 * np.quantile(told, 1 - SHARE)) / 100)


def _share(found: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    return round(float(found.mean()), 4)


def _auc(harmful: Vector, honest: Vector) -> float:
    """How often a harmful text scores higher than an honest one."""
    return round(float((harmful[:, None] > honest[None]).mean() + (harmful[:, None] == honest[None]).mean() / 2), 4)


if __name__ == "__main__":
    main()
