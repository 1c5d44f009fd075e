"""What the doctor finds on a healthy host, and on hosts where one thing is wrong."""

import json
import os
import stat
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import httpx
import pytest

from m2kt import __version__
from m2kt.agent import doctor
from m2kt.agent.doctor import Finding, Host, Level
from m2kt.cli import app
from m2kt.cli.edge import run_app
from m2kt.signing.keys import generate, write_private

NOW = 1_800_000_000.0


def host(**told: object) -> Host:
    found = {"broker": "http://127.0.0.1:9", "key": None, "state": Path(), "device": "cpu", "clock": lambda: NOW}
    return Host(**{**found, **told})  # type: ignore[arg-type]


def answer(version: str = __version__, date: float | None = NOW) -> httpx.Response:
    headers = {"Date": formatdate(date, usegmt=True)} if date is not None else {}
    return httpx.Response(200, json={"version": version}, headers=headers)


@pytest.mark.parametrize(
    ("ahead", "level"),
    [(0, Level.OK), (5, Level.OK), (-5, Level.OK), (20, Level.WARN), (-20, Level.WARN), (300, Level.FAIL)],
)
def test_the_clock_is_compared_with_the_brokers(ahead: float, level: Level) -> None:
    found = doctor.clock(host(clock=lambda: NOW + ahead), answer())
    assert found.level is level
    assert (level is Level.OK) == (found.fix == "")


@pytest.mark.parametrize("said", ["no route", answer(date=None), httpx.Response(200, headers={"Date": "soon"})])
def test_a_clock_that_cannot_be_compared_is_no_good_clock(said: httpx.Response | str) -> None:
    assert doctor.clock(host(), said).level is Level.WARN


def moved(part: int, by: int) -> str:
    numbers = [int(each) for each in __version__.split(".")[:3]]
    numbers[part] += by
    return ".".join(map(str, numbers))


@pytest.mark.parametrize(
    ("version", "level"),
    [(__version__, Level.OK), (moved(2, 1), Level.OK), (moved(1, 1), Level.WARN), (moved(0, 1), Level.FAIL)],
)
def test_versions_apart_are_told(version: str, level: Level) -> None:
    assert [each.level for each in doctor.broker(host(), answer(version))] == [Level.OK, level]


@pytest.mark.parametrize("said", ["refused", httpx.Response(200, text="<html>"), httpx.Response(502)])
def test_what_is_no_broker_fails(said: httpx.Response | str) -> None:
    (found,) = doctor.broker(host(), said)
    assert found.level is Level.FAIL
    assert found.fix


@pytest.mark.parametrize(
    ("url", "level"),
    [
        ("http://127.0.0.1:8000", Level.OK),
        ("http://broker.test", Level.WARN),
        ("https://127.0.0.1:9", Level.FAIL),
    ],
)
def test_the_way_to_the_broker_is_looked_at(url: str, level: Level) -> None:
    assert doctor.tls(url).level is level


def test_a_key_that_others_may_read_fails(tmp_path: Path) -> None:
    write_private(tmp_path / "key", generate())
    assert doctor.key_file(tmp_path / "key").level is Level.OK
    (tmp_path / "key").chmod(0o644)
    found = doctor.key_file(tmp_path / "key")
    assert found.level is Level.FAIL
    assert "0644" in found.detail
    assert doctor.key_file(tmp_path / "none").level is Level.FAIL
    assert doctor.key_file(None).level is Level.FAIL


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program named nvidia-smi in the path that does what a test says."""

    def install(script: str) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return install


def levels(findings: list[Finding]) -> list[tuple[str, Level]]:
    return [(each.name, each.level) for each in findings]


def test_gpus_and_their_driver_are_named(smi: Callable[[str], None]) -> None:
    smi("echo 'NVIDIA H200, 143771, 570.1'")
    found = list(doctor.gpu("cuda"))
    assert levels(found) == [("gpu", Level.OK), ("driver", Level.OK)]
    assert (found[0].detail, found[1].detail) == ("NVIDIA H200 (140 GiB)", "570.1")


@pytest.mark.parametrize("script", ["exit 9", "true", "echo 'no devices were found'"])
def test_a_gpu_that_is_asked_for_and_not_seen_fails(smi: Callable[[str], None], script: str) -> None:
    smi(script)
    assert levels(list(doctor.gpu("cuda:0"))) == [("gpu", Level.FAIL)]
    assert levels(list(doctor.gpu("auto"))) == [("gpu", Level.WARN)]


def test_without_a_gpu_a_cpu_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert levels(list(doctor.gpu("cpu"))) == [("gpu", Level.OK)]
    assert levels(list(doctor.gpu("cuda"))) == [("gpu", Level.FAIL)]


def use_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, code: int) -> None:
    """Let children say this instead of loading torch."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho {said}\necho 'no CUDA' >&2\nexit {code}\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))


@pytest.mark.parametrize(
    ("said", "code", "device", "level"),
    [
        ("2.13.0 - 0", 0, "cpu", Level.OK),
        ("2.13.0 - 0", 0, "cuda", Level.FAIL),
        ("2.13.0 12.8 1", 0, "cuda", Level.OK),
        ("2.13.0 12.8 1", 1, "cuda", Level.FAIL),
        ("", 1, "cpu", Level.FAIL),
    ],
)
def test_torch_is_asked_in_a_child(
    said: str, code: int, device: str, level: Level, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_python(tmp_path, monkeypatch, said, code)
    assert doctor.torch(device).level is level


@pytest.mark.parametrize(("free", "level"), [(1 << 20, Level.FAIL), (5 << 30, Level.WARN), (1 << 40, Level.OK)])
def test_the_disk_has_room(free: int, level: Level, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: os.terminal_size((0, 0)) and type("Usage", (), {"free": free}))
    assert doctor.disk(tmp_path / "to" / "come").level is level


@pytest.mark.parametrize("real", [False, pytest.param(True, marks=pytest.mark.nightly)])
def test_the_command_says_a_line_for_each_and_fails_when_one_fails(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, real: bool
) -> None:
    if not real:
        use_python(tmp_path, monkeypatch, "2.13.0 - 0", 0)
    (tmp_path / "agent.toml").write_text('broker = "http://127.0.0.1:9"\nkey = "none.key"\nstate = "state"\n')
    words = ["agent", "doctor", "--config", str(tmp_path / "agent.toml")]
    assert run_app(app, "m2kt", words) == 1
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith("fail  broker    http://127.0.0.1:9 does not answer")
    assert all(" -> " in each for each in lines if each.startswith("fail"))
    assert run_app(app, "m2kt", [*words, "-o", "json"]) == 1
    found = json.loads(capfd.readouterr().out)
    assert [each["name"] for each in found][:4] == ["broker", "clock", "tls", "key"]
    assert {"name", "level", "detail", "fix"} == set(found[0])


def test_without_a_broker_the_command_says_what_to_give(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("M2KT_BROKER_URL", raising=False)
    assert run_app(app, "m2kt", ["agent", "doctor"]) == 2
    assert "next: Give --broker" in capfd.readouterr().err
