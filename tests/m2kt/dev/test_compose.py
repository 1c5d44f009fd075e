"""What can be held of the container files where no container engine runs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from typer.main import get_command

from m2kt.cli.log import app

CHECKOUT = Path(__file__).resolve().parents[3]
DOCKERFILE = (CHECKOUT / "deploy" / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("migrate", "broker", "worker")


def test_every_secret_must_be_given() -> None:
    used = re.findall(r"\$\{(\w+)([^}]*)\}", (CHECKOUT / "docker-compose.yml").read_text())
    optional = {"M2KT_PORT", "M2KT_LOG_WITNESSES", "M2KT_LOG_QUORUM"}
    assert {name for name, rest in used if not rest.startswith(":?")} == optional


def test_services_wait_for_what_they_need() -> None:
    assert set(SERVICES) == {"postgres", "valkey", *OURS}
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            gate = "service_completed_successfully" if needed == "migrate" else "service_healthy"
            assert how == {"condition": gate}, name
            assert needed == "migrate" or "healthcheck" in SERVICES[needed]


@pytest.mark.parametrize("name", OURS)
def test_our_containers_hold_no_privilege(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["build"]["target"] in re.findall(r"^FROM base AS (\w+)$", DOCKERFILE, re.MULTILINE)


def test_nothing_is_published_beyond_the_host() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_volumes_are_declared() -> None:
    named = {
        source
        for service in SERVICES.values()
        for source in (volume.split(":")[0] for volume in service.get("volumes", []))
        if source.isidentifier()
    }
    assert named == set(COMPOSE["volumes"])


def test_images_run_as_nobody_special_and_say_how_they_are() -> None:
    stages = DOCKERFILE.split("FROM base AS ")[1:]
    for stage in stages:
        assert "USER m2kt" in stage
        assert "HEALTHCHECK" in stage
        for command in re.findall(r"CMD (\[.*\])", stage):
            assert json.loads(command)


def test_what_the_images_copy_is_there_and_in_the_context() -> None:
    copied = {name for line in re.findall(r"^COPY (.*)$", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]}
    context = (CHECKOUT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    assert copied == {line[1:] for line in context if line.startswith("!")}
    assert [name for name in copied if not (CHECKOUT / name).exists()] == []


def test_the_broker_image_has_no_torch() -> None:
    stage = DOCKERFILE.split("FROM base AS broker")[1].split("FROM base")[0]
    assert re.findall(r"'\.\[(.*)\]'", stage) == ["broker"]


# The witness, which runs elsewhere

WITNESS_FILE = CHECKOUT / "deploy" / "compose.witness.yml"
WITNESS: dict[str, Any] = yaml.safe_load(WITNESS_FILE.read_text())["services"]["witness"]


def test_the_witness_has_nothing_of_the_broker_but_its_public_key() -> None:
    assert set(yaml.safe_load(WITNESS_FILE.read_text())["services"]) == {"witness"}
    assert "environment" not in WITNESS
    assert "broker.key" not in WITNESS_FILE.read_text()
    assert (WITNESS["read_only"], WITNESS["cap_drop"]) == (True, ["ALL"])
    assert all(each.startswith("127.0.0.1:") for each in WITNESS["ports"])


def test_the_witness_must_be_told_whose_log_and_which_key() -> None:
    used = re.findall(r"\$\{(\w+)([^}]*)\}", WITNESS_FILE.read_text())
    assert {name for name, rest in used if not rest.startswith(":?")} == {"M2KT_WITNESS_PORT"}


def test_the_command_line_takes_the_witness_as_compose_writes_it() -> None:
    _, noun, verb, *options = WITNESS["command"]
    command = get_command(app).commands[verb]  # type: ignore[attr-defined]
    known = {name for each in command.params for name in each.opts}
    assert (noun, verb) == ("log", "witness")
    assert {each.partition("=")[0] for each in options} <= known
