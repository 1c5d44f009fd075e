"""A packet stays only when it is proven to help and not to harm."""

import json
from typing import Any

import pytest

from m2kt.errors import UsageError
from student_agent.service import policy_of
from student_agent.specs import check_spec
from student_agent.take import Decision, Outcome, Policy, decide, predicate


def behaviour(**changes: Any) -> dict[str, Any]:
    found = {
        "improvement": 0.3,
        "improvement_low": 0.2,
        "confidence": 0.95,
        "perplexity_before": 10.0,
        "perplexity_after": 10.05,
    }
    return {**found, **changes}


@pytest.mark.parametrize(
    ("found", "policy", "decision", "reason"),
    [
        (None, Policy(), Decision.ROLLED_BACK, "no checks"),
        (None, Policy(activate_unverified=True), Decision.UNVERIFIED, "no checks"),
        (behaviour(), Policy(), Decision.ACCEPTED, "at least 0.200 at 0.95"),
        (behaviour(), Policy(activate_unverified=True), Decision.ACCEPTED, "at least 0.200"),
        (behaviour(), Policy(delta=0.2), Decision.ACCEPTED, "at least 0.200"),
        (behaviour(), Policy(delta=0.21), Decision.ROLLED_BACK, "0.210 is not proven: its lower bound is 0.200"),
        (behaviour(improvement_low=-0.01), Policy(), Decision.ROLLED_BACK, "not proven"),
        (behaviour(improvement=0.0, improvement_low=-0.5), Policy(delta=-1.0), Decision.ROLLED_BACK, "not proven"),
        (behaviour(perplexity_after=10.11), Policy(), Decision.ROLLED_BACK, "rose from 10.000 to 10.110"),
        (behaviour(perplexity_after=10.11), Policy(perplexity_rise=0.02), Decision.ACCEPTED, ""),
        (behaviour(perplexity_after=9.0), Policy(), Decision.ACCEPTED, ""),
        (behaviour(perplexity_after=float("nan")), Policy(), Decision.ROLLED_BACK, "perplexity"),
        (behaviour(perplexity_before=None, perplexity_after=None), Policy(), Decision.ACCEPTED, ""),
    ],
)
def test_every_branch(found: dict[str, Any] | None, policy: Policy, decision: Decision, reason: str) -> None:
    made, why = decide(found, policy)
    assert made == decision
    assert reason in why


def test_the_reported_outcome_holds_no_floats_and_no_second_packet_id() -> None:
    outcome = Outcome(
        "sha256:0", Decision.ACCEPTED, "why", {"losses": [0.5, 1e-9], "steps": 3}, behaviour(by={"a": 1.0}), "now"
    )
    told = predicate(outcome, "f00")
    assert "packet_id" not in told
    assert told["student"] == "f00"
    assert told["alignment"] == {"losses": ["0.5", "1e-09"], "steps": 3}
    assert told["behaviour"]["by"] == {"a": "1"}
    assert json.loads(json.dumps(told), parse_float=pytest.fail) == told


def test_a_policy_of_nonsense_is_refused() -> None:
    assert policy_of({"delta": 0.1}) == Policy(delta=0.1)
    with pytest.raises(UsageError, match="unknown deltas"):
        policy_of({"deltas": 0.1})


@pytest.mark.parametrize("spec", [{}, {"model": None}, {"model": "m", "out": "o", "other": 1}])
def test_a_specification_names_what_is_missing_and_what_is_unknown(spec: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"missing|unknown"):
        check_spec(spec, ("model",), ("out",))


def test_a_whole_specification_passes() -> None:
    check_spec({"model": "m"}, ("model",), ("out",))
