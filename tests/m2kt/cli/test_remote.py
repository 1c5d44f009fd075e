"""Packets, agents and jobs at a broker: what is asked, and how the answer is shown."""

import json
from pathlib import Path
from typing import Any

import pytest

from m2kt.errors import ExtractionRefused, Forbidden, M2KTError, NotFound, Unavailable
from tests.m2kt.cli.conftest import FakeBroker, Run
from tests.m2kt.cli.test_edge import refused

IDS = [f"sha256:{digit * 64}" for digit in "abc"]
JOB_IDS = [f"{digit * 8}-0000-0000-0000-000000000000" for digit in "123"]

OUTCOMES = {
    "reports": 4,
    "students": 3,
    "decisions": {"accepted": 2, "rolled-back": 1},
    "held": 2,
    "measured": 2,
    "improvement": 0.3,
    "improvement_low": -0.1,
}


def packet(packet_id: str, **changes: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "packet_id": packet_id,
        "kind": "knowledge",
        "name": "acme/chains",
        "version": "1.0.0",
        "domain": "chains",
    }
    known |= {"state": "approved", "reason": None, "publisher": "ada", "created": "2026-01-31T12:00:00Z", "size": 7}
    return known | changes


def job(job_id: str, **changes: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "id": job_id,
        "kind": "noop",
        "state": "queued",
        "packet_id": None,
        "submitter": "ada",
        "attempt": 0,
    }
    known |= {"spec": {}, "progress": None, "result": None, "error": None, "created": "2026-01-31T12:00:00Z"}
    return known | {"finished": None} | changes


@pytest.fixture
def full(broker: FakeBroker) -> FakeBroker:
    """A broker with three of each."""
    agents = [{"name": name, "role": "teacher", "key_id": "00", "created": "", "revoked_at": None} for name in "abc"]
    broker.say("GET", "/v1/packets", {"items": [packet(each) for each in IDS]})
    broker.say("GET", "/v1/jobs", {"items": [job(each) for each in JOB_IDS]})
    broker.say("GET", "/v1/agents", {"items": agents})
    return broker


@pytest.mark.parametrize(("noun", "ids"), [("packet", IDS), ("job", JOB_IDS), ("agent", ["a", "b", "c"])])
def test_a_list_comes_as_table_json_lines_or_ids(run: Run, full: FakeBroker, noun: str, ids: list[str]) -> None:
    def shown(form: str) -> str:
        ended = run(noun, "list", "--broker", full.url, "-o", form)
        assert (ended.status, ended.err) == (0, "")
        return ended.out

    table = shown("table").splitlines()
    assert len(table) == len(ids) + 1  # ids are whole on their lines: this is no terminal
    assert [line.split()[0] for line in table[1:]] == ids
    assert shown("id").splitlines() == ids
    rows = json.loads(shown("json"))
    assert [json.loads(line) for line in shown("jsonl").splitlines()] == rows
    assert [next(iter(row.values())) for row in rows] == ids


def test_an_empty_list_is_an_empty_list(run: Run, broker: FakeBroker) -> None:
    broker.say("GET", "/v1/packets", {"items": []})
    assert json.loads(run("packet", "list", "--broker", broker.url, "-o", "json").out) == []
    assert run("packet", "list", "--broker", broker.url, "-o", "id").out == ""


def test_a_limit_holds_and_filters_are_passed_on(run: Run, full: FakeBroker) -> None:
    words = ("--broker", full.url, "--limit", "2", "--state", "approved", "-o", "id")
    assert run("packet", "list", *words).out.split() == IDS[:2]
    assert full.asked == [("GET", "/v1/packets?state=approved&limit=2")]


def test_words_of_strangers_are_no_markup_and_steer_no_terminal(run: Run, broker: FakeBroker) -> None:
    broker.say("GET", "/v1/packets", {"items": [packet(IDS[0], name="[red]x[/red]", domain="\x1b[2J")]})
    out = run("packet", "list", "--broker", broker.url).out
    assert "[red]x[/red]" in out
    assert "\x1b" not in out
    broker.say("GET", "/v1/packets", {"items": [packet("\x1b[2J")]})
    assert "\x1b" not in run("packet", "list", "--broker", broker.url, "-o", "id").out


def test_show_leaves_the_manifest_to_json(run: Run, broker: FakeBroker) -> None:
    path, manifest = f"/v1/packets/{IDS[0].replace(':', '%3A')}", {"licence": "MIT", "parents": [IDS[1]]}
    broker.say("GET", path, packet(IDS[0], manifest=manifest))
    broker.say("GET", f"{path}/outcomes", OUTCOMES)
    words = ("packet", "show", IDS[0], "--broker", broker.url)
    out = run(*words).out
    assert "licence" not in out
    assert IDS[1] in out
    told = "3 students (2 accepted, 1 rolled-back), 2 have it; accuracy +0.300 in 2 measured, at least -0.100 in each"
    assert told in out
    shown = json.loads(run(*words, "-o", "json").out)
    assert (shown["manifest"], shown["outcomes"]) == (manifest, OUTCOMES)
    assert run(*words, "-o", "id").out == f"{IDS[0]}\n"
    broker.say("GET", f"{path}/outcomes", OUTCOMES | {"improvement": None})
    assert "accuracy" not in run(*words).out
    broker.say("GET", f"{path}/outcomes", OUTCOMES | {"reports": 0})
    assert "nobody has reported any" in run(*words).out


def test_yank_and_its_undoing(run: Run, broker: FakeBroker, key_file: Path) -> None:
    path = f"/v1/packets/{IDS[0].replace(':', '%3A')}"
    for verb, state in (("yank", "yanked"), ("unyank", "approved")):
        broker.say("POST", f"{path}/{verb}", packet(IDS[0], state=state, reason="because"))
    words = ("packet", "yank", IDS[0], "--broker", broker.url, "--key", key_file, "--reason", "because")
    assert "is yanked: because" in run(*words).out
    assert "is approved: because" in run(*words, "--undo").out
    assert [target for _, target in broker.asked] == [f"{path}/yank", f"{path}/unyank"]


def test_lineage_and_recall_lists(run: Run, broker: FakeBroker, key_file: Path) -> None:
    path = f"/v1/packets/{IDS[0].replace(':', '%3A')}"
    row = packet(IDS[1], depth=1, student="stu", since="2026-01-01", reason="wrong")
    broker.say("GET", f"{path}/lineage", {"items": [row]})
    broker.say("GET", f"{path}/recall", {"items": [row]})
    assert run("packet", "lineage", IDS[0], "--broker", broker.url, "--down", "-o", "id").out == f"{IDS[1]}\n"
    assert "direction=descendants" in broker.asked[-1][1]
    assert "stu" in run("packet", "recall", IDS[0], "--broker", broker.url, "--key", key_file).out


def test_publish_sends_the_file_s_bytes(run: Run, broker: FakeBroker, packet_file: Path, key_file: Path) -> None:
    broker.say("POST", "/v1/packets", packet(IDS[0], state="received"), 201)
    ended = run("packet", "publish", packet_file, "--broker", broker.url, "--key", key_file)
    assert (ended.status, ended.err) == (0, "")
    assert "received" in ended.out
    assert broker.bodies == [packet_file.read_bytes()]


def test_an_error_of_the_broker_is_the_command_s(run: Run, broker: FakeBroker, key_file: Path) -> None:
    problem = {"code": "forbidden", "detail": "ada may not", "hint": "Ask an administrator."}
    broker.say("POST", f"/v1/packets/{IDS[0].replace(':', '%3A')}/revoke", problem, 403)
    ended = run("packet", "revoke", IDS[0], "--reason", "x", "--broker", broker.url, "--key", key_file)
    assert refused(ended, Forbidden.exit_code) == "ada may not"
    assert "next: Ask an administrator." in ended.err


def test_a_refused_pull_writes_nothing(
    run: Run, broker: FakeBroker, key_file: Path, trust: Path, tmp_path: Path
) -> None:
    words = ("--broker", broker.url, "--key", key_file, "--trust", trust, "--out", tmp_path / "out.m2kt")
    refused(run("packet", "pull", IDS[0], *words), NotFound.exit_code)
    assert not (tmp_path / "out.m2kt").exists()


# Jobs


def test_submit_sends_the_specification(
    run: Run, broker: FakeBroker, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.say("POST", "/v1/jobs", job(JOB_IDS[0]), 201)
    (tmp_path / "spec.json").write_text('{"seconds": 1}')
    words = ("job", "submit", "noop", "--broker", broker.url, "--key", key_file, "-o", "id")
    with (tmp_path / "spec.json").open() as file:
        monkeypatch.setattr("sys.stdin", file)
        for spec in ((), ("--spec", tmp_path / "spec.json"), ("--spec", "-")):
            assert run(*words, *spec).out == f"{JOB_IDS[0]}\n"
    specs = [json.loads(body)["spec"] for body in broker.bodies]
    assert specs == [{}, {"seconds": 1}, {"seconds": 1}]


@pytest.mark.parametrize("text", ["{", "[]", "\x00"])
def test_a_bad_specification_is_exit_2_and_nothing_is_sent(
    run: Run, broker: FakeBroker, key_file: Path, tmp_path: Path, text: str
) -> None:
    (tmp_path / "spec.json").write_text(text)
    words = ("job", "submit", "noop", "--broker", broker.url, "--key", key_file, "--spec")
    assert "spec.json" in refused(run(*words, tmp_path / "spec.json"), 2)
    assert "cannot read" in refused(run(*words, tmp_path / "none.json"), 2)
    assert broker.asked == []


def test_show_and_cancel_name_the_job(run: Run, broker: FakeBroker, key_file: Path) -> None:
    path = f"/v1/jobs/{JOB_IDS[0]}"
    broker.say("GET", path, job(JOB_IDS[0], progress={"step": "waiting", "done": 1, "total": 2}))
    broker.say("POST", f"{path}/cancel", job(JOB_IDS[0], state="cancelled"))
    assert "waiting" in run("job", "show", JOB_IDS[0], "--broker", broker.url).out
    ended = run("job", "cancel", JOB_IDS[0], "--broker", broker.url, "--key", key_file)
    assert (ended.status, ended.out) == (0, f"noop {JOB_IDS[0]} is cancelled\n")


@pytest.mark.parametrize(
    ("ended", "status"),
    [
        ({"state": "succeeded"}, 0),
        ({"state": "failed", "error": {"code": "extraction-refused", "detail": "x"}}, ExtractionRefused.exit_code),
        ({"state": "cancelled", "error": {"code": "cancelled", "detail": "by ada"}}, M2KTError.exit_code),
        ({"state": "running"}, Unavailable.exit_code),
    ],
)
def test_waiting_for_a_job_exits_as_the_job_did(
    run: Run, broker: FakeBroker, key_file: Path, ended: dict[str, Any], status: int
) -> None:
    broker.say("POST", "/v1/jobs", job(JOB_IDS[0]), 201)
    broker.say("GET", f"/v1/jobs/{JOB_IDS[0]}", job(JOB_IDS[0], **ended))
    found = run("job", "submit", "noop", "--broker", broker.url, "--key", key_file, "--wait", "0.01", "-o", "id")
    assert found.status == status
    assert "This is a defect of M2KT" not in found.err
