"""A sentence encoder at a tenth of its size: MiniLM (22.7M) teaches a bag of word pieces of two million parameters.

The student learns from signed packets of anchors alone (`student_agent.distil`) and is judged on retrieval by cosine
(`bench.anchored.retrieval`): *plain* is its own vectors on both sides, *asymmetric* its queries on the teacher's index,
which is what EmbedDistill claims 95 to 97 % for (arXiv 2301.12005). Every choice was made on the tasks for choices.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.anchored import sources
from bench.anchored.cache import encoded
from bench.anchored.corpus import public
from bench.anchored.intervals import Ratio, ratio
from bench.anchored.retrieval import Task, ndcg, tasks
from bench.anchored.travel import CREATED
from m2kt.anchors import texts
from m2kt.neural.encoders import Inputs, Reading, States, TextEncoder
from m2kt.neural.models import Tokenizer
from m2kt.packet import DomainRef, anchors
from m2kt.packet.anchors import AnchorStates, Title
from m2kt.signing import TrustStore, sign_packet
from m2kt.signing.keys import generate
from student_agent.bag import Bag, pieces
from student_agent.distil import Schedule, learn
from student_agent.encoding import open_anchor_packets, vectors

Json = dict[str, Any]
PART = 40_000
"""Anchors of one packet, which may have 64 MiB."""


@dataclass(frozen=True)
class Fast(TextEncoder):
    """The teacher with multiplications in bfloat16: packets keep as many bits of a state."""

    @property
    def reading(self) -> str:
        return f"{super().reading}, bfloat16"

    def encode(self, inputs: Inputs) -> States:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return super().encode(inputs)


@dataclass(frozen=True, eq=False)
class Public:
    """What travelled: texts, the teacher's states of them, the sets' digests, and the size of the packets."""

    texts: tuple[str, ...]
    states: NDArray[Any]
    sets: dict[str, str]
    bytes: int


def travelled() -> Public:
    """The public sets, each as a signed packet of anchors, opened again."""
    slow = sources.minilm(Reading())
    teacher = Fast(**vars(slow))
    words = [each for each, _ in sorted(slow.tokenizer.get_vocab().items(), key=lambda pair: pair[1])]
    sets = public(words)
    key, sent, held = generate(), [], []
    for whole in sets:
        states = encoded(teacher, list(whole.items), sources.CACHE)
        for number, start in enumerate(range(0, len(whole), PART), 1):
            part = texts(f"{whole.name}-{number}", [str(each) for each in whole.items[start : start + PART]])
            title = Title(f"bench/{part.name}", "1.0.0", CREATED, DomainRef("public-anchors", "1.0.0"))
            found = AnchorStates(part.name, part.digest, part.kind, teacher.reading, states[start : start + PART])
            sent.append(sign_packet(anchors.build(found, title, sources.described(sources.minilm)), key))
            held.append(part)
    opened = open_anchor_packets(sent, TrustStore([key.public_key()]), held)
    return Public(
        tuple(str(text) for each in held for text in each.items),
        np.concatenate([each.states for each in opened]),
        {each.name: each.digest for each in held},
        sum(map(len, sent)),
    )


def measure(seeds: range, schedule: Schedule | None = None) -> Json:
    """nDCG of the small student over the teacher's, on both tasks, plain and asymmetric; tasks for choices beside."""
    tokenizer, found = sources.minilm(Reading()).tokenizer, travelled()
    ids = pieces(tokenizer, found.texts)
    models = [learn(ids, found.states, len(tokenizer), replace(schedule or Schedule(), seed=seed)) for seed in seeds]
    rows = {name: _task(task, models, tokenizer) for name, task in tasks(report=True).items()}
    chosen = {f"{name}, for choices": _task(task, models, tokenizer) for name, task in tasks(report=False).items()}
    table: Json = {"anchors": len(found.texts), "seeds": len(seeds)}
    table["parameters"] = sum(each.numel() for each in models[0].parameters())
    table["parameters_of_the_teacher"] = sources.described(sources.minilm).parameters
    ledger = {"activations_moved": len(found.states), "labels_moved": 0, "bytes": found.bytes}
    table |= rows | chosen | {"packets": {"ledger": ledger, "sets": found.sets}}
    kept = {way: float(np.mean([row[way]["mean"] for row in rows.values()])) for way in ("kept", "kept_asymmetric")}
    return {
        "encoder_ndcg_kept": round(kept["kept"], 4),
        "encoder_ndcg_kept_asymmetric": round(kept["kept_asymmetric"], 4),
        "rows": table,
    }


def _task(task: Task, models: Sequence[Bag], tokenizer: Tokenizer) -> Json:
    teacher = sources.minilm(Reading())
    asked, shown = (encoded(teacher, part, sources.CACHE) for part in (task.queries, task.documents))
    best = ndcg(asked, shown, task.relevant)
    own = [tuple(vectors(each, tokenizer, part) for part in (task.queries, task.documents)) for each in models]
    plain = [ndcg(queries, documents, task.relevant) for queries, documents in own]
    crossed = [ndcg(queries, shown, task.relevant) for queries, _ in own]
    words = lexical(tokenizer, task)
    return {
        "queries": len(task.queries),
        "documents": len(task.documents),
        "ndcg_teacher": _mean([best]),
        "ndcg_student": _mean(plain),
        "ndcg_student_by_seed": [round(float(each.mean()), 4) for each in plain],
        "ndcg_asymmetric": _mean(crossed),
        "ndcg_words_in_common": _mean([words]),
        "kept": _kept(plain, best),
        "kept_asymmetric": _kept(crossed, best),
    }


def _mean(scores: Sequence[NDArray[np.float64]]) -> float:
    return round(float(np.mean([each.mean() for each in scores])), 4)


def _kept(scores: Sequence[NDArray[np.float64]], best: NDArray[np.float64]) -> dict[str, float]:
    found: Ratio = ratio(scores, [best] * len(scores))
    return found.told()


def lexical(tokenizer: Tokenizer, task: Task) -> NDArray[np.float64]:
    """A row without any model: cosine of pieces in common, each weighing by its rarity among the documents."""
    ids: Tensor = pieces(tokenizer, [*task.queries, *task.documents])
    counts = np.zeros((len(ids), len(tokenizer) + 1), np.float32)
    np.add.at(counts, (np.arange(len(ids))[:, None].repeat(ids.shape[1], 1), ids.numpy()), 1)
    counts[:, 0] = 0
    documents = counts[len(task.queries) :]
    counts *= np.log((1 + len(documents)) / (1 + (documents > 0).sum(0)))
    return ndcg(counts[: len(task.queries)], counts[len(task.queries) :], task.relevant)
