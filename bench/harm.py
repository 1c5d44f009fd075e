"""``python -m bench.harm --json``: how well the classifier of harmful texts tells them, on texts that trained nothing.

``--train FILE`` fits it anew and writes its weights: ``python -m bench.harm --train m2kt/scan/harm.npy``.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.harm_texts import held_out, training
from bench.payloads import benign
from m2kt.scan.harm import BUCKETS, Vector, buckets, scores
from m2kt.scan.policy import Thresholds

ROUNDS, RATE, DECAY = 400, 4.0, 2e-4


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.harm")
    parser.add_argument("--json", action="store_true", help="measure; the default")
    parser.add_argument("--train", type=Path)
    path = parser.parse_args().train
    if path:
        np.save(path, train().astype(np.float32))
    else:
        print(json.dumps(measure()))


def train() -> Vector:
    """Logistic regression by gradient descent with weight decay, both classes weighing the same, (BUCKETS + 1,)."""
    texts, harmful = zip(*training(), strict=True)
    labels = np.array(harmful, np.float64)
    share = np.where(labels == 1, 0.5 / labels.sum(), 0.5 / (1 - labels).sum())
    rows, weights = matrix(texts), np.zeros(BUCKETS + 1)
    for _ in range(ROUNDS):
        told = 1 / (1 + np.exp(-(rows @ weights)))
        weights -= RATE * (rows.T @ (share * (told - labels)) + DECAY * weights)
    return weights


def matrix(texts: Sequence[str]) -> Vector:
    """(N, BUCKETS + 1): each text's n-grams, scaled to length one, and a one for the bias."""
    rows = np.zeros((len(texts), BUCKETS + 1), np.float64)
    for row, text in zip(rows, texts, strict=True):
        found = buckets(text)
        row[found] = 1 / np.sqrt(len(found))
        row[-1] = 1
    return rows


def measure() -> dict[str, Any]:
    """Shares on the held-out texts at the policy's threshold, and on honest texts of other projects."""
    limit = Thresholds().harm
    texts, harmful = zip(*held_out(), strict=True)
    told, labels = scores(texts), np.array(harmful)
    honest = scores(list(benign())[1::2])  # the others chose the threshold
    return {
        "accuracy": _share((told > 0.5) == labels),
        "auc": _auc(told[labels], told[~labels]),
        "threshold": limit,
        "recall": _share(told[labels] > limit),
        "fpr": _share(told[~labels] > limit),
        "held_out": [int(labels.sum()), int((~labels).sum())],
        "benign_fpr": _share(honest > limit),
        "benign_texts": len(honest),
    }


def _share(found: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    return round(float(found.mean()), 4)


def _auc(harmful: Vector, honest: Vector) -> float:
    """How often a harmful text scores higher than an honest one."""
    return round(float((harmful[:, None] > honest[None]).mean() + (harmful[:, None] == honest[None]).mean() / 2), 4)


if __name__ == "__main__":
    main()
