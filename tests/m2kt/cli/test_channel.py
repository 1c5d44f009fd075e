"""``m2kt channel``: where channels lead, and leading them elsewhere."""

import json
from pathlib import Path

from m2kt.errors import NotFound, PreconditionFailed
from tests.m2kt.cli.conftest import FakeBroker, Run

PACKET = f"sha256:{'1' * 64}"
HEAD = {
    "name": "acme/chains",
    "channel": "stable",
    "version": "1.0.0",
    "serial": 3,
    "expires": "2026-12-01T00:00:00Z",
    "by": "ada",
    "fault": None,
    "packet_id": PACKET,
    "etag": '"sha256:x"',
}
PATH = "/v1/channels/acme/chains/stable"


def move(run: Run, broker: FakeBroker, key_file: Path, *words: str):
    return run("channel", "move", "acme/chains", "stable", *words, "--broker", broker.url, "--key", key_file)


def test_list_shows_where_channels_lead_and_which_not_to_follow(run: Run, broker: FakeBroker) -> None:
    broker.say("GET", "/v1/channels", {"items": [HEAD, HEAD | {"channel": "canary", "fault": "was revoked"}]})
    out = run("channel", "list", "--broker", broker.url).out
    assert "stable" in out
    assert "was revoked" in out


def test_move_names_the_head_that_it_saw(run: Run, broker: FakeBroker, key_file: Path) -> None:
    broker.say("GET", "/v1/channels", {"items": [HEAD]})
    broker.say("PUT", PATH, HEAD | {"serial": 4, "version": "1.1.0"})
    assert "1.1.0" in move(run, broker, key_file, "1.1.0").out
    assert json.loads(broker.bodies[-1]) == {"version": "1.1.0"}
    assert move(run, broker, key_file, PACKET, "-o", "id").out == f"{PACKET}\n"
    assert json.loads(broker.bodies[-1]) == {"packet_id": PACKET}


def test_a_lost_race_has_its_own_exit_code(run: Run, broker: FakeBroker, key_file: Path) -> None:
    broker.say("GET", "/v1/channels", {"items": [HEAD]})
    problem = {"code": "precondition-failed", "detail": "it moved on", "hint": "Look."}
    broker.say("PUT", PATH, problem, 412)
    assert move(run, broker, key_file, "1.1.0").status == PreconditionFailed.exit_code


def test_move_from_a_version_that_it_does_not_lead_to_is_refused(run: Run, broker: FakeBroker, key_file: Path) -> None:
    broker.say("GET", "/v1/channels", {"items": [HEAD]})
    ended = move(run, broker, key_file, "1.1.0", "--from", "0.9.0")
    assert (ended.status, "leads to 1.0.0" in ended.err) == (NotFound.exit_code, True)
    broker.say("GET", "/v1/channels", {"items": []})
    assert "is not there yet" in move(run, broker, key_file, "1.1.0", "--from", "0.9.0").err
