import json

import pytest

from bench import forgery
from bench.forge import OWN_KEYS, base
from bench.impostors import impostors
from bench.verdicts import by_library, by_standalone
from deploy import verify_packet as standalone


def test_no_forgery_passes_and_every_genuine_packet_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert forgery.main() == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert found["total"] == found["refused"] >= 5000
    assert found["valid"] == found["accepted_valid"] >= 500
    assert found["disagreements"] == found["other_rule"] == 0


@pytest.mark.parametrize("rule", ["false-keyid", "predicate-type", "other-packet", "low-bits"])
def test_a_verifier_that_forgets_a_rule_is_noticed(monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    need = standalone.need

    def forgetful(holds: object, group: str, named: str) -> None:
        need(holds or named == rule, group, named)

    monkeypatch.setattr(standalone, "need", forgetful)
    assert any(not one.agrees(other) for one, other in forgery.judge(impostors(forgery.SEED)))


def test_the_packet_that_forgers_start_from_is_accepted() -> None:
    data = base().to_bytes()
    assert by_library(data, OWN_KEYS) == by_standalone(data, OWN_KEYS)
    assert not by_library(data, OWN_KEYS).refused
