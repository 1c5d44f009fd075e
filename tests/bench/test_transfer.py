"""What `bench.transfer` sums up, its controls, and the targets of its baseline."""

import json
import random
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.te import bindings, kd, packets, planting
from bench.te.ablations import PRECISIONS, WEIGHS
from bench.te.aligning import look_at_everything
from bench.te.domain import averaged
from bench.te.experiments import keep
from bench.te.judging import asked_for, open_prompts
from bench.te.report import page
from bench.te.settings import EARLIER, MODELS, QUICK, REPORT, Kd
from bench.te.summary import bytes_to_equal, bytes_to_labels, figures, interval
from examples.models.tasks import TASKS, uses, with_error
from m2kt.neural.models import load
from m2kt.packet.controls import decoded
from student_agent.memory import ConceptMemory, Shape
from tests.small import negated_knowledge, small_knowledge

RESULTS = Path(__file__).parents[2] / "docs" / "results.json"
KEYS = "te_mean te_min kd_te_150k kd_plateau_te answers_only_te control_excess_max concepts_max examples_moved"
KEYS += " labels_moved bytes_ratio flops_ratio"


def test_the_kept_results_give_every_figure_and_the_page_that_is_there() -> None:
    rows = json.loads(RESULTS.read_text())
    assert set(KEYS.split()) <= set(figures(rows))
    changed = RESULTS.with_name("ablations.json")
    _, text = page(rows, json.loads(changed.read_text()) if changed.exists() else ())
    assert RESULTS.with_suffix(".md").read_text() == text


def test_kept_rows_name_no_place_of_the_machine_that_made_them(tmp_path: Path) -> None:
    row = json.loads(RESULTS.read_text())[0]
    row["alignment"]["packet"] |= {"memory": "/somewhere/else", "map": {"places": [[0.0, 1.0]]}}
    keep(tmp_path, rows=[row])
    kept = json.loads((tmp_path / "results.json").read_text())
    assert "somewhere" not in json.dumps(kept)
    assert kept[0]["alignment"]["packet"]["losses"] == row["alignment"]["packet"]["losses"]
    rows = json.loads(RESULTS.read_text())
    assert not any("memory" in report for each in rows for report in each["alignment"].values())


def test_a_control_that_still_knows_shows_as_excess() -> None:
    row = json.loads(RESULTS.read_text())[0]
    knowing = {**row, "rows": {**row["rows"], "shuffled": row["teacher"]}}
    assert figures([knowing])["control_excess_max"] > 0.5


def test_recoverable_logits_decode_like_the_concepts_and_hold_no_teacher_space() -> None:
    knowledge = small_knowledge()
    changed = packets.recoverable(knowledge)
    assert (decoded(changed) == decoded(knowledge)).all()
    assert changed.centroids.shape == (len(knowledge.centroids), len(knowledge.anchors))


def test_deranged_symbols_keep_no_name_and_stay_within_their_classes() -> None:
    knowledge = small_knowledge()
    moved = packets.derangement(knowledge)
    assert all(here != there for here, there in moved.items())
    names = [knowledge.symbols[each] for each in bindings.answers(knowledge)]
    wrong = [knowledge.symbols[each] for each in bindings.answers(packets.deranged(knowledge))]
    assert [moved[name] for name in names] == wrong


def test_without_roles_every_decision_still_looks_at_something_earlier() -> None:
    knowledge = negated_knowledge()
    changed = bindings.no_roles(knowledge, seed=3)
    assert (changed.decisions[:, 0] == knowledge.decisions[:, 0]).all()
    assert ((changed.decisions < 0) == (knowledge.decisions < 0)).all()


def test_without_roles_no_true_binding_is_left_where_there_is_another() -> None:
    knowledge = negated_knowledge()
    for seed in range(8):
        first, second = bindings.no_roles(knowledge, seed).decisions[:, 1:].tolist()
        assert first == [2, 0]  # nothing else stands before it
        assert second[0] in (0, 2)  # neither what was decided (4) nor its copy (7)


def test_the_baseline_goes_on_for_its_patience_after_a_look_that_finds_nothing_wrong() -> None:
    budget = Kd(patience=2)
    assert [_stops(seen, budget) for seen in ([1.0], [1.0, 1.0], [1.0, 0.9, 1.0])] == [False, False, True]
    assert _stops([0.5, 0.6, 0.6, 0.6], budget) is False  # as good as before is no loss yet
    assert _stops([0.5, 0.6, 0.5, 0.55], budget) is True


def _stops(seen: list[float], budget: Kd) -> bool:
    looks = [(100 * number, each) for number, each in enumerate(seen, 1)]
    return kd.stalled(looks, budget)


def test_bytes_are_set_against_what_the_baseline_had_seen_when_it_was_as_good() -> None:
    told = {"outputs": 1000, "epochs": 0.5, "looks": [[100, 0.4], [200, 0.9]], "wanted": 0.4}
    row = {"ledger": {"bytes": 500, "anchors": 4}, "kd": told}
    assert bytes_to_equal(row) == 500 / (1000 * 0.25 * 4 * 2)
    assert bytes_to_labels(row) == 500 / (150_000 * 2 / 8)
    assert bytes_to_equal({**row, "kd": {**told, "wanted": 1.0}}) == 500 / (1000 * 0.5 * 4 * 2)


def test_an_interval_of_a_share_holds_it() -> None:
    low, high = interval(0.9, 50)
    assert 0.78 < low < 0.9 < high < 0.97
    assert interval(1.0, 50)[1] == 1.0


def test_items_of_a_planted_error_go_through_it_and_are_changed_by_it() -> None:
    task = TASKS["listops"]
    fact = task.world(7)
    wrong = with_error(task, fact)
    through, beside = planting.draw(task, fact, wrong, 300, 7)
    assert len(through) >= 40
    assert all(uses(task, check.prompt, wrong) for check in through)
    assert not any(uses(task, check.prompt, wrong) for check in beside)
    assert all(check.answer != task.answer(task.solve(check.prompt, fact)) for check in through)


def test_pointers_made_blind_look_at_the_whole_text_alike() -> None:
    sizes = {"states": 6, "width": 4, "concepts": 2, "slots": 1, "classes": 1, "pointers": 2, "anchors": 2}
    memory = ConceptMemory(Shape(**sizes, variants=1, pieces=1, symbols=1, spellings=1, longest=1)).requires_grad_(
        False
    )
    memory.distance[0, 3] = 9.0
    look_at_everything(memory)
    pointers = memory(torch.randn(1, 5, 6), torch.zeros(1, 5, dtype=torch.long), torch.tensor([[3]])).pointers
    assert torch.allclose(pointers, torch.tensor([0.25] * 4 + [0.0]).expand(1, 1, 2, 5))


def test_draws_of_a_control_are_averaged_and_a_refused_one_leaves_the_student_untaught() -> None:
    right = {
        "packet": 1.0,
        "shuffled": 0.4,
        "shuffled-2": None,
        "shuffled-3": 0.1,
        "no-roles": None,
        "no-roles-2": None,
    }
    rows, draws = averaged(right, untaught=0.1)
    assert rows == {"packet": 1.0, "shuffled": pytest.approx(0.2), "no-roles": None}
    assert draws == {"shuffled": [0.4, None, 0.1], "no-roles": [None, None]}


@pytest.mark.parametrize("name", sorted(TASKS))
def test_a_report_asks_for_nothing_that_an_earlier_one_asked_for(name: str) -> None:
    task = TASKS[name]
    earlier = [asked_for(task, each, 7, QUICK.items, QUICK.long_items) for each in EARLIER]
    used = {prompt for parts in earlier for part in parts for prompt in part}
    near, far = asked_for(task, REPORT, 7, 100, 40, used)
    assert len({*near, *far}) == 140
    assert not used & {*near, *far}
    assert all(task.held_out(prompt) for prompt in (*near, *far))


def test_rounded_concepts_still_say_the_same_and_weigh_less() -> None:
    knowledge = small_knowledge()
    whole = replace(
        knowledge,
        centroids=knowledge.centroids.astype(np.float32),
        anchors=knowledge.anchors.astype(np.float32),
    )
    changed = {name: change(whole) for name, change in PRECISIONS.items()}
    assert all((decoded(each) == decoded(knowledge)).all() for each in changed.values())
    weights = [WEIGHS[name](each) for name, each in changed.items()]
    assert weights == [9 * 8 * 4, 9 * 8 * 2, 9 * 8 + 9 * 2]


@pytest.mark.parametrize("name", ["brackets", "rules"])
def test_the_baselines_targets_are_the_next_tokens_of_a_teacher_that_is_right(name: str) -> None:
    task, cpu = TASKS[name], torch.device("cpu")
    teacher, student = (load(MODELS / name / role, cpu) for role in ("teacher", "student"))
    fact, prompts = task.world(7), list(islice(open_prompts(task, random.Random(1)), 40))
    found = kd.lessons(teacher, student, task, fact, prompts)
    assert found.outputs == sum(kd.count_decisions(task, fact, each) for each in prompts)
    for row, prompt in enumerate(prompts):
        asked = found.shares[row].sum(-1) > 0
        said = found.tokens[row, asked].gather(-1, found.shares[row, asked].argmax(-1, keepdim=True))[:, 0]
        text = f" {task.solve(prompt, fact)}"
        expected = [*student.tokenizer(f"{prompt}{text}")["input_ids"], student.tokenizer.eos_token_id]
        assert np.array_equal(said.numpy(), expected[-len(said) :])
        assert student.tokenizer.decode(expected[-len(said) : -1]) == text
