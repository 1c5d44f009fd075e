"""The extraction job writes a signed packet, or refuses with its own error and writes nothing."""

from pathlib import Path
from typing import Any

import pytest

from m2kt.agent.child import Progress, run_child
from m2kt.errors import (
    DomainError,
    ExtractionRefused,
    KeyFileError,
    M2KTError,
    ManifestError,
    ModelError,
    UsageError,
)
from m2kt.signing import TrustStore, verify_packet
from m2kt.signing.keys import generate, load_private, write_private
from teacher_agent.extract import Settings
from teacher_agent.job import run, settings_of
from teacher_agent.roles import SwapSettings
from tests.models import EXAMPLES

Spec = dict[str, Any]
SMALL = {"probes": 300, "least_chains": 30, "least_support": 1, "floor": 0.5, "swap": {"chains": 32, "swaps": 1}}


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """An extraction that would succeed."""
    write_private(tmp_path / "key.pem", generate())
    return {
        "model": str(EXAMPLES / "teacher"),
        "domain": "chains",
        "name": "tests/chains",
        "version": "1.0.0",
        "key": str(tmp_path / "key.pem"),
        "out": str(tmp_path / "packet.m2kt"),
        "device": "cpu",
        "threads": 1,
        "settings": SMALL,
    }


def test_a_process_of_its_own_writes_a_packet_that_verifies(spec: Spec, tmp_path: Path) -> None:
    seen: list[Progress] = []
    found = run_child("teacher_agent", "extract", spec, on_progress=seen.append)
    data = Path(spec["out"]).read_bytes()
    trust = TrustStore([load_private(Path(spec["key"])).public_key()])
    packet = verify_packet(data, trust).packet
    assert (found["packet_id"], found["bytes"]) == (packet.packet_id, len(data))
    assert found["ledger"] == dict(packet.manifest.ledger)
    assert found["concepts"] == len(packet.tensors["concepts/centroids"])
    assert "state" not in found
    steps = list(dict.fromkeys(each.step for each in seen))
    assert steps == ["teacher writes chains", "causal token swaps", "states become concepts"]


def test_a_refused_extraction_writes_nothing(spec: Spec) -> None:
    with pytest.raises(ExtractionRefused, match=r"0\.00 of the teacher's chains, below the floor of 0\.5"):
        run({**spec, "settings": {**SMALL, "probes": 60, "least_chains": 50}})
    assert not Path(spec["out"]).exists()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"settings": {"probe": 5}}, UsageError),
        ({"settings": {"probes": "5"}}, UsageError),
        ({"settings": {"probes": True}}, UsageError),
        ({"settings": {"probes": 0}}, UsageError),
        ({"settings": {"least_support": -1}}, UsageError),
        ({"settings": {"probes": 2.5}}, UsageError),
        ({"settings": {"swap": 3}}, UsageError),
        ({"settings": {"swap": {"swap": 3}}}, UsageError),
        ({"settings": {"floor": float("nan")}}, UsageError),
        ({"settings": {"operator": "magic"}}, UsageError),
        ({"settings": {"layer": -2}}, UsageError),
        ({"settings": {"force": 1}}, UsageError),
        ({"dtype": "half"}, ModelError),
        ({"domain": "chains@0.9.0"}, DomainError),
        ({"settings": []}, UsageError),
        ({"domian": "chains"}, UsageError),
        ({"name": ""}, UsageError),
        ({"domain": "nobody-registered-this"}, DomainError),
        ({"model": "nowhere"}, ModelError),
        ({"key": "none.pem"}, KeyFileError),
        ({"device": "gpu"}, ModelError),
        ({"name": "Not A Name"}, ManifestError),
        ({"version": "one"}, ManifestError),
        ({"licence": "\n"}, ManifestError),
        ({"parents": ["sha256:1"]}, ManifestError),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_with_its_own_error(spec: Spec, change: Spec, error: type[M2KTError]) -> None:
    with pytest.raises(error) as caught:
        run({**spec, **change})
    assert type(caught.value) is error
    assert caught.value.hint
    assert not Path(spec["out"]).exists()


def test_a_key_that_others_may_read_is_refused(spec: Spec) -> None:
    Path(spec["key"]).chmod(0o644)
    with pytest.raises(KeyFileError, match="0644"):
        run(spec)
    assert not Path(spec["out"]).exists()


def test_settings_keep_what_was_not_given() -> None:
    found = settings_of({"probes": 7, "floor": 1, "swap": {"threshold": 0.3}})
    assert found == Settings(probes=7, floor=1, swap=SwapSettings(threshold=0.3))
