"""What was taken back is refused by every replica, and so is what was made of it."""

import json

import pytest

from bench import revocation


@pytest.mark.nightly
def test_nothing_is_served_after_a_revocation(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench.revocation", "--json"])
    assert revocation.main() == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["served_after"], found["refused"]) == (0, found["asked"])
