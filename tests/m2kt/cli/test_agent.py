"""``m2kt agent``: tokens, enrolment, draining."""

import json
from pathlib import Path

from m2kt.errors import TokenExpired
from m2kt.signing.keys import key_id, load_private, public_text

TOKEN = {
    "id": 3,
    "role": "student",
    "project": "robots",
    "name_pattern": "gpu-*",
    "made_by": "root",
    "created": "2026-01-01T00:00:00Z",
    "expires": "2026-01-01T00:15:00Z",
    "used": None,
    "key_id": None,
}


def test_token_prints_the_token_and_nothing_else(run, broker, key_file):
    broker.say("POST", "/v1/enrolments", {**TOKEN, "token": "m2kt-enrol.abc"}, 201)
    words = ("agent", "token", "--role", "student", "--project", "robots", "--name", "gpu-*", "--minutes", 2)
    ended = run(*words, "--broker", broker.url, "--key", key_file)
    assert (ended.status, ended.out) == (0, "m2kt-enrol.abc\n")
    assert json.loads(broker.bodies[-1]) == {
        "role": "student",
        "project": "robots",
        "name_pattern": "gpu-*",
        "lifetime_seconds": 120,
    }


def test_enrol_makes_the_key_here_and_sends_its_public_half_only(run, broker, tmp_path: Path):
    told = {"name": "gpu-7", "role": "student", "project": "robots", "key_id": "f" * 64}
    broker.say("POST", "/v1/enrol", told, 201)
    path = tmp_path / "keys" / "agent.key"
    ended = run("agent", "enrol", "--name", "gpu-7", "--token", "m2kt-enrol.abc", "--broker", broker.url, "--key", path)
    assert ended.status == 0, ended.err
    assert path.stat().st_mode & 0o777 == 0o600
    key = load_private(path)
    sent = json.loads(broker.bodies[-1])
    assert sent["public_key"] == public_text(key.public_key())
    assert b"PRIVATE" not in broker.bodies[-1]
    again = run("agent", "enrol", "--name", "gpu-7", "--token", "m2kt-enrol.abc", "--broker", broker.url, "--key", path)
    assert again.status == 0
    assert key_id(load_private(path).public_key()) == key_id(key.public_key())


def test_a_refused_token_says_what_to_do_next(run, broker, tmp_path: Path):
    problem = {"code": "token-expired", "detail": "the token ended", "hint": "Ask for a new one."}
    broker.say("POST", "/v1/enrol", problem, 403)
    words = ("agent", "enrol", "--name", "gpu-7", "--token", "x", "--broker", broker.url, "--key", tmp_path / "k")
    ended = run(*words)
    assert (ended.status, ended.err) == (TokenExpired.exit_code, "error: the token ended\nnext: Ask for a new one.\n")


def test_drain_and_its_undo(run, broker, key_file):
    told = {"name": "gpu-7", "draining": "2026-01-01T00:00:00Z"}
    broker.say("POST", "/v1/agents/gpu-7/drain", told)
    broker.say("POST", "/v1/agents/gpu-7/resume", {**told, "draining": None})
    assert "drains since" in run("agent", "drain", "gpu-7", "--broker", broker.url, "--key", key_file).out
    assert "may work" in run("agent", "drain", "gpu-7", "--undo", "--broker", broker.url, "--key", key_file).out


def test_tokens_are_listed_without_their_words_and_one_is_withdrawn(run, broker, key_file):
    broker.say("GET", "/v1/enrolments", {"items": [TOKEN]})
    broker.say("POST", "/v1/enrolments/3/withdraw", TOKEN)
    assert run("agent", "tokens", "--broker", broker.url, "--key", key_file, "-o", "id").out == "3\n"
    assert run("agent", "withdraw", 3, "--broker", broker.url, "--key", key_file).status == 0
