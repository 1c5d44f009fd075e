"""Templates are unrolled as a slow reading of them would."""

from dataclasses import replace

import numpy as np
import pytest

from m2kt.packet import controls
from m2kt.packet.knowledge import UNUSED, Element, Knowledge, Template
from student_agent.probes import Probes, Unroller, decision_positions
from tests.small import negated_knowledge, next_knowledge, small_knowledge


def answers(knowledge: Knowledge) -> list[int]:
    return [int(each) for each in knowledge.anchor_strings[controls.decoded(knowledge)]]


def unroll(knowledge: Knowledge, count: int, seed: int = 0) -> Probes:
    unroller = Unroller(knowledge, answers(knowledge))
    return unroller.unroll(knowledge.templates[0], count, np.random.default_rng(seed))


def test_a_choice_that_leads_out_of_the_template_is_drawn_anew() -> None:
    small = small_knowledge()
    only_zero = np.zeros((1, len(small.symbols)), np.uint8)
    only_zero[0, 0] = 1
    alphabets = np.concatenate([small.alphabets, only_zero])
    found = unroll(replace(small, alphabets=alphabets, choices=np.array([1], np.int32)), 50)
    assert len(found.symbols) == 50
    assert {int(each) for each in found.symbols[:, 4]} == {0}
    assert ((found.symbols[:, 0] + found.symbols[:, 2]) % 3 == 0).all()


def slowly(knowledge: Knowledge, template: Template, slots: list[int]) -> tuple[list[int], list[int]]:
    """Symbols and concepts of one chain, read element by element."""
    decided = answers(knowledge)
    free = iter(slots)
    chain: list[int] = []
    concepts: list[int] = []
    for kind, argument, _, _ in template.elements.tolist():
        if kind == Element.LITERAL:
            chain.append(argument)
        elif kind == Element.SLOT:
            chain.append(next(free))
        elif kind == Element.COPY:
            chain.append(chain[argument])
        else:
            number, *roles = knowledge.decisions[argument].tolist()
            grounding = [chain[role] if role != UNUSED else UNUSED for role in roles]
            (concept,) = [
                row
                for row in range(len(decided))
                if knowledge.classes[row] == number and knowledge.groundings[row].tolist() == grounding
            ]
            concepts.append(concept)
            chain.append(decided[concept])
    return chain, concepts


@pytest.mark.parametrize("knowledge", [small_knowledge(), negated_knowledge(), next_knowledge()])
def test_unrolling_equals_a_slow_reading(knowledge: Knowledge) -> None:
    template = knowledge.templates[0]
    found = unroll(knowledge, 50)
    slots = found.symbols[:, template.elements[:, 0] == Element.SLOT]
    assert len(found.symbols) == 50
    for symbols, concepts, free in zip(found.symbols, found.concepts, slots.tolist(), strict=True):
        assert (symbols.tolist(), concepts.tolist()) == slowly(knowledge, template, free)


def test_slots_are_drawn_from_all_of_their_alphabet_and_nothing_else() -> None:
    found = unroll(small_knowledge(), 200)
    assert set(found.symbols[:, 0].tolist()) == set(found.symbols[:, 2].tolist()) == {0, 1, 2}


def test_a_class_with_an_unused_slot_is_found_by_its_used_ones() -> None:
    knowledge = negated_knowledge()
    found = unroll(knowledge, 60)
    assert decision_positions(knowledge.templates[0]) == [4, 9]
    assert (knowledge.classes[found.concepts] == [0, 1]).all()
    assert ((found.symbols[:, 4] + found.symbols[:, 9]) % 3 == 0).all()


def without(knowledge: Knowledge, *rows: int) -> Knowledge:
    """``knowledge`` without some concepts."""
    kept = [row for row in range(len(knowledge.centroids)) if row not in rows]
    names = ("centroids", "dispersion", "support", "groundings", "classes")
    return replace(knowledge, **{name: getattr(knowledge, name)[kept] for name in names})


def test_chains_that_reach_a_grounding_without_a_concept_are_drawn_anew() -> None:
    found = unroll(without(small_knowledge(), 4, 8), 100)
    pairs = set(zip(found.symbols[:, 0].tolist(), found.symbols[:, 2].tolist(), strict=True))
    assert len(found.symbols) == 100
    assert pairs == {(a, b) for a in range(3) for b in range(3)} - {(1, 1), (2, 2)}


def test_a_template_without_any_concept_gives_no_chain() -> None:
    found = unroll(without(small_knowledge(), *range(1, 9)), 0)
    assert found.symbols.shape == (0, 5)
    nowhere = replace(without(small_knowledge(), *range(1, 9)), groundings=np.array([[3, 3]], np.int32))
    assert unroll(nowhere, 30).symbols.shape == (0, 5)


def test_equal_seeds_draw_equal_chains() -> None:
    first, again, other = (unroll(small_knowledge(), 40, seed).symbols for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_groundings_are_told_apart_however_many_symbols_there_are() -> None:
    """With 65,535 symbols and five slots, 64 bits hold no number per grounding."""
    knowledge = replace(
        next_knowledge(),
        symbols=tuple(f"s{n}" for n in range(65_535)),
        groundings=np.array([[0, 2, 2, 2, 2], [1, 2, 2, 2, 2], [2, 2, 2, 2, 2]], np.int32),
        decisions=np.array([[0, 0, 1, 1, 1, 1]], np.int32),
    )
    elements = [(Element.SLOT, 0, 0, 0), (Element.LITERAL, 2, 1, 0), (Element.DECISION, 0, 1, 1)]
    template = Template(np.array(elements, np.int32), 1)
    found = Unroller(knowledge, [0, 1, 2]).unroll(template, 60, np.random.default_rng(0))
    assert np.array_equal(found.concepts[:, 0], found.symbols[:, 0])
