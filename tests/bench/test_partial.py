"""Packets that say less, or say it of another world: what is left of them is well formed, and nothing else."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.te import edges, gaps, labels, worlds
from bench.te.experiments import keep
from bench.te.settings import MODELS, OTHER_SEED
from examples.models.tasks import TASKS
from m2kt.neural.models import load
from m2kt.packet.controls import decoded
from m2kt.packet.knowledge import Knowledge, from_tensors, to_tensors
from tests.small import negated_knowledge, next_knowledge, small_knowledge

RESULTS = Path(__file__).parents[2] / "docs" / "results.json"


def _reread(knowledge: Knowledge) -> Knowledge:
    return from_tensors(to_tensors(knowledge), knowledge.symbols, knowledge.leads)


def test_a_template_ends_before_the_first_decision_whose_edge_is_missing() -> None:
    knowledge = negated_knowledge()
    left = edges.without(knowledge, np.array([False, True]))
    assert left is not None
    again = _reread(left)
    assert len(again.templates[0]) == 9  # a + b = c ; - c =
    assert again.class_count == 1
    assert len(again.centroids) == 9  # the second class' three concepts are asked for by nothing


def test_no_graph_is_left_without_its_first_edges() -> None:
    assert edges.without(negated_knowledge(), np.array([True, False])) is None


def test_templates_that_are_left_keep_their_decisions_under_new_numbers() -> None:
    small, other = negated_knowledge(), negated_knowledge().templates[0]
    elements = other.elements.copy()
    elements[elements[:, 0] == 3, 1] += 2
    both = replace(
        small,
        templates=(other, replace(other, elements=elements)),
        decisions=np.concatenate([small.decisions, small.decisions]),
        swap=np.concatenate([small.swap, small.swap + 1]),
        gradient=np.concatenate([small.gradient, small.gradient]),
    )
    assert edges.owner(both).tolist() == [0, 0, 1, 1]
    left = edges.without(both, np.array([True, True, False, False]))
    assert left is not None
    assert (_reread(left).swap == small.swap + 1).all()
    assert (left.templates[0].elements == other.elements).all()


def test_a_larger_share_of_missing_edges_holds_a_smaller_one() -> None:
    owners = np.arange(40)
    quarter, half = (set(edges.drawn(owners, share, seed=3).tolist()) for share in (0.25, 0.5))
    assert len(quarter) == 10
    assert quarter < half


def _overheard(wrong: float = 0.0, blur: float = 0.0) -> tuple[gaps.Overheard, Knowledge]:
    words = [f"w{number}" for number in range(10)]
    knowledge = next_knowledge(words)
    operator = gaps.Overheard(
        knowledge.anchors.astype(np.float32), knowledge.anchor_bias, np.random.default_rng(1), wrong, blur
    )
    states = knowledge.centroids.astype(np.float64)
    for _ in range(8):
        operator.add([(0, (number,)) for number in range(len(words))], states, states)
    return operator, knowledge


def test_of_each_fact_as_many_outputs_are_heard_as_a_concept_needs() -> None:
    operator, knowledge = _overheard()
    concepts = operator.concepts(5, 100)
    assert concepts.support.tolist() == [gaps.OUTPUTS_PER_FACT] * 10
    assert np.allclose(concepts.centroids, knowledge.centroids, atol=1e-3)
    assert [operator.said[0, (number,)] for number in range(10)] == [[(number + 1) % 10] * 5 for number in range(10)]


def test_a_wrong_output_is_another_decisions_and_wrong_in_its_share() -> None:
    operator, _ = _overheard(wrong=0.4)
    said = np.array([operator.said[0, (number,)] for number in range(10)])
    wrong = said != (np.arange(10)[:, None] + 1) % 10
    assert 0.2 < wrong.mean() < 0.6
    assert operator.concepts(5, 100).dispersion.max() > 0.1  # the spread tells of it


def test_blurred_states_say_other_things_now_and_then() -> None:
    wrong = []
    for blur in (0.5, 1.0, 4.0):
        operator, _ = _overheard(blur=blur)
        said = np.array([operator.said[0, (number,)] for number in range(10)])
        wrong.append((said != (np.arange(10)[:, None] + 1) % 10).mean())
    assert wrong[0] < wrong[1] < wrong[2]


def test_what_was_misheard_is_counted_by_fact_and_not_by_place() -> None:
    knowledge = small_knowledge()
    right = [[answer] for answer in decoded(knowledge).tolist()]
    assert gaps.misheard(knowledge, knowledge, right) == 0.0
    order = np.arange(len(right))[::-1]
    turned = replace(knowledge, centroids=knowledge.centroids[order], groundings=knowledge.groundings[order])
    assert gaps.misheard(knowledge, turned, right[::-1]) == 0.0
    assert gaps.misheard(knowledge, knowledge, [[(answer + 1) % 3, answer] for [answer] in right]) == 0.5


def test_packets_of_answers_say_what_was_heard_most_or_first() -> None:
    knowledge = small_knowledge()
    heard = [[2, 1, 1]] * len(knowledge.centroids)
    packets = gaps.counted(knowledge, heard)
    assert [set(decoded(each).tolist()) for each in packets.values()] == [{1}, {2}]


def test_the_forms_that_are_compared_say_the_same_of_facts_that_are_there() -> None:
    knowledge = small_knowledge()
    said = [decoded(each).tolist() for each in gaps.forms(knowledge).values()]
    assert said == [decoded(knowledge).tolist()] * 3


@pytest.mark.parametrize(("name", "worlds_apart"), [("rules", True), ("listops", True), ("columns", False)])
def test_items_of_another_world_ask_what_it_says_differently(name: str, worlds_apart: bool) -> None:
    task = TASKS[name]
    here, there = task.world(7), task.world(OTHER_SEED)
    rng = random.Random(1)
    prompts = [task.draw(rng, task.lengths) for _ in range(50)]
    found = [worlds.differs(task, prompt, here, there) for prompt in prompts]
    assert any(found) == worlds_apart
    assert not any(worlds.differs(task, prompt, here, here) for prompt in prompts)


def test_labels_ask_for_every_token_of_the_true_continuation_and_no_other() -> None:
    student = load(MODELS / "rules" / "student", torch.device("cpu"))
    task, prompt = TASKS["rules"], "every wumpus eats likes , hot ?"
    fact = task.world(7)
    data = labels.labelled(student, task, fact, [prompt])
    asked = data.shares[0, :, 0] > 0
    text = student.tokenizer.decode(data.tokens[0, asked, 0], skip_special_tokens=True)
    assert text.strip() == task.solve(prompt, fact)
    assert int(data.tokens[0, asked, 0][-1]) == student.tokenizer.eos_token_id
    assert data.outputs == 3


def test_rows_of_an_ablation_replace_those_of_their_group_alone(tmp_path: Path) -> None:
    row = {"domain": "rules", "seed": 7, "size": "quick", "accuracy": 0.5, "te": 0.5, "name": "as it was"}
    old = [{**row, "group": "operator"}, {**row, "group": "edges"}]
    keep(tmp_path, rows=json.loads(RESULTS.read_text())[:1], ablations=old)
    keep(tmp_path, ablations=[{**row, "group": "edges", "name": "made anew"}])
    kept = json.loads((tmp_path / "ablations.json").read_text())
    assert {each["group"]: each["name"] for each in kept} == {"operator": "as it was", "edges": "made anew"}
