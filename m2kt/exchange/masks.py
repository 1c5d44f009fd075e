"""Who teaches which sample: confidences, masks, targets (arXiv 2510.22208, dynamic data partitioning).

Shapes: K peers ordered by name, N samples, C classes. Dense tasks have places behind: predictions (N, C, H, W), labels
and confidences (N, H, W). Everything that decides is computed here, with numpy, from the float32 predictions that
travel: broker, peers and holders of labels come to the same masks.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from m2kt.errors import ConfidenceInvalid, LabelsInvalid, PredictionsInvalid

Floats = NDArray[np.floating]
Labels = NDArray[np.integer]
Masks = NDArray[np.bool_]

SUM_TOLERANCE = 1e-4
"""How far the probabilities of one sample may sum from 1: float32 softmax over thousands of classes stays below."""


def probabilities(logits: Floats) -> NDArray[np.float64]:
    """softmax over axis 1 of predictions (N, C, ...), in double precision; `PredictionsInvalid` unless all finite."""
    check_predictions(logits)
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def check_predictions(logits: Floats, classes: int | None = None) -> None:
    """`PredictionsInvalid` unless (N, C, ...) with two classes or more (``classes`` where given), all finite floats."""
    if logits.ndim < 2 or logits.shape[1] < 2 or not np.issubdtype(logits.dtype, np.floating):
        raise PredictionsInvalid(f"predictions are {logits.dtype} {logits.shape} instead of floats (samples, classes)")
    if classes is not None and logits.shape[1] != classes:
        raise PredictionsInvalid(f"predictions are for {logits.shape[1]} classes, the task has {classes}")
    if not np.isfinite(logits).all():
        bad = np.nonzero(~np.isfinite(logits).reshape(len(logits), -1).all(axis=1))[0]
        raise PredictionsInvalid(
            f"{len(bad)} of {len(logits)} samples have NaN or infinite predictions, first {bad[0]}"
        )


def confidences(probabilities: Floats, labels: Labels) -> NDArray[np.float32]:
    """``p_k = softmax(z_k)[gt]``: the probability of the true class, (N, ...), of ``probabilities`` (N, C, ...).

    Float32, because that is what travels. Errors: `ConfidenceInvalid` for what is no distribution, `LabelsInvalid`.
    """
    _check_distribution(probabilities)
    if labels.shape != (*probabilities.shape[:1], *probabilities.shape[2:]):
        raise LabelsInvalid(f"labels {labels.shape} do not fit probabilities {probabilities.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise LabelsInvalid(f"labels are {labels.dtype} instead of class numbers")
    if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) < probabilities.shape[1]:
        raise LabelsInvalid(f"labels go from {labels.min()} to {labels.max()}, of {probabilities.shape[1]} classes")
    taken = np.take_along_axis(probabilities, np.expand_dims(labels, 1), axis=1)
    return np.asarray(taken.squeeze(1), np.float32)


def _check_distribution(probabilities: Floats) -> None:
    if probabilities.ndim < 2:
        raise ConfidenceInvalid(f"probabilities {probabilities.shape} have no axis of classes")
    check_confidences(probabilities)
    if probabilities.size and np.abs(probabilities.sum(axis=1) - 1).max() > SUM_TOLERANCE:
        raise ConfidenceInvalid("the probabilities of a sample do not sum to 1")


def check_confidences(values: Floats) -> None:
    """`ConfidenceInvalid` unless all are probabilities: no NaN, nothing outside [0, 1]."""
    if not np.issubdtype(values.dtype, np.floating):
        raise ConfidenceInvalid(f"confidences are {values.dtype} instead of floats")
    wrong = ~((values >= 0) & (values <= 1))  # NaN fails both
    if wrong.any():
        raise ConfidenceInvalid(f"{int(wrong.sum())} confidences are outside [0, 1], the first is {values[wrong][0]}")


def masks(confidences: Floats) -> Masks:
    """``m_k(x) = 1`` where peer k has the highest confidence, (K, N, ...) of (K, N, ...): one teacher per sample.

    Rows are peers ordered by name; a tie goes to the first of them. `ConfidenceInvalid` outside [0, 1].
    """
    if confidences.ndim < 2 or not len(confidences):
        raise ConfidenceInvalid(f"confidences {confidences.shape} are not (peers, samples)")
    check_confidences(confidences)
    best = confidences.argmax(axis=0)  # the first of equals
    return np.asarray(np.arange(len(confidences)).reshape(-1, *[1] * best.ndim) == best)


def mask_shares(masks: Masks) -> NDArray[np.float64]:
    """Which share of the samples (or places) each peer teaches, (K,); they sum to 1."""
    return np.asarray(masks.reshape(len(masks), -1).mean(axis=1))


def targets(logits: Sequence[Floats], masks: Masks) -> NDArray[np.float32]:
    """What the students learn from: at every sample (place) its teacher's prediction, (N, C, ...).

    ``logits`` are one (N, C, ...) for every peer, in the masks' order; only the rows that a peer teaches are read, so
    the others may hold anything: a network does not carry them.
    """
    taught = np.zeros(logits[0].shape, np.float32)
    for each, mask in zip(logits, masks, strict=True):
        np.copyto(taught, each, where=np.expand_dims(mask, 1))
    return taught
