"""What a packet moves, counted from its tensors and not taken on trust (docs/packet.md, *Ledger*).

Known tensors are counted for what they are. A tensor that the format does not know is counted for the worst that its
shape could be: a table of whole numbers as examples, a column of them as labels, a table of floats as activations when
it is as wide as the teacher, else as logits. A column beside the concepts that says which symbol each one decodes to,
whatever it is called, is counted as labels.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from m2kt.packet import Array, Packet
from m2kt.packet.knowledge import Element

Tensors = Mapping[str, Array]

COUNTS = ("examples_moved", "labels_moved", "activations_moved", "weight_rows_moved", "logit_rows_recoverable")
KEYS = (*COUNTS, "outputs_moved", "anchors", "concepts", "bytes", "teacher_queries_used_to_build")
QUERIES = "teacher_queries_used_to_build"

KNOWN = frozenset(
    {
        "concepts/centroids",
        "concepts/dispersion",
        "concepts/support",
        "concepts/groundings",
        "concepts/classes",
        "symbols/embeddings",
        "symbols/bias",
        "symbols/strings",
        "graph/templates",
        "graph/elements",
        "graph/alphabets",
        "graph/choices",
        "graph/decisions",
        "saliency/swap",
        "saliency/gradient",
        "attention/mean",
        "concepts/variance",
        "concepts/weight",
        "concepts/emissions",
        "anchors/states",
    }
)


def compute(packet: Packet) -> dict[str, int]:
    """The ledger that the packet's manifest should show; only the teacher's queries cannot be counted from tensors."""
    return measure(packet.tensors, packet.manifest.ledger.get(QUERIES, 0))


def measure(tensors: Tensors, queries: int) -> dict[str, int]:
    """The ledger of a set of tensors that took ``queries`` of the teacher to build."""
    counts = dict.fromkeys(COUNTS, 0)
    for name, amount in (*_known(tensors), *_unknown(tensors), *_answer_columns(tensors)):
        counts[name] += amount
    return {
        **counts,
        "outputs_moved": counts["labels_moved"] + counts["activations_moved"],
        "anchors": _rows(tensors, "symbols/embeddings") + _rows(tensors, "anchors/states"),
        "concepts": _rows(tensors, "concepts/centroids"),
        "bytes": sum(each.nbytes for each in tensors.values()),
        QUERIES: queries,
    }


def _rows(tensors: Tensors, name: str) -> int:
    return len(tensors[name]) if name in tensors else 0


def _known(tensors: Tensors) -> Iterator[tuple[str, int]]:
    anchors = _rows(tensors, "symbols/embeddings")
    yield "weight_rows_moved", anchors
    if anchors:  # whoever holds both can multiply them
        yield "logit_rows_recoverable", _rows(tensors, "concepts/centroids")
    if "concepts/support" in tensors:  # the centroid of one state is that state
        yield "activations_moved", int((tensors["concepts/support"] == 1).sum())
    yield "activations_moved", _rows(tensors, "anchors/states")
    yield "labels_moved", _rows(tensors, "concepts/emissions")  # what the teacher says, concept by concept
    yield from _fixed_templates(tensors)


def _fixed_templates(tensors: Tensors) -> Iterator[tuple[str, int]]:
    """A template with nothing free in its prompt is an example; what it then says the teacher wrote is its label."""
    if not {"graph/templates", "graph/elements", "graph/alphabets"} <= set(tensors):
        return
    elements, sizes = tensors["graph/elements"], tensors["graph/alphabets"].sum(1)
    for first, length, *_ in tensors["graph/templates"].tolist():
        rows = elements[first : first + length]
        prompt, written = rows[rows[:, 3] == 0], rows[rows[:, 3] == 1]
        slots = prompt[prompt[:, 0] == Element.SLOT, 1]
        if not (sizes[slots[slots < len(sizes)]] > 1).any():
            yield "examples_moved", 1
            yield "labels_moved", int((written[:, 0] == Element.LITERAL).any())


def _unknown(tensors: Tensors) -> Iterator[tuple[str, int]]:
    width = tensors["concepts/centroids"].shape[-1] if "concepts/centroids" in tensors else -1
    for name, tensor in tensors.items():
        if name not in KNOWN:
            yield _worst_reading(tensor, width)


def _worst_reading(tensor: Array, width: int) -> tuple[str, int]:
    rows = int(np.prod(tensor.shape[:-1])) if tensor.ndim > 1 else tensor.size
    single = tensor.ndim < 2 or tensor.shape[-1] == 1
    if tensor.dtype.kind in "iu":
        return ("labels_moved" if single else "examples_moved"), rows
    if single:
        return "labels_moved", rows
    return ("activations_moved" if tensor.shape[-1] == width else "logit_rows_recoverable"), rows


def _answer_columns(tensors: Tensors) -> Iterator[tuple[str, int]]:
    """Known columns beside the concepts that give away what each concept decodes to."""
    decoded = _decoded(tensors)
    if decoded is None:
        return
    for name in KNOWN & set(tensors):
        tensor = tensors[name]
        if name.startswith("concepts/") and name != "concepts/centroids" and len(tensor) == len(decoded):
            for column in tensor.reshape(len(tensor), -1).T:
                if _renames(column, decoded):
                    yield "labels_moved", len(decoded)


def _decoded(tensors: Tensors) -> NDArray[np.int64] | None:
    """The anchor that each concept is nearest to in logits, (K,)."""
    if not {"concepts/centroids", "symbols/embeddings"} <= set(tensors):
        return None
    centroids, anchors = (tensors[each].astype(np.float32) for each in ("concepts/centroids", "symbols/embeddings"))
    if centroids.ndim != 2 or anchors.ndim != 2 or centroids.shape[1] != anchors.shape[1]:
        return None
    logits = centroids @ anchors.T
    if "symbols/bias" in tensors and tensors["symbols/bias"].shape == logits.shape[1:]:
        logits = logits + tensors["symbols/bias"].astype(np.float32)
    nearest: NDArray[np.int64] = logits.argmax(1)
    return nearest


def _renames(column: Array, decoded: NDArray[np.int64]) -> bool:
    """Whether ``column`` is ``decoded`` under other names: one name for each symbol, and no name for two."""
    names, symbols = np.unique(column), np.unique(decoded)
    pairs = np.unique(np.stack([np.searchsorted(names, column), np.searchsorted(symbols, decoded)]), axis=1)
    return len(symbols) > 2 and pairs.shape[1] == len(names) == len(symbols)
