"""The whole of ``bench.auth`` over a network; tests/broker/api/test_attacks.py and test_matrix.py have its share."""

import pytest

from bench import auth


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_what_is_repeated_or_altered_is_refused_and_what_is_honest_accepted() -> None:
    tally, routes, unexpected = auth.run()
    assert (tally.wrong, unexpected) == ([], [])
    assert tally.refused == tally.tried >= 2000
    assert tally.accepted == tally.honest >= 500
    assert routes >= 40
