"""`m2kt exchange`: what is asked of a broker, and how it is shown; the peer itself is a process."""

import json
from pathlib import Path
from typing import Any

import pytest

from m2kt.cli import exchange as cli
from m2kt.errors import ExchangeOver, PlanInvalid, UsageError
from tests.m2kt.cli.conftest import FakeBroker, Run

ID = "11111111-2222-4333-8444-555555555555"
TASK = {"name": "digits", "classes": ["0", "1"]}


def exchange(**change: Any) -> dict[str, Any]:
    known = dict.fromkeys(cli.COLUMNS) | {"id": ID, "task_name": "digits", "state": "open", "reason": None, "step": 1}
    return known | change


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "task.json").write_text(json.dumps(TASK))
    return tmp_path / "task.json"


def opened(run: Run, broker: FakeBroker, key_file: Path, task: Path, *words: object) -> Any:
    given = ("--rounds", 3, "--samples-per-round", 8, "--broker", broker.url, "--key", key_file, "--task", task)
    return run("exchange", "open", *given, *words)


def test_open_sends_the_task_the_plan_and_who_is_invited(run: Run, broker: FakeBroker, key_file, task) -> None:
    broker.say("POST", "/v1/exchanges", exchange(), status=201)
    ended = opened(run, broker, key_file, task, "--invite", "ann", "--invite", "bob", "--tau", 2, "-o", "id")
    assert (ended.status, ended.out.strip()) == (0, ID), ended.err
    sent = json.loads(broker.bodies[0])
    assert (sent["task"], sent["invited"], sent["plan"]["tau"]) == (TASK, ["ann", "bob"], "2.0")


def test_a_plan_or_task_that_is_none_is_refused_before_the_broker_is_asked(
    run: Run, broker: FakeBroker, key_file, task
) -> None:
    assert opened(run, broker, key_file, task, "--tau", 0).status == PlanInvalid.exit_code
    task.write_text("[]")
    assert opened(run, broker, key_file, task).status == UsageError.exit_code
    task.write_text("{")
    assert opened(run, broker, key_file, task).status == UsageError.exit_code
    assert broker.asked == []


def test_list_show_leave_and_cancel(run: Run, broker: FakeBroker, key_file) -> None:
    broker.say("GET", "/v1/exchanges", {"items": [exchange()]})
    broker.say("GET", f"/v1/exchanges/{ID}", exchange())
    assert run("exchange", "list", "--broker", broker.url, "-o", "id").out.strip() == ID
    assert "digits" in run("exchange", "show", ID, "--broker", broker.url).out
    for verb in ("leave", "cancel"):
        broker.say("POST", f"/v1/exchanges/{ID}/{verb}", exchange(state="failed", reason="it said so"))
        ended = run("exchange", verb, ID, "--broker", broker.url, "--key", key_file)
        assert ended.out == f"exchange {ID} is failed: it said so\n", ended.err


def test_a_round_is_shown_turn_by_turn(run: Run, broker: FakeBroker) -> None:
    turn = dict.fromkeys(cli.TURNS) | {"peer": "ann", "taught": 5}
    broker.say("GET", f"/v1/exchanges/{ID}/rounds/2", {"turns": [turn], "complaints": []})
    assert run("exchange", "round", ID, 2, "--broker", broker.url, "-o", "id").out == "ann\n"
    assert "complaints" in run("exchange", "round", ID, 2, "--broker", broker.url, "-o", "json").out


def test_waiting_for_one_that_failed_is_an_error_that_says_why(run: Run, broker: FakeBroker) -> None:
    broker.say("GET", f"/v1/exchanges/{ID}", exchange(state="failed", reason="too few"))
    ended = run("exchange", "wait", ID, "--broker", broker.url)
    assert ended.status == ExchangeOver.exit_code
    assert "failed: too few" in ended.err


def test_join_runs_the_peer_as_a_process_of_its_own(
    run: Run, broker: FakeBroker, key_file, trust, tmp_path, monkeypatch
) -> None:
    asked: list[Any] = []

    def child(module: str, job: str, spec: dict[str, Any], **_: Any) -> dict[str, Any]:
        asked.append((module, job, spec))
        return {"state": "finished", "reason": "all rounds are done"}

    monkeypatch.setattr(cli, "run_child", child)
    (tmp_path / "settings.json").write_text('{"a": 1}')
    words = ["--peer", "m:f", "--state", tmp_path / "state", "--settings", tmp_path / "settings.json", "--threads", 1]
    ended = run(
        "exchange", "join", ID, "--broker", broker.url, "--key", key_file, "--trust", trust, *words,
        "--out", tmp_path / "w.safetensors", "--log", tmp_path / "log",
    )  # fmt: skip
    assert (ended.status, ended.out) == (0, "finished: all rounds are done\n"), ended.err
    module, job, spec = asked[0]
    assert (module, job, spec["settings"], spec["exchange"]) == ("student_agent", "exchange", {"a": 1}, ID)
    ended = run("exchange", "describe", "--peer", "m:f", "--name", "ann")
    assert asked[1] == ("student_agent", "describe", {"peer": "m:f", "name": "ann", "settings": {}})
