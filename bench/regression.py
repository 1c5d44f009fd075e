"""Logistic regression on the n-grams of `m2kt.scan.text.ngrams`: how the weights in that package are made."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix

from m2kt.scan.text.ngrams import BUCKETS, Vector, buckets, pieces

ROUNDS, RATE, DECAY, DRAG = 600, 1.0, 1e-5, 0.9


def fit(texts: Sequence[str], labels: Sequence[bool], decay: float = DECAY, rounds: int = ROUNDS) -> Vector:
    """Weights (BUCKETS + 1,), the last one the bias, by Nesterov's accelerated gradients; both classes weigh the same.

    Every piece of a text has its text's label: honest texts are honest throughout, and the others are short.
    """
    cut = [(piece, label) for text, label in zip(texts, labels, strict=True) for piece in pieces(text) if piece]
    rows, told = matrix([piece for piece, _ in cut]), np.array([label for _, label in cut], np.float64)
    share = np.where(told == 1, 0.5 / told.sum(), 0.5 / (1 - told).sum())
    weights, ahead = np.zeros(BUCKETS + 1), np.zeros(BUCKETS + 1)
    for turn in range(rounds):
        logits = rows @ ahead
        slope = rows.T @ (share * (1 / (1 + np.exp(-logits)) - told)) + decay * ahead
        following = ahead - RATE * slope
        ahead, weights = following + turn / (turn + 3) * (following - weights), following
    return weights


def matrix(cut: Sequence[str]) -> csr_matrix:
    """(N, BUCKETS + 1): each piece's n-grams, those of characters and of words scaled to length one, and a one."""
    places, values, ends = [], [], [0]
    for piece in cut:
        for found in buckets(piece):
            places.append(found)
            values.append(np.full(len(found), 1 / np.sqrt(max(len(found), 1))))
        places.append(np.array([BUCKETS]))
        values.append(np.ones(1))
        ends.append(ends[-1] + sum(map(len, places[-3:])))
    shape = (len(cut), BUCKETS + 1)
    return csr_matrix((np.concatenate(values), np.concatenate(places), ends), shape=shape)
