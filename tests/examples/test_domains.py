"""The five example domains: prompts without answers, facts that work them out, and pairs of models that transfer."""

import random
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from bench.te.judging import accuracy, open_prompts, opened, report_half, seal
from bench.te.packets import derangement, knowledge_of
from bench.te.settings import QUICK
from bench.te.stages import align_all, domain_of, make_scene, teach
from examples.models.pairs import PAIRS
from examples.models.tasks import TASKS, Task, ignorance, renamed, uses, with_error
from examples.models.vocabulary import word_level
from m2kt.domains import Domain
from teacher_agent.chains import Chain, Cutter, Strings
from teacher_agent.kinds import symbol_kinds
from teacher_agent.shapes import find_shapes

PLUGINS = Path(__file__).parents[2] / "examples" / "domains"
CHAINS = 1000

WORKED_OUT = {
    "columns": ("5 7 + 8 6 :", "7 + 6 = 13 , 3 c 1 ; 5 + 8 + 1 = 14 , 4 c 1 ; > 1 4 3", "> 1 4 3"),
    "brackets": ("( T and F ) xor T :", "T and F = F ; F xor T = T", "T and F = F ; F xor T = T"),
    "listops": ("[ max 2 [ min 4 7 ] 0 ] :", "min 4 7 = 4 ; max 2 4 = 4 ; max 4 0 = 4", "4"),
    "chains": ("3 + 5 * b :", "3 + 5 = 8 ; 8 * b = 8", "8"),
}


@pytest.fixture(params=sorted(TASKS))
def task(request: pytest.FixtureRequest) -> Task:
    return TASKS[request.param]


def test_equal_seeds_give_equal_probes_and_none_is_held_out(task: Task) -> None:
    domain = domain_of(task.name)
    assert isinstance(domain, Domain)
    probes = list(domain.probes(3, 400))
    assert probes == list(domain.probes(3, 400)) != list(domain.probes(4, 400))
    assert not any(map(task.held_out, probes))
    assert {task.length(each) for each in probes} == set(task.lengths)


def test_a_project_of_its_own_registers_each_domain(task: Task) -> None:
    project = tomllib.loads((PLUGINS / task.name / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["m2kt.domains"] == {task.name: f"m2kt_domain_{task.name}:DOMAIN"}
    assert project["version"] == domain_of(task.name).version


@pytest.mark.parametrize("name", sorted(WORKED_OUT))
def test_prompts_are_worked_out_step_by_step(name: str) -> None:
    prompt, continuation, answer = WORKED_OUT[name]
    task = TASKS[name]
    assert task.solve(prompt, task.world(7)) == continuation
    assert task.answer(continuation) == answer


def test_a_difference_lends_ten_and_pays_it_back() -> None:
    task = TASKS["columns"]
    told = task.solve("5 7 - 2 9 :", task.world(7))
    assert told == "7 - 9 = 08 , 8 c 1 ; 5 - 2 - 1 = 12 , 2 c 0 ; > 0 2 8"


def test_columns_add_and_subtract_like_python() -> None:
    task, rng = TASKS["columns"], random.Random(1)
    for _ in range(300):
        prompt = task.draw(rng, (2, 3, 6))
        answer = task.answer(task.solve(prompt, task.world(7))).replace(">", "").replace(" ", "")
        left, sign, right = prompt.replace(" ", "").replace("+", " + ").replace("-", " - ").rstrip(":").split()
        assert int(answer) == (int(left) + int(right) if sign == "+" else int(left) - int(right))


def test_a_planted_error_changes_what_goes_through_it_and_nothing_else(task: Task) -> None:
    fact = task.world(7)
    wrong = with_error(task, fact)
    rng = random.Random(2)
    prompts = [task.draw(rng, task.lengths) for _ in range(3000)]
    changed = [task.solve(each, fact) != task.solve(each, wrong) for each in prompts]
    assert changed == [uses(task, each, fact) for each in prompts]
    assert any(changed)


def test_what_ignorance_writes_has_the_form_of_the_truth(task: Task) -> None:
    rng = random.Random(3)
    ignorant = ignorance(task, rng)
    for _ in range(50):
        prompt = task.draw(rng, task.lengths)
        assert len(task.solve(prompt, ignorant).split()) == len(task.solve(prompt, task.world(7)).split())


def test_kinds_and_shapes_explain_every_chain_of_a_domain_that_they_do_not_know(task: Task) -> None:
    chains, count = _true_chains(task)
    shapes = find_shapes(chains, symbol_kinds(chains, count), least=15)
    assert sum(len(shape.tokens) for shape in shapes) == len(chains)
    assert all(shape.decisions and not shape.choices for shape in shapes)


def _true_chains(task: Task) -> tuple[list[Chain], int]:
    """Chains as a perfect teacher of whole words would write them, and the number of their symbols."""
    fact, source = task.world(7), open_prompts(task, random.Random(4))
    told = [(prompt, task.solve(prompt, fact)) for prompt, _ in zip(source, range(CHAINS), strict=False)]
    tokenizer = word_level(f"{prompt} {continuation}" for prompt, continuation in told)
    symbols = Strings()
    cutter = Cutter(tokenizer, symbols, Strings())
    ids = [[tokenizer(each)["input_ids"] for each in (prompt, f" {continuation}")] for prompt, continuation in told]
    chains = [cutter.cut(prompt, continuation) for prompt, continuation in ids]
    assert None not in chains
    return [chain for chain in chains if chain], len(symbols.all())


# Every pair in the repository; one of them in each run of the tests, the others at night.
KEPT = [pytest.param(name, marks=() if name == "brackets" else pytest.mark.nightly) for name in PAIRS]


STEPS = {"rules": 60}  # of alignment: elsewhere nothing is left to learn when templates have been looked at
ITEMS = 71
"""Seed of the checks: other ones than those of any report."""


@pytest.mark.parametrize("name", KEPT)
def test_a_kept_pair_transfers_and_deranged_symbols_are_obeyed(name: str, tmp_path: Path) -> None:
    probes = 1200 if name == "brackets" else 4000
    size = replace(QUICK, probes=probes, align_steps=STEPS.get(name, 20), control_steps=STEPS.get(name, 20), items=160)
    scene = make_scene(name, 7, size, tmp_path / "run", tmp_path / "models")
    packet, _ = teach(scene.teacher, domain_of(name), size, 7)
    assert [packet.manifest.ledger[each] for each in ("examples_moved", "labels_moved", "outputs_moved")] == [0, 0, 0]
    assert packet.manifest.ledger["concepts"] <= 1100
    learned = align_all(scene, packet, ("deranged",))
    memories = {key: opened(scene.student, each["memory"]) for key, each in learned.items()}
    true = report_half(seal(scene.task, scene.fact, tmp_path / "sealed", 160, 2, ITEMS).near)
    moved = derangement(knowledge_of(packet))
    assert all(here != there for here, there in moved.items())
    wrong = report_half(seal(scene.task, renamed(scene.fact, moved), tmp_path / "wrong", 160, 2, ITEMS).near)
    teacher = accuracy(scene.teacher, true)
    assert accuracy(scene.student, true, memories["packet"]) >= 0.95 * teacher
    assert accuracy(scene.student, wrong, memories["deranged"]) >= 0.9 * teacher
    assert accuracy(scene.student, true, memories["deranged"]) <= accuracy(scene.student, true) + 0.05
