"""A packet's concepts in two dimensions, before and after an alignment."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from broker.services.contents import Contents
from m2kt.errors import TensorError
from m2kt.packet.plane import Plane, heard, principal, turned_onto


def of_states(contents: Contents) -> Plane:
    """Before an alignment: the concepts' centroids, in the teacher's own space."""
    return principal(contents.knowledge.centroids.astype(np.float64))


def of_readings(contents: Contents) -> Plane:
    """What an alignment carries over: each concept's logits on the packet's anchors, less their mean (`W_T c`, the
    target of docs/transfer.md, eq. 11). A student's own concepts read the same there up to the residual it reports."""
    knowledge = contents.knowledge
    logits = knowledge.centroids.astype(np.float64) @ knowledge.anchors.astype(np.float64).T + knowledge.anchor_bias
    return principal(logits - logits.mean(1, keepdims=True))


def of_student(contents: Contents, told: Mapping[str, Any] | None) -> Plane | None:
    """After an alignment: where a student reports that the concepts lie in its own space, turned so that it can be
    compared with the first map. None where it reports no map, or none of this packet."""
    if told is None:
        return None
    try:
        return turned_onto(heard(told, contents.count), of_states(contents))
    except TensorError:
        return None
