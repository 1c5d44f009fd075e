"""Static concepts: the states of unlabelled items, grouped by what the teacher says of them (eq. 9-10, section V-A).

Within the items that the teacher gives one symbol, k-means; a concept is a cluster with its mean, its variance, its
share and its support. Clusters of fewer than `LEAST_SUPPORT` items dissolve: their items join the nearest that is left,
so that no centroid is nearly the state of a single input.
"""

import numpy as np
from numpy.typing import NDArray

from m2kt.errors import ExtractionRefused
from m2kt.packet import Extraction, Manifest, Packet, PacketKind, Teacher, build_packet, ledger
from m2kt.packet.anchors import MANTISSA_BITS, Title
from m2kt.packet.static import LEAST_SUPPORT, StaticKnowledge, to_tensors
from m2kt.packet.tensors import keep_bits
from teacher_agent.clustering import k_means, nearest

OPERATOR = "clustering"

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
            wanted = max(1, min(round(count * len(own) / len(states)), len(own) // LEAST_SUPPORT))
            for members in _clusters(own / scale, wanted, seed + symbol):
                cluster = own[members].astype(np.float64)
                variance = cluster.var(0, ddof=1).astype(np.float32)
                parts.append((cluster.mean(0).astype(np.float32), variance, len(cluster), symbol))
    if not parts:
        raise ExtractionRefused(f"no symbol is said of {LEAST_SUPPORT} items", hint="Give more probes.")
    centroids, variance, support, said = (np.array(each) for each in zip(*parts, strict=True))
    weight = (support / support.sum()).astype(np.float32)
    return StaticKnowledge(symbols, centroids, variance, weight, support.astype(np.int32), said.astype(np.int32))


def _clusters(rows: Floats, count: int, seed: int) -> list[NDArray[np.bool_]]:
    """Members of at most ``count`` clusters of ``rows`` (n, d), each of at least `LEAST_SUPPORT`."""
    centres = k_means(rows, count, seed)
    while True:
        near = nearest(rows, centres)
        size = np.bincount(near, minlength=len(centres))
        if len(centres) == 1 or size.min() >= LEAST_SUPPORT:
            return [near == each for each in range(len(centres))]
        small = np.flatnonzero(size < LEAST_SUPPORT)
        gone = small[np.argsort(size[small], kind="stable")[: max(1, len(small) // 2)]]  # half at a time: others grow
        centres = np.delete(centres, gone[: len(centres) - 1], axis=0)


def build(
    found: StaticKnowledge, title: Title, teacher: Teacher, reading: str, anchors_sha256: str, queries: int, seed: int
) -> Packet:
    """The unsigned packet. ``anchors_sha256`` is the set on which the teacher's packet of anchors pairs these vectors;
    ``queries`` are the inputs that the teacher saw for it."""
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
        confidence={"support_min": f"{int(found.support.min())}"},
        symbols=found.symbols,
    )
    return build_packet(manifest, tensors)
