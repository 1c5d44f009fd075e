"""Packets of kind `exchange`: built, read, and refused for everything that is not a turn of the plan."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from m2kt.errors import ExchangeError, M2KTError
from m2kt.exchange import RoundPlan, probabilities
from m2kt.exchange.packets import Taught, Turn, build, parse_shape, read, shape_text
from m2kt.packet import Manifest, Packet, Teacher, build_packet
from m2kt.scan import Outcome, scan
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate

PLAN = RoundPlan(seed=1, rounds=3, samples_per_round=5)
DIGEST = f"sha256:{'0' * 64}"
TURN = Turn("0000-x", "ann", 1, PLAN, DIGEST, sample_count=20, class_count=4)
DENSE = dataclasses.replace(TURN, shape=(2, 3))


def taught(turn: Turn = TURN, places: tuple[int, ...] = (0, 2, 4)) -> Taught:
    logits = np.random.default_rng(0).normal(size=(len(places), turn.class_count)).astype(np.float32)
    claims = probabilities(logits)[:, 1].astype(np.float32)
    return Taught(np.array(places, np.int64), logits, claims)


def packet(turn: Turn = TURN, given: Taught | None = None) -> Packet:
    teacher = Teacher("ann", "mlp", "mlp", 10, DIGEST, DIGEST)
    given = taught(turn) if given is None else given
    return build(turn, given, created="2026-01-31T12:00:00Z", teacher=teacher, task_name="digits", licence="MIT")


def changed(change: Callable[[dict], None], turn: Turn = TURN, **manifest: object) -> Packet:
    """The packet with other tensors or manifest fields, as somebody else's program could make it."""
    whole = packet(turn)
    tensors = {name: np.array(each) for name, each in whole.tensors.items()}
    change(tensors)
    old = whole.manifest
    said = {
        name: getattr(old, name)
        for name in ("kind", "name", "version", "created", "domain", "teacher", "extraction", "licence", "ledger")
    }
    return build_packet(Manifest.describe(**{**said, **manifest}, tensors=tensors), tensors)


def test_a_packet_says_what_was_put_into_it() -> None:
    for turn, places in ((TURN, (0, 2, 4)), (DENSE, (0, 7, 29))):
        given = taught(turn, places)
        said, found = read(packet(turn, given))
        assert said == turn
        for name in ("places", "logits", "confidences"):
            assert np.array_equal(getattr(found, name), getattr(given, name))


def test_samples_are_named_by_their_number_in_the_task() -> None:
    whole = packet()
    assert whole.tensors["exchange/samples"].tolist() == PLAN.batch(1, 20)[[0, 2, 4]].tolist()
    assert whole.manifest.reference == "exchanges/0000-x/ann@1.0.0"


def test_equal_turns_make_equal_packets() -> None:
    assert packet().packet_id == packet().packet_id


def test_a_sound_turn_passes_the_scan() -> None:
    assert scan(sign_packet(packet(), generate())).passed


def settings(**change: object) -> dict[str, object]:
    extraction = packet().manifest.extraction
    return {"extraction": dataclasses.replace(extraction, settings={**extraction.settings, **change})}


def put(name: str, value: object) -> Callable[[dict], None]:
    return lambda tensors: tensors.__setitem__(name, value)


OUTSIDE = np.setdiff1d(np.arange(20), PLAN.batch(1, 20))[:1]
ROWS = packet().tensors


@pytest.mark.parametrize(
    ("change", "manifest", "words"),
    [
        (put("exchange/samples", ROWS["exchange/samples"][::-1].copy()), {}, "in order"),
        (put("exchange/samples", ROWS["exchange/samples"][[0, 0, 1]]), {}, "in order"),
        (put("exchange/samples", np.concatenate([ROWS["exchange/samples"][:2], OUTSIDE])), {}, "not one of round 1"),
        (put("exchange/samples", np.array([-1, 0, 99])), {}, "not one of round 1"),
        (put("exchange/samples", ROWS["exchange/samples"].astype(np.int32)), {}, "instead of int64"),
        (put("exchange/logits", np.zeros((3, 5), np.float32)), {}, "instead of float32"),
        (put("exchange/logits", np.zeros((2, 4), np.float32)), {}, "instead of float32"),
        (put("exchange/confidences", np.full(3, 0.9, np.float32)), {}, "probability of no class"),
        (put("exchange/confidences", np.full(3, 1.5, np.float32)), {}, "outside"),
        (put("exchange/more", np.zeros(3, np.float32)), {}, "instead of"),
        (put("exchange/places", np.zeros(3, np.int64)), {}, "instead of"),
        (lambda tensors: tensors.pop("exchange/confidences"), {}, "instead of"),
        (lambda _: None, settings(taught=4), "say 4 places"),
        (lambda _: None, settings(round=2), "not named after"),
        (lambda _: None, settings(peer="bob"), "not named after"),
        (lambda _: None, settings(sample_count=4), "4"),
        (lambda _: None, settings(sample_count=0), "0 samples"),
        (lambda _: None, settings(sample_count="20"), "right types"),
        (lambda _: None, settings(plan="{}"), "keys"),
        (lambda _: None, settings(shape="0"), "shape"),
        (lambda _: None, settings(more=1), "settings must be"),
        (lambda _: None, {"version": "1.0.1"}, "not named after"),
    ],
)
def test_what_is_no_turn_of_the_plan_is_refused_and_fails_the_scan(
    change: Callable[[dict], None], manifest: dict, words: str
) -> None:
    wrong = changed(change, **manifest)
    with pytest.raises(M2KTError, match=words):
        read(wrong)
    verdict = scan(sign_packet(wrong, generate()))
    assert not verdict.passed
    assert {each.name: each.outcome for each in verdict.checks}["exchange"] is Outcome.FAIL


def test_places_outside_a_sample_are_refused() -> None:
    with pytest.raises(ExchangeError, match="from 0 to 5"):
        read(changed(put("exchange/places", np.array([0, 6, 1])), DENSE))


def test_who_teaches_nothing_publishes_nothing() -> None:
    with pytest.raises(ExchangeError, match="publishes nothing"):
        packet(given=taught(places=()))


@pytest.mark.parametrize("text", ["", "0", "01", "8x", "x8", "8x8x8x8", "-8", "8X8", "99999999", "٣", "1x1 "])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(ExchangeError):
        parse_shape(text)


def test_shapes_have_one_spelling() -> None:
    for shape in ((), (8,), (8, 8), (2, 3, 4)):
        assert parse_shape(shape_text(shape)) == shape
