"""The short share of the chaos run; `make nightly` has the long one."""

import pytest

from bench import chaos


def judged(figures: dict[str, float | int]) -> None:
    assert (figures["lost"], figures["double_effects"], figures["stuck"]) == (0, 0, 0)
    assert figures["stale_tried"] == figures["stale_refused"] > 0
    assert figures["recovery_p99_s"] <= chaos.LEASE_SECONDS + 15


def test_a_few_kills_lose_double_and_block_nothing() -> None:
    judged(chaos.run(kills=5, seed=7))


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_five_hundred_kills_lose_double_and_block_nothing() -> None:
    figures = chaos.run(kills=500, seed=11)
    judged(figures)
    assert figures["acknowledged"] >= 500
    assert figures["stale_tried"] >= 100
