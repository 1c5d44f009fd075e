"""Closed-book facts: what SmolLM2-135M knows of three lists becomes a packet, and a small GPT-2 learns them from it.

A concept is a subject in a relation: the mean, over the templates of extraction, of the state with which the teacher is
about to say the object. Its symbols are the unembedding rows of the objects; objects of several tokens weigh theirs by
halves, first token first. *Raw concepts* are what these vectors say by themselves: the best symbol by dot product.
The lists are `examples/facts/*.json`; the teacher never sees an object, and held-out templates are in no packet.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.anchored import sources
from bench.anchored.cache import encoded
from m2kt.neural.encoders import Pool, Reading
from m2kt.packet.knowledge import Element, Knowledge, Template

LEADS = ("", " ")
END = "."
FADE = 0.5


@dataclass(frozen=True)
class Relation:
    """One list: ``facts`` subject to object."""

    name: str
    templates: tuple[str, ...]
    held_out: tuple[str, ...]
    facts: dict[str, str]


@cache
def relations() -> tuple[Relation, ...]:
    """The lists, in the order of their files."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(sources.FACTS.glob("*.json"))]
    return tuple(
        Relation(each["relation"], tuple(each["templates"]), tuple(each["held_out"]), each["facts"]) for each in found
    )


@cache
def strings() -> tuple[tuple[str, ...], dict[str, int]]:
    """Every string of the packet (words of templates, subjects, objects), and where each stands."""
    words = [word for each in relations() for text in each.templates for word in text.split() if word != "{}"]
    names = [name for each in relations() for pair in each.facts.items() for name in pair]
    listed = tuple(dict.fromkeys([*words, END, *names]))
    return listed, {text: place for place, text in enumerate(listed)}


def objects() -> tuple[str, ...]:
    """All objects, each once."""
    return tuple(dict.fromkeys(name for each in relations() for name in each.facts.values()))


@dataclass(frozen=True)
class Read:
    """The teacher's concepts (K, d), its symbol rows (A, d), the states behind the concepts (K, T, d)."""

    centroids: NDArray[np.float32]
    rows: NDArray[np.float32]
    states: NDArray[np.float32]
    truth: NDArray[np.int64]  # (K,) the object by number, for judging only
    classes: NDArray[np.int64]  # (K,)

    def says(self, vectors: NDArray[np.floating]) -> NDArray[np.int64]:
        """The object that each vector says, among all objects of all lists."""
        said: NDArray[np.int64] = (vectors @ self.rows.T).argmax(-1)
        return said


@cache
def teacher_reads() -> Read:
    """States at the last word of every prompt of extraction."""
    encoder = sources.smollm2(Reading(Pool.LAST))
    width = encoder.model.config.hidden_size
    parts, truth, classes, number = [], [], [], {name: place for place, name in enumerate(objects())}
    for relation_number, each in enumerate(relations()):
        asked = [filled(text, subject) for subject in each.facts for text in each.templates]
        parts.append(encoded(encoder, asked, sources.CACHE).reshape(len(each.facts), len(each.templates), width))
        truth += [number[name] for name in each.facts.values()]
        classes += [relation_number] * len(each.facts)
    states = np.concatenate(parts)
    return Read(states.mean(1), symbol_rows(encoder), states, np.array(truth), np.array(classes))


def symbol_rows(encoder: Any) -> NDArray[np.float32]:
    """One row of the teacher's (tied) unembedding for each object, (A, d)."""
    weight = encoder.model.get_input_embeddings().weight.float().numpy()
    rows = []
    for name in objects():
        ids = encoder.tokenizer(" " + name, add_special_tokens=False)["input_ids"]
        share = FADE ** np.arange(len(ids))
        rows.append((share[:, None] / share.sum() * weight[ids]).sum(0))
    return np.array(rows, np.float32)


def knowledge(read: Read) -> Knowledge:
    """The packet's knowledge: C, the symbols, and the templates of extraction with subject and object left open."""
    listed, place = strings()
    templates: list[Template] = []
    decisions: list[list[int]] = []
    alphabets: list[NDArray[np.bool_]] = []
    for number, each in enumerate(relations()):
        alphabets.append(np.isin(np.arange(len(listed)), [place[name] for name in each.facts]))
        for text in each.templates:
            elements, slot = elements_of(text, number, len(decisions), place)
            templates.append(Template(elements, len(each.facts)))
            decisions.append([number, slot])
    longest = max(map(len, templates))
    swap = np.zeros((len(decisions), longest), np.float16)
    first = np.cumsum([0, *(len(each.templates) for each in relations())])
    for row, (number, slot) in enumerate(decisions):
        swap[row, slot] = swap_evidence(read, number, row - int(first[number]))
    subjects = [place[name] for each in relations() for name in each.facts]
    spread = np.sqrt(((read.states - read.centroids[:, None]) ** 2).sum(-1).mean(1))
    return Knowledge(
        symbols=listed,
        leads=LEADS,
        centroids=read.centroids.astype(np.float32),
        dispersion=spread.astype(np.float32),
        support=np.full(len(read.centroids), read.states.shape[1], np.int32),
        groundings=np.array(subjects, np.int32)[:, None],
        classes=read.classes.astype(np.int32),
        anchors=read.rows,
        anchor_bias=np.zeros(len(read.rows), np.float32),
        anchor_strings=np.array([place[name] for name in objects()], np.int32),
        templates=tuple(templates),
        alphabets=np.array(alphabets, np.uint8),
        decisions=np.array(decisions, np.int32),
        swap=swap,
        gradient=np.zeros_like(swap),
    )


def elements_of(text: str, relation: int, decision: int, place: dict[str, int]) -> tuple[NDArray[np.int32], int]:
    """Rows of ``graph/elements`` of one template, and where its subject stands."""
    rows, words = [], text.split()
    for number, word in enumerate(words):
        lead = int(number > 0 and word != ",")
        rows.append([Element.SLOT, relation, lead, 0] if word == "{}" else [Element.LITERAL, place[word], lead, 0])
    rows += [[Element.DECISION, decision, 1, 1], [Element.LITERAL, place[END], 0, 1]]
    return np.array(rows, np.int32), words.index("{}")


def swap_evidence(read: Read, relation: int, template: int) -> float:
    """Share of exchanges of two subjects, in one template, that change what the teacher is about to say."""
    said = read.says(read.states[read.classes == relation, template])
    return float((said[:, None] != said[None]).sum() / (len(said) * (len(said) - 1)))


def prompts(held_out: bool) -> tuple[list[str], list[str], list[str]]:
    """Prompt, object and relation of every fact in every template."""
    found = [
        (filled(text, subject), name, each.name)
        for each in relations()
        for subject, name in each.facts.items()
        for text in (each.held_out if held_out else each.templates)
    ]
    asked, answers, names = zip(*found, strict=True)
    return list(asked), list(answers), list(names)


def form_texts(count: int, rng: np.random.Generator) -> Sequence[str]:
    """What the student has seen: all templates, with random objects of the relation. It knows no fact."""
    made = []
    for _ in range(count):
        each = relations()[rng.integers(len(relations()))]
        text = rng.choice([*each.templates, *each.held_out])
        subject, name = rng.choice(list(each.facts)), rng.choice(list(each.facts.values()))
        made.append(f"{filled(text, subject)} {name}{END}")
    return made


def filled(text: str, subject: str) -> str:
    """A template as it is written, with its subject."""
    return text.replace("{}", subject).replace(" ,", ",")


def held_out_counts() -> list[int]:
    """How many held-out prompts every fact has, in the order of `prompts`."""
    return [len(each.held_out) for each in relations() for _ in each.facts]


def chance() -> float:
    """Share of facts that the commonest object of their relation gets right."""
    commonest = [max(Counter(each.facts.values()).values()) for each in relations()]
    return sum(commonest) / sum(len(each.facts) for each in relations())


def described(read: Read) -> dict[str, Any]:
    """What the teacher knows of each list: prompt by prompt, and as concepts."""
    told: dict[str, Any] = {"facts": len(read.truth), "objects": len(objects())}
    for number, each in enumerate(relations()):
        own = read.classes == number
        single = read.says(read.states[own]) == read.truth[own, None]
        told[each.name] = {
            "facts": int(own.sum()),
            "raw_concepts": round(float((read.says(read.centroids[own]) == read.truth[own]).mean()), 4),
            "single_prompts": round(float(single.mean()), 4),
        }
    return told
