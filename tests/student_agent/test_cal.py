"""The CAL in every form, the composite loss, and what a student denies."""

from dataclasses import replace
from math import exp

import pytest
import torch

from m2kt.errors import AlignmentRefused, OutOfMemory, UsageError
from m2kt.neural.models import LanguageModel, load
from m2kt.packet.knowledge import Knowledge
from student_agent import training
from student_agent.align import Options, align, options_of
from student_agent.aligned import AlignedStudent
from student_agent.cal import Cal, Form, Task, cal_of, fit
from student_agent.losses import Lambdas, l_safe, lambdas_of, penalised_mass
from student_agent.projection import Projection, keep_safe, project, require_safe, share_anchors
from student_agent.safety import HARM, NO_LIMIT, penalty_of
from student_agent.training import Schedule
from student_agent.vocabulary import learn_vocabulary
from tests.models import silent_student
from tests.small import small_knowledge
from tests.student_agent.parts import PAIRS, SHORT, SUMS, WORDS

TRUTH = [str((a + b) % 3) for a, b in PAIRS]
SMALL = {"rank": 4, "hidden": 16, "key": 8}
TRAINED = [Form.LOW_RANK, Form.MLP, Form.ATTENTION]


def taught(student: LanguageModel, options: Options, schedule: Schedule = SHORT) -> tuple[list[str], dict[str, object]]:
    memory, report = align(student, small_knowledge(), schedule, options)
    return [each.strip() for each in AlignedStudent(student, (memory,)).write(SUMS, 4)], report


def projected(student: LanguageModel, cal: Cal, deny: tuple[str, ...] = ()) -> Projection:
    knowledge = small_knowledge()
    torch.manual_seed(0)
    anchors = share_anchors(knowledge, learn_vocabulary(knowledge, student.tokenizer, 0))
    return project(student, knowledge, anchors, cal, Lambdas(), deny)


@pytest.mark.parametrize("form", TRAINED)
def test_every_form_teaches_a_tiny_pair(student: LanguageModel, form: Form) -> None:
    said, report = taught(student, Options(Cal(form, **SMALL)))
    assert said == TRUTH
    assert report["cal"] == form
    assert report["trained_parameters"] > taught(student, Options(), Schedule(steps=1))[1]["trained_parameters"]  # type: ignore[operator]


@pytest.mark.parametrize("form", TRAINED)
def test_a_fitted_map_comes_as_near_to_the_teachers_logits_as_its_form_allows(
    student: LanguageModel, form: Form
) -> None:
    found = projected(student, Cal(form, **SMALL))
    assert found.agreement == 1.0
    assert found.answers.tolist() == [(a + b) % 3 for a, b in PAIRS]
    assert found.residual < (
        0.01 if form != Form.ATTENTION else 0.5
    )  # attention mixes rows, and cannot go between them


def test_a_low_rank_map_has_its_rank(student: LanguageModel) -> None:
    values = projected(student, Cal(Form.LOW_RANK, rank=2)).values
    assert int(torch.linalg.matrix_rank(values - values.mean(0), atol=1e-3)) == 2
    with pytest.raises(AlignmentRefused, match="keep their symbol"):
        projected(student, Cal(Form.LOW_RANK, rank=1))  # a line holds no three symbols


def test_the_linear_map_is_the_least_of_what_eq_12_can_be(student: LanguageModel) -> None:
    best = projected(student, Cal()).l_align
    assert all(projected(student, Cal(form, **SMALL)).l_align >= best - 1e-6 for form in TRAINED)


@pytest.mark.parametrize("lambdas", [Lambdas(), Lambdas(align=0.0)], ids=["whole", "without L_align"])
def test_the_map_is_trained_on_with_the_whole_objective(student: LanguageModel, lambdas: Lambdas) -> None:
    """Without L_align nothing moves the values but what the student has to say with them, and that teaches, too."""
    before = projected(student, Cal(Form.MLP, **SMALL)).values
    memory, _ = align(student, small_knowledge(), SHORT, Options(Cal(Form.MLP, **SMALL), lambdas))
    assert not torch.allclose(memory.values, before, atol=1e-4)
    assert not memory.values.requires_grad
    assert [each.strip() for each in AlignedStudent(student, (memory,)).write(SUMS, 4)] == TRUTH


def test_a_form_that_cannot_hold_the_concepts_is_refused(student: LanguageModel) -> None:
    with pytest.raises(AlignmentRefused, match=r"only 0\.\d\d of the concepts keep their symbol"):
        projected(student, Cal(Form.MLP, hidden=1, fit_steps=1))


@pytest.mark.parametrize(
    "wrong", [{"form": "cubic"}, {"form": 3}, {"rank": 0}, {"rank": 2.5}, {"ranks": 3}, {"rank": True}, {"key": "8"}]
)
def test_a_cal_of_nonsense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="cal"):
        cal_of(wrong)


def test_a_cal_keeps_what_was_not_given() -> None:
    assert cal_of({"form": "mlp", "hidden": 7}) == Cal(Form.MLP, hidden=7)
    assert cal_of({}) == Cal()


# The lambdas


def test_every_lambda_weighs_its_own_term() -> None:
    torch.manual_seed(1)
    read = torch.randn(4, 3)
    task = Task(
        torch.zeros(4, 1),
        torch.zeros(3, 1),
        torch.randn(4, 3),
        torch.eye(3),
        torch.zeros(3),
        torch.tensor([True, False, False]),
    )
    align_, safe = (float(task.loss(read, Lambdas(align=a, safe=s))) for a, s in ((1, 0), (0, 1)))
    assert safe == pytest.approx(float(read.softmax(-1)[:, 0].sum()), rel=1e-5)
    assert float(task.loss(read, Lambdas(align=2.0, safe=3.0))) == pytest.approx(2 * align_ + 3 * safe, rel=1e-5)


@pytest.mark.parametrize(
    "wrong", [{"aligned": 1.0}, {"safe": -1}, {"safe": "1"}, {"safe": True}, {"safe": float("nan")}]
)
def test_lambdas_of_nonsense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="lambdas"):
        lambdas_of(wrong)


def test_without_its_reason_the_memory_does_not_learn_when_a_decision_is_due(student: LanguageModel) -> None:
    """Here its pointers need no training, so it may say what is right all the same."""
    few, more = (
        align(student, small_knowledge(), Schedule(steps=steps), Options(lambdas=Lambdas(reason=0.0)))[0]
        for steps in (1, 12)
    )
    other, _ = align(student, small_knowledge(), Schedule(steps=12))
    first, second = (
        [value for name, value in each.state_dict().items() if name.startswith("classify")] for each in (few, more)
    )
    assert len(first) > 0
    assert all(torch.equal(here, there) for here, there in zip(first, second, strict=True))
    assert other.window is not None  # learned from what is due in rendered chains


# What is denied


def test_l_safe_is_the_probability_that_goes_to_what_is_denied() -> None:
    read, costs = torch.tensor([[0.0, 1.0, 2.0], [5.0, 0.0, 0.0]]), torch.tensor([True, False, False])
    first = 1 / (1 + exp(1) + exp(2))
    second = exp(5) / (exp(5) + 2)
    assert penalised_mass(read, costs).tolist() == pytest.approx([first, second])
    assert float(l_safe(read, costs)) == pytest.approx(first + second)
    assert float(l_safe(read, torch.zeros(3, dtype=torch.bool))) == 0.0


@pytest.mark.parametrize("form", [Form.LINEAR, Form.MLP])
def test_a_student_is_not_taught_what_it_denies(student: LanguageModel, form: Form) -> None:
    """It says nothing there, as it did before; the rest it learns."""
    said, report = taught(student, Options(Cal(form, **SMALL), deny=("1",)))
    assert said == ["" if each == "1" else each for each in TRUTH]
    assert (report["concepts_denied"], report["concepts_left_out"]) == (3, 0)


def test_l_safe_keeps_a_map_away_from_what_is_denied(student: LanguageModel) -> None:
    """A map that is fitted to concepts which say a denied symbol obeys whichever term weighs more."""
    task = replace(projected(student, Cal()).task, penalty=torch.tensor([False, True, False]))
    for safe, mass in ((0.0, 2.9), (1e3, 0.1)):
        torch.manual_seed(0)
        read = task.read(fit(task, Cal(Form.MLP, **SMALL), Lambdas(safe=safe))(task.concepts))
        assert (float(penalised_mass(read.detach(), task.penalty).sum()) > 1) == (mass > 1)


def test_a_concept_that_drifted_to_what_is_denied_is_refused_after_training(student: LanguageModel) -> None:
    found = projected(student, Cal(), deny=("1",))
    with pytest.raises(AlignmentRefused, match="denied symbols"):
        require_safe(found, found.values)
    require_safe(projected(student, Cal()), found.values)


def test_a_packet_that_says_nothing_but_what_is_denied_is_refused() -> None:
    knowledge = small_knowledge()
    anchors = share_anchors(knowledge, learn_vocabulary(knowledge, _Words(), 0))
    with pytest.raises(AlignmentRefused, match=r"every concept .* denied here \('0', '1', '2'\)"):
        keep_safe(knowledge, anchors, ("0", "1", "2"))
    assert keep_safe(knowledge, anchors, ()) is knowledge


class _Words:
    """A tokenizer of single characters."""

    unk_token_id = None

    def __call__(self, texts: list[str], **_: object) -> dict[str, list[list[object]]]:
        kept = [[place for place, each in enumerate(text) if each != " "] for text in texts]
        return {
            "input_ids": [[ord(text[place]) for place in row] for text, row in zip(texts, kept, strict=True)],
            "offset_mapping": [[(place, place + 1) for place in row] for row in kept],
        }


@pytest.mark.parametrize("wrong", ["1", ["1", 2], [""]])
def test_what_is_denied_must_be_a_list_of_symbols(wrong: object) -> None:
    with pytest.raises(UsageError, match="deny"):
        options_of({"deny": wrong})


# What is harmful (the soft part of Omega_safe)

SLUR = "scum"


def slurred() -> Knowledge:
    """`small_knowledge` whose symbol for one is an insult."""
    return replace(small_knowledge(), symbols=("0", SLUR, "2", "+", "="))


@pytest.fixture(scope="module")
def slurring(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    """A student that could write the insult."""
    return load(silent_student(tmp_path_factory.mktemp("slurring"), (*WORDS, SLUR)))


def test_a_symbol_costs_what_the_classifier_says_over_the_limit_and_nothing_below() -> None:
    costs = penalty_of(("0", SLUR, "2"), ("2",), HARM).tolist()
    assert costs[0] == 0.0
    assert HARM < costs[1] <= 1.0
    assert costs[2] == 1.0
    assert penalty_of(("0", SLUR, "2"), ()).tolist() == [0.0, 0.0, 0.0], (
        "the classifier is asked only where one says so"
    )


@pytest.mark.parametrize("form", [Form.LINEAR, Form.MLP])
def test_a_student_is_not_taught_a_harmful_symbol(slurring: LanguageModel, form: Form) -> None:
    """It says nothing there, as it did before; the rest it learns."""
    sums = [each.replace("1", SLUR) for each in SUMS]
    memory, report = align(slurring, slurred(), SHORT, Options(Cal(form, **SMALL)))
    said = [each.strip() for each in AlignedStudent(slurring, (memory,)).write(sums, 4)]
    assert said == ["" if each == "1" else each for each in TRUTH]
    assert report["concepts_denied"] == 3


def test_l_safe_pushes_a_map_away_from_a_harmful_symbol(slurring: LanguageModel) -> None:
    """Fitted to concepts that say it, a map gives it the less the more lambda_4 weighs."""
    knowledge = slurred()
    anchors = share_anchors(knowledge, learn_vocabulary(knowledge, slurring.tokenizer, 0))
    task = project(slurring, knowledge, anchors, harm=HARM).task
    masses = []
    for safe in (0.0, 1e3):
        torch.manual_seed(0)
        read = task.read(fit(task, Cal(Form.MLP, **SMALL), Lambdas(safe=safe))(task.concepts))
        masses.append(float(read.detach().softmax(-1)[:, 1].sum()))
    assert masses[0] > 2.5
    assert masses[1] < 0.1


def test_a_harmless_domain_is_taught_as_if_nobody_asked_the_classifier(student: LanguageModel) -> None:
    (asked, _), (alone, _) = (align(student, small_knowledge(), SHORT, Options(harm=each)) for each in (HARM, NO_LIMIT))
    assert all(torch.equal(a, b) for a, b in zip(asked.state_dict().values(), alone.state_dict().values(), strict=True))
    assert torch.equal(asked.values, alone.values)


@pytest.mark.parametrize("wrong", ["0.5", True, 0, -1, 1.5, float("nan"), None])
def test_a_limit_of_harm_that_is_none_is_refused(wrong: object) -> None:
    with pytest.raises(UsageError, match="harm must be a number"):
        options_of({"harm": wrong})


# Memory


def test_training_takes_smaller_batches_where_memory_runs_out(
    student: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    real = training.layer_states

    def tight(lm: LanguageModel, ids: torch.Tensor) -> object:
        sizes.append(len(ids))
        if len(ids) > 6:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(lm, ids)

    monkeypatch.setattr(training, "layer_states", tight)
    _, report = align(student, small_knowledge(), Schedule(steps=3, batch=24))
    assert sizes == [24, 12, 6, 6, 6]
    assert report["steps"] == 3


def test_a_device_without_memory_for_one_chain_is_told(student: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training, "layer_states", full)
    with pytest.raises(OutOfMemory, match="single chain"):
        align(student, small_knowledge(), Schedule(steps=3))
