"""Packets of kind `exchange`: what a peer predicts for the samples that it teaches in a round.

docs/exchange-protocol.md has the format: three tensors, four where a sample has several places (pixels). Rows stand in
the order of the round's places: sample by sample as the plan has them, place by place within a sample.

    exchange/samples      I64 (n,)    number of the sample in the task's list
    exchange/places       I64 (n,)    place within the sample; only where it has more than one
    exchange/logits       F32 (n, C)  the teacher's predictions
    exchange/confidences  F32 (n,)    what it claimed: the probability of the true class
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2kt.errors import ConfidenceInvalid, ExchangeError, M2KTError, PlanInvalid, PredictionsInvalid
from m2kt.exchange.masks import check_confidences, check_predictions, probabilities
from m2kt.exchange.plan import RoundPlan
from m2kt.packet import (
    Array,
    DomainRef,
    Extraction,
    Manifest,
    Packet,
    PacketKind,
    Teacher,
    build_packet,
    canonical,
    ledger,
)

OPERATOR = "bi-kd"
TASK_VERSION = "1.0.0"
TOLERANCE = 1e-5
"""How far a claimed confidence may be from the one that its prediction gives: both are float32, softmax is in double
precision, so honest hosts differ by a rounding at most."""

MAX_PLACES = 2**24
_TENSORS = ("exchange/samples", "exchange/logits", "exchange/confidences")
_PLACES = "exchange/places"
_SETTINGS = frozenset({"exchange", "peer", "round", "plan", "task", "sample_count", "class_count", "shape", "taught"})

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Turn:
    """One peer's place in one round: everything about its packet but the predictions.

    ``shape`` is that of a sample's places: empty for one label per sample, (H, W) for one per pixel. ``task`` is the
    digest of the task's description.
    """

    exchange: str
    peer: str
    round: int
    plan: RoundPlan
    task: str
    sample_count: int
    class_count: int
    shape: tuple[int, ...] = ()

    @cached_property
    def samples(self) -> Places:
        """Numbers of the round's samples, (N,)."""
        return self.plan.batch(self.round, self.sample_count)

    @property
    def places_each(self) -> int:
        """Places of one sample."""
        return prod(self.shape)

    @property
    def place_count(self) -> int:
        """Places of the round: N times those of a sample."""
        return self.plan.samples_per_round * self.places_each

    @property
    def reference(self) -> tuple[str, str]:
        """Name and version of its packet."""
        return packet_name(self.exchange, self.peer), f"{self.round}.0.0"


def packet_name(exchange: str, peer: str) -> str:
    """``exchanges/<id>/<peer>``; its version is the round."""
    return f"exchanges/{exchange}/{peer}"


@dataclass(frozen=True, eq=False)
class Taught:
    """What a teacher publishes: ``places`` (n,) of the round, increasing; ``logits`` (n, C); ``confidences`` (n,)."""

    places: Places
    logits: NDArray[np.float32]
    confidences: NDArray[np.float32]


def build(turn: Turn, taught: Taught, *, created: str, teacher: Teacher, task_name: str, licence: str) -> Packet:
    """The unsigned packet. Equal arguments give equal packets: publishing one again after a crash changes nothing."""
    _check(turn, taught)
    tensors = _tensors(turn, taught)
    name, version = turn.reference
    manifest = Manifest.describe(
        kind=PacketKind.EXCHANGE,
        name=name,
        version=version,
        created=created,
        domain=DomainRef(task_name, TASK_VERSION),
        teacher=teacher,
        extraction=Extraction(OPERATOR, _settings(turn, len(taught.places)), turn.plan.seed),
        licence=licence,
        tensors=tensors,
        ledger=ledger.measure(tensors, turn.place_count),
    )
    return build_packet(manifest, tensors)


def _tensors(turn: Turn, taught: Taught) -> dict[str, Array]:
    sample, place = np.divmod(taught.places, turn.places_each)
    tensors: dict[str, Array] = {
        "exchange/samples": turn.samples[sample],
        "exchange/logits": taught.logits.astype(np.float32, copy=False),
        "exchange/confidences": taught.confidences.astype(np.float32, copy=False),
    }
    return tensors if turn.places_each == 1 else {**tensors, _PLACES: place}


def _settings(turn: Turn, taught: int) -> dict[str, str | int]:
    return {
        "exchange": turn.exchange,
        "peer": turn.peer,
        "round": turn.round,
        "plan": turn.plan.to_bytes().decode(),
        "task": turn.task,
        "sample_count": turn.sample_count,
        "class_count": turn.class_count,
        "shape": shape_text(turn.shape),
        "taught": taught,
    }


def read(packet: Packet) -> tuple[Turn, Taught]:
    """Turn and predictions of a packet, once all of this holds; else `ExchangeError` or a child of it:

    1. its kind, name, version and settings are those of one turn in an exchange;
    2. it has exactly the tensors of the format, of equal length;
    3. every sample is one of the round's, every place once and in order;
    4. predictions are finite and of as many classes as the task has;
    5. every claimed confidence is the probability of *some* class: that much shows without labels.
    """
    turn = _turn(packet)
    tensors = _expected(turn, packet)
    logits, claimed = (np.asarray(tensors[each], np.float32) for each in _TENSORS[1:])
    taught = Taught(_places(turn, tensors), logits, claimed)
    _check(turn, taught)
    return turn, taught


def _turn(packet: Packet) -> Turn:
    manifest = packet.manifest
    said: Mapping[str, Any] = manifest.extraction.settings
    if manifest.kind != PacketKind.EXCHANGE or manifest.extraction.operator != OPERATOR:
        raise ExchangeError(f"{manifest.reference} is a packet of kind {manifest.kind}, made by another operator")
    if set(said) != _SETTINGS or any(not isinstance(said[each], kind) for each, kind in _KINDS.items()):
        raise ExchangeError(f"the settings must be {', '.join(sorted(_SETTINGS))}, and of the right types")
    turn = Turn(
        said["exchange"],
        said["peer"],
        said["round"],
        RoundPlan.from_bytes(said["plan"].encode()),
        said["task"],
        said["sample_count"],
        said["class_count"],
        parse_shape(said["shape"]),
    )
    _check_turn(turn, manifest, said["taught"])
    return turn


_KINDS: Mapping[str, type] = {
    "exchange": str,
    "peer": str,
    "round": int,
    "plan": str,
    "task": str,
    "sample_count": int,
    "class_count": int,
    "shape": str,
    "taught": int,
}


def _check_turn(turn: Turn, manifest: Manifest, taught: int) -> None:
    if (manifest.name, manifest.version) != turn.reference:
        raise ExchangeError(f"{manifest.reference} is not named after its exchange, peer and round")
    if not 0 < turn.sample_count <= MAX_PLACES or not 0 <= turn.round < turn.plan.rounds:
        raise PlanInvalid(f"the plan has no round {turn.round} of {turn.sample_count} samples")
    if turn.place_count > MAX_PLACES:
        raise PlanInvalid(f"the round has {turn.place_count} places, the limit is {MAX_PLACES}")
    rows = next((entry.shape[0] for entry in manifest.tensors if entry.name == _TENSORS[0] and entry.shape), None)
    if rows != taught:
        raise ExchangeError(f"the settings say {taught} places, the tensors have {rows}")


def _expected(turn: Turn, packet: Packet) -> Mapping[str, Array]:
    names = {*_TENSORS, *([_PLACES] if turn.places_each > 1 else [])}
    if set(packet.tensors) != names:
        raise ExchangeError(f"the tensors are {', '.join(packet.tensors)} instead of {', '.join(sorted(names))}")
    rows = packet.tensors[_TENSORS[0]].shape[0] if packet.tensors[_TENSORS[0]].ndim else 0
    shapes: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {name: (np.dtype(np.int64), (rows,)) for name in names}
    shapes["exchange/logits"] = (np.dtype(np.float32), (rows, turn.class_count))
    shapes["exchange/confidences"] = (np.dtype(np.float32), (rows,))
    for name, (dtype, shape) in shapes.items():
        found = packet.tensors[name]
        if found.dtype != dtype or found.shape != shape:
            raise ExchangeError(f"{name} is {found.dtype} {found.shape} instead of {dtype} {shape}")
    return packet.tensors


def _places(turn: Turn, tensors: Mapping[str, Array]) -> Places:
    """Places of the round from samples, and places within them."""
    samples = tensors["exchange/samples"]
    order = np.argsort(turn.samples)
    found = np.searchsorted(turn.samples, samples, sorter=order).clip(max=len(order) - 1)
    position = order[found]
    if (turn.samples[position] != samples).any():
        raise ExchangeError(f"sample {samples[turn.samples[position] != samples][0]} is not one of round {turn.round}")
    if _PLACES not in tensors:
        return np.asarray(position, np.int64)
    within = np.asarray(tensors[_PLACES], np.int64)
    if ((within < 0) | (within >= turn.places_each)).any():
        raise ExchangeError(f"exchange/places must be from 0 to {turn.places_each - 1}")
    return np.asarray(position * turn.places_each + within, np.int64)


def _check(turn: Turn, taught: Taught) -> None:
    if not len(taught.places):
        raise ExchangeError("a peer that teaches nothing publishes nothing")
    if (np.diff(taught.places) <= 0).any() or taught.places[0] < 0 or taught.places[-1] >= turn.place_count:
        raise ExchangeError("the places must be the round's, each once and in order")
    check_predictions(taught.logits, turn.class_count)
    check_confidences(taught.confidences)
    if not len(taught.logits) == len(taught.confidences) == len(taught.places):
        raise PredictionsInvalid(f"{len(taught.logits)} predictions for {len(taught.places)} places")
    apart = np.abs(probabilities(taught.logits) - taught.confidences[:, None]).min(axis=1)
    if (apart > TOLERANCE).any():
        raise ConfidenceInvalid(
            f"{int((apart > TOLERANCE).sum())} of {len(apart)} claimed confidences are the probability of no class, "
            f"the first at place {taught.places[apart > TOLERANCE][0]}"
        )


def shape_text(shape: tuple[int, ...]) -> str:
    """``8x8``; ``1`` for one label per sample."""
    return "x".join(map(str, shape)) or "1"


def parse_shape(text: str) -> tuple[int, ...]:
    """The inverse of `shape_text`."""
    parts = text.split("x")
    if text == "1":
        return ()
    if len(parts) > 3 or not all(each.isascii() and each.isdigit() and 0 < len(each) < 9 for each in parts):
        raise ExchangeError(f"{text[:40]!r} is no shape like 8x8")
    shape = tuple(map(int, parts))
    if shape_text(shape) != text or not 0 < prod(shape) <= MAX_PLACES:
        raise ExchangeError(f"{text[:40]!r} is no shape like 8x8")
    return shape


def description(
    name: str, classes: tuple[str, ...], samples_sha256: str, sample_count: int, labels_sha256: str, shape: str
) -> dict[str, Any]:
    """A task as the broker is told of it: names of classes, digests of the rest."""
    return {
        "name": name,
        "classes": list(classes),
        "samples_sha256": samples_sha256,
        "sample_count": sample_count,
        "labels_sha256": labels_sha256,
        "shape": shape,
    }


def description_digest(task: Mapping[str, Any]) -> str:
    """``sha256:`` of a description's canonical JSON; `ExchangeError` for what has none."""
    try:
        return f"sha256:{sha256(canonical.dumps(dict(task))).hexdigest()}"
    except M2KTError as error:
        raise ExchangeError(error.detail) from error
