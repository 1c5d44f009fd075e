"""Whatever is planted in a packet's tensors, its ledger counts it."""

import numpy as np
import pytest

from m2kt.packet import ledger
from m2kt.packet.knowledge import Element, to_tensors
from tests.small import WIDTH, small_knowledge, small_packet


def counted(**tensors: np.ndarray) -> dict[str, int]:
    planted = {key.replace("__", "/"): value for key, value in tensors.items()}
    return ledger.measure({**to_tensors(small_knowledge()), **planted}, 100)


def test_an_honest_packet_moves_no_example_no_label_and_no_activation() -> None:
    found = counted()
    assert (found["examples_moved"], found["labels_moved"], found["activations_moved"]) == (0, 0, 0)
    assert found["weight_rows_moved"] == found["anchors"] == 3
    assert found["logit_rows_recoverable"] == found["concepts"] == 9
    assert found["teacher_queries_used_to_build"] == 100


def test_the_manifest_of_a_packet_shows_what_its_tensors_move() -> None:
    packet = small_packet()
    assert dict(packet.manifest.ledger) == ledger.compute(packet)


@pytest.mark.parametrize("section", ["concepts", "symbols", "saliency", "attention", "graph"])
@pytest.mark.parametrize(
    ("what", "planted", "amount"),
    [
        ("logit_rows_recoverable", np.zeros((7, 3), np.float16), 7),
        ("activations_moved", np.zeros((7, WIDTH), np.float16), 7),
        ("labels_moved", np.zeros(7, np.int32), 7),
        ("labels_moved", np.zeros((7, 1), np.float32), 7),
        ("examples_moved", np.zeros((7, 5), np.int32), 7),
    ],
)
def test_what_is_planted_in_any_section_is_counted(section: str, what: str, planted: np.ndarray, amount: int) -> None:
    found = counted(**{f"{section}__planted": planted})
    assert found[what] == counted()[what] + amount


def test_more_concept_rows_are_more_recoverable_logits() -> None:
    twice = np.concatenate([small_knowledge().centroids] * 2)
    assert counted(concepts__centroids=twice)["logit_rows_recoverable"] == 18


@pytest.mark.parametrize("name", ["concepts/support", "concepts/classes", "concepts/dispersion"])
def test_answers_hidden_in_a_known_column_are_counted_as_labels(name: str) -> None:
    answers = np.array([(a + b) % 3 for a in range(3) for b in range(3)])
    hidden = np.array([17, 4, 9])[answers].astype(np.float32 if name.endswith("dispersion") else np.int32)
    assert counted(**{name.replace("/", "__"): hidden})["labels_moved"] == 9


def test_answers_hidden_in_a_further_grounding_column_are_counted_as_labels() -> None:
    answers = np.array([[(a + b) % 3] for a in range(3) for b in range(3)], np.int32)
    groundings = np.concatenate([small_knowledge().groundings, answers], 1)
    assert counted(concepts__groundings=groundings)["labels_moved"] == 9


def test_a_concept_of_one_member_is_an_activation() -> None:
    support = np.array([1, 1, 6, 6, 6, 6, 6, 6, 6], np.int32)
    assert counted(concepts__support=support)["activations_moved"] == 2


def test_a_template_with_nothing_free_is_an_example_and_its_written_text_a_label() -> None:
    knowledge = small_knowledge()
    fixed = knowledge.templates[0].elements.copy()
    fixed[:, 0] = Element.LITERAL
    elements = np.concatenate([knowledge.templates[0].elements, fixed])
    found = counted(graph__elements=elements, graph__templates=np.array([[0, 5, 54], [5, 5, 1]], np.int32))
    assert (found["examples_moved"], found["labels_moved"]) == (1, 1)


def test_a_slot_with_one_symbol_is_not_free() -> None:
    found = counted(graph__alphabets=np.array([[1, 0, 0, 0, 0]], np.uint8))
    assert found["examples_moved"] == 1
