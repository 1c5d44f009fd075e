"""The short share of the soak; `make nightly` has the long one."""

import pytest

from bench import soak


def judged(figures: dict[str, object]) -> None:
    assert (figures["lost"], figures["wrong_bytes"]) == (0, 0), figures
    assert figures["kills"]


def test_a_short_soak_loses_nothing() -> None:
    judged(soak.run(events=100, kills=2, seed=5))


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_twenty_thousand_events_lose_nothing() -> None:
    figures = soak.run(events=20_000, kills=60, seed=9)
    judged(figures)
    assert figures["kills"] == 60
