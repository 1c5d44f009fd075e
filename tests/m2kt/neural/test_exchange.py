"""The exchange between models against a slow reference of the paper's loss."""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from m2kt.errors import ExchangeError, LabelsInvalid, PlanInvalid, PredictionsInvalid, SamplesChanged, TaskDiffers
from m2kt.exchange import RoundPlan, confidences, masks, probabilities, targets
from m2kt.neural.exchange import Peer, Round, exchange_loss, run_local, student_loss
from m2kt.neural.samples import ArraySamples, View

PLAN = RoundPlan(seed=5, rounds=6, samples_per_round=16)
CLASSES = ("a", "b", "c")


def points(dense: bool = False) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(40, 1, 4, 4, generator=generator)
    labels = (inputs[:, 0] > 0).long() + (inputs[:, 0] > 1).long()
    return inputs, labels if dense else labels[:, 0, 0]


def jitter(view: View, numbers: Tensor) -> View:
    return View(view.inputs + 0.2 * (numbers.reshape(view.inputs.shape) - 0.5), view.labels)


def sample_set(dense: bool = False, classes: tuple[str, ...] = CLASSES) -> ArraySamples:
    return ArraySamples("points", classes, *points(dense), augment=jitter, draws=16)


def model(seed: int, dense: bool = False, width: int = 8) -> nn.Module:
    torch.manual_seed(seed)
    if dense:
        return nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(width, 3, 1))
    return nn.Sequential(nn.Flatten(), nn.Linear(16, width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(width, 3))


def peer(
    name: str, seed: int, samples: ArraySamples | None = None, plan: RoundPlan = PLAN, dense: bool = False
) -> Peer:
    student = model(seed, dense)
    optimizer = torch.optim.AdamW(student.parameters(), 1e-2)
    return Peer(name, student, optimizer, samples or sample_set(dense), plan)


def slow_loss(logits: list[Tensor], labels: Tensor, roles: np.ndarray, tau: float, task_weight: float) -> float:
    """The equation, sample by sample and class by class, in Python numbers."""

    def softmax(row: list[float], temperature: float) -> list[float]:
        powers = [math.exp(each / temperature) for each in row]
        return [each / math.fsum(powers) for each in powers]

    rows = [each.movedim(1, -1).reshape(-1, each.shape[1]).tolist() for each in logits]
    classes, flat = labels.reshape(-1).tolist(), roles.reshape(len(roles), -1)
    task = math.fsum(-math.log(softmax(row, 1)[y]) for each in rows for row, y in zip(each, classes, strict=True))
    exchange = 0.0
    for i in range(len(rows)):
        for j in range(len(rows)):
            for n in range(len(classes)):
                if i != j and flat[i, n]:
                    p, q = softmax(rows[i][n], tau), softmax(rows[j][n], tau)
                    exchange += math.fsum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    return (task_weight * task + exchange) / len(classes)


def roles_of(logits: list[Tensor], labels: Tensor) -> np.ndarray:
    known = [confidences(probabilities(each.detach().numpy()), labels.numpy()) for each in logits]
    return masks(np.stack(known))


@pytest.mark.parametrize("peers", [1, 2, 3, 4])
@pytest.mark.parametrize("places", [(), (3, 2)], ids=["one label", "one label a pixel"])
@pytest.mark.parametrize(("tau", "task_weight"), [(1.0, 1.0), (3.0, 0.5), (1.0, 0.0)])
def test_the_loss_is_the_slow_one(peers: int, places: tuple[int, ...], tau: float, task_weight: float) -> None:
    torch.manual_seed(peers)
    logits = [torch.randn(7, 4, *places, dtype=torch.float64) * 2 for _ in range(peers)]
    labels = torch.randint(0, 4, (7, *places))
    roles = roles_of(logits, labels)
    fast = exchange_loss(logits, labels, torch.from_numpy(roles), tau=tau, task_weight=task_weight)
    assert float(fast) == pytest.approx(slow_loss(logits, labels, roles, tau, task_weight), rel=1e-9)


def test_each_peer_s_part_sums_to_the_loss_and_has_its_gradient() -> None:
    torch.manual_seed(3)
    logits = [torch.randn(9, 4, requires_grad=True) for _ in range(3)]
    labels = torch.randint(0, 4, (9,))
    roles = roles_of(logits, labels)
    whole = exchange_loss(logits, labels, torch.from_numpy(roles), tau=2, task_weight=0.3)
    wanted = torch.autograd.grad(whole, logits)
    taught = torch.from_numpy(targets([each.detach().numpy() for each in logits], roles))
    total = 0.0
    for each, mask, gradient in zip(logits, torch.from_numpy(roles), wanted, strict=True):
        task, exchange = student_loss(each, labels, taught, mask, 2)
        part = 0.3 * task + exchange
        assert torch.allclose(torch.autograd.grad(part, each)[0], gradient, atol=1e-7)
        total += float(part.detach())
    assert total == pytest.approx(float(whole.detach()), rel=1e-6)


def test_gradients_never_reach_the_teacher() -> None:
    teacher, student = torch.randn(5, 3, requires_grad=True), torch.randn(5, 3, requires_grad=True)
    roles = torch.tensor([[True] * 5, [False] * 5])
    labels = torch.zeros(5, dtype=torch.long)
    exchange_loss([teacher, student], labels, roles, task_weight=0.0).backward()
    assert teacher.grad is None or not teacher.grad.any()
    assert student.grad is not None
    assert student.grad.any()
    loss = exchange_loss([teacher, student], labels, roles, task_weight=0.0, stop_gradient=False)
    assert torch.autograd.grad(loss, teacher)[0].any(), "the ablation does reach it, so this test can fail"


def test_a_peer_that_teaches_everything_learns_from_its_task_alone() -> None:
    alone, teaching = peer("a", 1), peer("a", 1)
    nowhere = np.full((16, 3), 1e6, np.float32)  # rows that it teaches are not read
    run_local([alone], replace(PLAN))
    for number in range(PLAN.rounds):
        losses = teaching.learn(number, nowhere, np.ones(16, bool))
        assert losses.exchange == 0
    assert same_weights(alone.model, teaching.model)


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("dense", [False, True], ids=["one label", "one label a pixel"])
@pytest.mark.parametrize("steps", [1, 3])
def test_the_same_plan_leads_to_the_same_masks_losses_and_weights(dense: bool, steps: int) -> None:
    plan = replace(PLAN, steps_per_round=steps)
    first, second = [
        [peer("b", 2, sample_set(dense), plan, dense), peer("a", 1, sample_set(dense), plan, dense)] for _ in range(2)
    ]
    one = run_local(first, plan)
    torch.rand(7)  # whatever else the process draws
    two = run_local(second[::-1], plan)
    for a, b in zip(one, two, strict=True):
        assert (a.masks == b.masks).all()
        assert a.losses == b.losses
    assert one[0].masks.shape == ((2, 16, 4, 4) if dense else (2, 16))
    assert all(0 < each.shares[0] < 1 for each in one)
    assert same_weights(first[0].model, second[0].model)


def test_peers_apart_that_are_handed_only_taught_rows_do_as_the_local_form() -> None:
    """What a network does: float32 rows from teachers, NaN where a peer sent nothing."""
    together = [peer("a", 1), peer("b", 2)]
    local = run_local(together, PLAN)
    apart = [peer("a", 1, sample_set()), peer("b", 2, sample_set())]
    for number in range(PLAN.rounds):
        said = [each.predict(number) for each in apart]
        known = np.stack([each.confidences(number, logits) for each, logits in zip(apart, said, strict=True)])
        roles = masks(known)
        sent = [
            np.where(mask[:, None], logits, np.nan).astype(np.float32) for logits, mask in zip(said, roles, strict=True)
        ]
        losses = tuple(each.learn(number, targets(sent, roles), mask) for each, mask in zip(apart, roles, strict=True))
        assert (roles == local[number].masks).all()
        assert losses == local[number].losses
    assert same_weights(apart[0].model, together[0].model)


def test_any_round_can_be_repeated_before_it_is_learned() -> None:
    one = peer("a", 1)
    first = one.predict(3)
    one.predict(0)
    assert (one.predict(3) == first).all()


def test_learning_lowers_the_loss_of_both() -> None:
    plan = RoundPlan(1, 60, 16)
    rounds = run_local([peer("a", 1, plan=plan), peer("b", 2, plan=plan)], plan)
    for place in range(2):
        early, late = [np.mean([each.losses[place].task for each in part]) for part in (rounds[:10], rounds[-10:])]
        assert late < 0.8 * early


def test_rounds_are_told_as_they_happen() -> None:
    seen: list[Round] = []
    rounds = run_local([peer("a", 1), peer("b", 2)], PLAN, seen.append)
    assert seen == rounds
    assert [each.number for each in seen] == list(range(6))


def refused(make: Callable[[], list[Peer]], error: type[ExchangeError], says: str) -> None:
    with pytest.raises(error, match=says):
        run_local(make(), PLAN)


def test_refuses_a_peer_whose_classes_differ() -> None:
    refused(lambda: [peer("a", 1), peer("b", 2, sample_set(classes=("a", "b", "x")))], TaskDiffers, "classes of b")


def test_refuses_a_peer_whose_head_has_other_classes() -> None:
    wide = sample_set(classes=("a", "b", "c", "d"))
    refused(lambda: [peer("a", 1, wide), peer("b", 2, wide)], PredictionsInvalid, "a: predictions are for 3 classes")


def test_refuses_peers_with_other_samples_or_labels() -> None:
    moved = sample_set()
    moved.labels[3] = (moved.labels[3] + 1) % 3
    refused(lambda: [peer("a", 1), peer("b", 2, moved)], SamplesChanged, "b has other labels")


def test_refuses_peers_of_one_name_and_peers_of_another_plan_and_none() -> None:
    refused(lambda: [peer("a", 1), peer("a", 2)], ExchangeError, "different names")
    refused(lambda: [peer("a", 1), peer("b", 2, plan=replace(PLAN, seed=6))], PlanInvalid, "b follows another")
    refused(list, ExchangeError, "needs peers")


@pytest.mark.parametrize("what", ["inputs", "labels"])
def test_notices_a_sample_set_that_changed_between_rounds(what: str) -> None:
    samples = sample_set()

    def change(happened: Round) -> None:
        if happened.number == 1:
            getattr(samples, what)[:] = getattr(samples, what).flip(0)

    with pytest.raises(SamplesChanged):
        run_local([peer("a", 1, samples), peer("b", 2, samples)], PLAN, change)


def test_a_model_that_diverged_is_named_before_anybody_learns_from_it() -> None:
    sick, well = peer("sick", 1), peer("well", 2)
    with torch.no_grad():
        next(sick.model.parameters()).fill_(math.nan)
    before = deepcopy(well.model)
    refused(lambda: [sick, well], PredictionsInvalid, "sick: 16 of 16 samples have NaN")
    assert same_weights(well.model, before)


def test_targets_that_are_not_finite_or_do_not_fit_change_nothing() -> None:
    one = peer("a", 1)
    before = deepcopy(one.model)
    for wrong in (np.full((16, 3), np.nan), np.zeros((16, 4)), np.zeros((15, 3)), np.zeros((16, 3, 2))):
        with pytest.raises(PredictionsInvalid):
            one.learn(0, wrong.astype(np.float32), np.zeros(16, bool))
    with pytest.raises(PredictionsInvalid):
        one.learn(0, np.zeros((16, 3), np.float32), np.zeros(15, bool))
    assert same_weights(one.model, before)


def test_a_loss_that_is_not_finite_leaves_the_weights_of_the_step_before() -> None:
    one = peer("a", 1)
    before = deepcopy(one.model)
    huge = np.full((16, 3), 3e38, np.float32) * np.array([1, -1, 1], np.float32)
    with pytest.raises(PredictionsInvalid, match="loss of a is not finite"):
        one.learn(0, huge, np.zeros(16, bool))
    assert same_weights(one.model, before)


def test_refuses_a_plan_larger_than_the_set_and_labels_outside_the_classes() -> None:
    with pytest.raises(PlanInvalid, match="the set has 40"):
        peer("a", 1, plan=replace(PLAN, samples_per_round=41))
    with pytest.raises(LabelsInvalid):
        ArraySamples("points", ("a", "b"), *points())


def test_models_of_transformers_give_their_logits_as_an_attribute() -> None:
    class Answer:
        def __init__(self, logits: Tensor) -> None:
            self.logits = logits

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = model(1)

        def forward(self, inputs: Tensor) -> Answer:
            return Answer(self.body(inputs))

    wrapped = Wrapped()
    other = Peer("a", wrapped, torch.optim.AdamW(wrapped.parameters(), 1e-2), sample_set(), PLAN)
    assert (other.predict(0) == peer("a", 1).predict(0)).all()
