"""Static concepts: the states of unlabelled items, grouped by what the teacher says of them (eq. 9-10, section V-A).

Within the items that the teacher gives one symbol, clusters by principal direction divisive partitioning (Boley 1998),
cut at the median so that they stay balanced: k-means left most of 1,000 clusters with fewer than `LEAST_SUPPORT` items,
and no centroid may nearly be the state of a single input. A concept is a cluster's mean, variance, share and support.
"""

import heapq
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from m2kt.errors import ExtractionRefused
from m2kt.packet import Extraction, Manifest, Packet, PacketKind, Teacher, build_packet, ledger
from m2kt.packet.anchors import MANTISSA_BITS, Title
from m2kt.packet.static import LEAST_SUPPORT, StaticKnowledge, to_tensors
from m2kt.packet.tensors import keep_bits

OPERATOR = "divisive"
POWER = 8
"""Power iterations for a principal direction: it need not be exact."""

Floats = NDArray[np.float32]


def concepts(
    states: Floats, emissions: NDArray[np.int64], symbols: tuple[str, ...], count: int, seed: int
) -> StaticKnowledge:
    """At most ``count`` concepts of ``states`` (n, d), to which the teacher says ``emissions`` (n,)."""
    if not np.isfinite(states).all():
        raise ExtractionRefused("the teacher's states hold NaN or an infinity")
    scale = states.std(0) + 1e-6
    parts: list[tuple[Floats, Floats, int, int]] = []
    for symbol in range(len(symbols)):
        own = states[emissions == symbol]
        if len(own) >= LEAST_SUPPORT:
            wanted = max(1, min(count * len(own) // len(states), len(own) // LEAST_SUPPORT))
            for members in _clusters(own / scale, wanted, seed + symbol):
                cluster = own[members].astype(np.float64)
                variance = cluster.var(0, ddof=1).astype(np.float32)
                parts.append((cluster.mean(0).astype(np.float32), variance, len(cluster), symbol))
    if not parts:
        raise ExtractionRefused(f"no symbol is said of {LEAST_SUPPORT} items", hint="Give more probes.")
    centroids, variance, support, said = (np.array(each) for each in zip(*parts, strict=True))
    weight = (support / support.sum()).astype(np.float32)
    return StaticKnowledge(symbols, centroids, variance, weight, support.astype(np.int32), said.astype(np.int32))


def _clusters(rows: Floats, count: int, seed: int) -> list[NDArray[np.int64]]:
    """Members of at most ``count`` clusters of ``rows`` (n, d), each of at least `LEAST_SUPPORT`: the widest cluster is
    cut in two equal halves along its principal direction, again and again."""
    rng = np.random.default_rng(seed)
    everything = np.arange(len(rows))
    open_, closed = [(-_width(rows), 0, everything)], list[NDArray[np.int64]]()
    while open_ and len(open_) + len(closed) < count:
        _, _, members = heapq.heappop(open_)
        if len(members) < 2 * LEAST_SUPPORT:
            closed.append(members)
            continue
        order = members[np.argsort(_along(rows[members], rng), kind="stable")]
        for half in (order[: len(order) // 2], order[len(order) // 2 :]):
            heapq.heappush(open_, (-_width(rows[half]), int(half[0]), half))
    return closed + [members for _, _, members in open_]


def _width(rows: Floats) -> float:
    """Sum of squared distances from the mean."""
    return float(((rows - rows.mean(0)) ** 2).sum())


def _along(rows: Floats, rng: np.random.Generator) -> Floats:
    """Projections (n,) on the first principal direction, by power iteration."""
    centred = rows - rows.mean(0)
    direction: Floats = np.asarray(rng.normal(size=rows.shape[1]), np.float32)
    for _ in range(POWER):
        direction = np.asarray(centred.T @ (centred @ direction), np.float32)
        direction /= np.linalg.norm(direction) + 1e-12
    return np.asarray(centred @ direction, np.float32)


def build(
    found: StaticKnowledge,
    title: Title,
    teacher: Teacher,
    reading: str,
    anchors_sha256: str,
    queries: int,
    seed: int,
    measured: Mapping[str, float] | None = None,
) -> Packet:
    """The unsigned packet. ``anchors_sha256`` is the set on which the teacher's packet of anchors pairs these vectors;
    ``queries`` are the inputs that the teacher saw for it, ``measured`` is what else is known of the teacher."""
    tensors, precision = keep_bits(to_tensors(found), MANTISSA_BITS)
    settings: dict[str, str | int] = {"reading": reading, "set_sha256": anchors_sha256, "static": 1}
    manifest = Manifest.describe(
        kind=PacketKind.KNOWLEDGE,
        name=title.name,
        version=title.version,
        created=title.created,
        domain=title.domain,
        teacher=teacher,
        extraction=Extraction(OPERATOR, settings, seed),
        licence=title.licence,
        tensors=tensors,
        precision=precision,
        ledger=ledger.measure(tensors, queries),
        confidence={
            "support_min": f"{int(found.support.min())}",
            **{name: f"{value:.4f}" for name, value in (measured or {}).items()},
        },
        symbols=found.symbols,
    )
    return build_packet(manifest, tensors)
