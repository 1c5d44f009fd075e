"""``m2kt dashboard account``."""

import io
import json

MADE = {
    "id": 1,
    "name": "carol",
    "role": "operator",
    "project": "*",
    "made_by": "root",
    "created": "2026-01-01T00:00:00Z",
    "must_change": True,
    "disabled": None,
}
PASSWORD = "told-once"  # noqa: S105


def test_add_prints_the_one_time_password_and_where_to_sign_in(run, broker, key_file):
    broker.say("POST", "/v1/accounts", {**MADE, "password": PASSWORD}, 201)
    words = ("dashboard", "account", "add", "carol", "--role", "operator")
    ended = run(*words, "--broker", broker.url, "--key", key_file, "-o", "json")
    assert ended.status == 0, ended.err
    told = json.loads(ended.out)
    assert (told["password"], told["sign_in"]) == (PASSWORD, f"{broker.url}/sign-in")
    sent = json.loads(broker.bodies[-1])
    assert sent == {"name": "carol", "role": "operator", "project": None, "password": None}
    ended = run(*words, "--broker", broker.url, "--key", key_file, "-o", "id")
    assert ended.out == f"{PASSWORD}\n"


def test_a_first_password_comes_from_stdin_and_never_from_the_command_line(run, broker, key_file, monkeypatch):
    broker.say("POST", "/v1/accounts", {**MADE, "password": "typed by somebody"}, 201)
    monkeypatch.setattr("sys.stdin", io.StringIO("typed by somebody\n"))
    words = ("dashboard", "account", "add", "carol", "--role", "operator", "--password-stdin")
    assert run(*words, "--broker", broker.url, "--key", key_file).status == 0
    assert "typed by somebody" in json.loads(broker.bodies[-1]).values()


def test_list_reset_and_disable(run, broker, key_file):
    there = ("--broker", broker.url, "--key", key_file)
    broker.say("GET", "/v1/accounts", {"items": [MADE]})
    assert "carol" in run("dashboard", "account", "list", *there).out
    broker.say("POST", "/v1/accounts/carol/reset", {**MADE, "password": PASSWORD})
    assert run("dashboard", "account", "reset", "carol", *there, "-o", "id").out == f"{PASSWORD}\n"
    broker.say("POST", "/v1/accounts/carol/disable", {**MADE, "disabled": "2026-01-01T00:00:00Z"})
    assert run("dashboard", "account", "disable", "carol", *there).out == "carol is let in no more\n"
