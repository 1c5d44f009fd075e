"""How many reviewers a packet needs."""

import pytest
from pydantic import ValidationError

from broker.models import Packet
from broker.services.approvals import Approvals
from broker.settings import Settings

PACKET = Packet(
    name="acme/chains",
    kind="aggregate",
    domain="chains@1.0.0",
    publisher="ada",
    teacher={"base_family": "gpt2"},
)


@pytest.mark.parametrize(
    ("rules", "needed"),
    [
        ({}, 1),
        ({"kind:aggregate": 2}, 2),
        ({"kind:anchors": 2}, 1),
        ({"name:acme/": 3, "kind:aggregate": 2}, 3),
        ({"name:other/": 3}, 1),
        ({"domain:chains": 2}, 2),
        ({"domain:chains@1.0.0": 2}, 2),
        ({"domain:chains@2.0.0": 2}, 1),
        ({"domain:chain": 2}, 1),
        ({"publisher:ada": 4}, 4),
        ({"base-family:gpt2": 2}, 2),
        ({"kind:aggregate": 0}, 1),
    ],
)
def test_the_largest_number_counts(rules, needed):
    assert Approvals(1, rules).needed(PACKET) == needed


@pytest.mark.parametrize(
    "rules", [{"kind": 1}, {"kind:": 1}, {"colour:red": 1}, {"kind:aggregate": -1}, {"name:a": "x"}]
)
def test_a_policy_that_makes_no_sense_is_refused_at_the_start(settings, rules):
    with pytest.raises(ValidationError):
        Settings(**{**settings.model_dump(), "approvals": rules})
