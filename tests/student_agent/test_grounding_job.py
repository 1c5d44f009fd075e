"""The two jobs, on tiny untrained models: anchors out of one, concepts and anchors into the other."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from m2kt.agent.child import run_child
from m2kt.anchors import read_set
from m2kt.errors import AlignmentRefused, M2KTError
from m2kt.neural.encoders import text_encoder
from m2kt.packet import DomainRef
from m2kt.packet.anchors import Title
from m2kt.signing import TrustStore, sign_packet
from m2kt.signing.keys import generate, write_private, write_public
from student_agent.grounding import open_anchors, open_concepts
from teacher_agent import anchoring, static
from tests.models import tiny_student

WORDS = tuple(f"w{number}" for number in range(60))
PAIRS = [f"{one} {other}" for one in WORDS for other in WORDS[:6] if one != other]


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> dict[str, Any]:
    root: Path = tmp_path_factory.mktemp("grounding")
    key = generate()
    write_private(root / "key.pem", key)
    write_public(root / "key.pub", key.public_key())
    (root / "pairs.txt").write_text("\n".join(PAIRS[::2]))
    teacher = tiny_student(root / "teacher", WORDS, seed=1)
    tiny_student(root / "student", WORDS, width=16, seed=2)
    spec = {"model": str(teacher), "set": str(root / "pairs.txt"), "name": "acme/anchors", "version": "1.0.0"}
    told = anchoring.run({**spec, "key": str(root / "key.pem"), "out": str(root / "anchors.m2kt")})
    encoder = text_encoder(teacher)
    states = encoder.encode(PAIRS[1::2])
    said = (states[:, 0] > np.median(states[:, 0])).astype(np.int64)
    found = static.concepts(states, said, ("low", "high"), 12, seed=0)
    title = Title("acme/halves", "1.0.0", "2026-01-31T12:00:00Z", DomainRef("halves", "1.0.0"))
    packet = static.build(found, title, encoder.describe(), encoder.reading, told["set_sha256"], len(states), 0)
    (root / "concepts.m2kt").write_bytes(sign_packet(packet, key))
    return {"root": root, "told": told, "trust": TrustStore([key.public_key()])}


def spec_of(root: Path, **change: str) -> dict[str, str]:
    names = {"packet": "concepts.m2kt", "anchors": "anchors.m2kt", "trust": "key.pub", "set": "pairs.txt"}
    paths = {key: str(root / name) for key, name in names.items()}
    return {**paths, "model": str(root / "student"), "out": str(root / "head"), **change}


def test_a_student_is_grounded_in_a_process_that_holds_no_teacher(scene):
    found = run_child("student_agent", "ground", spec_of(scene["root"]))
    assert 0 < found["explained"] < 1
    assert {each.name for each in (scene["root"] / "head").iterdir()} == {"head.json", "head.safetensors"}


def test_the_ledger_tells_every_activation(scene):
    assert scene["told"]["ledger"]["activations_moved"] == len(PAIRS[::2])


def test_a_set_that_changed_is_refused_by_the_job(scene):
    changed = scene["root"] / "changed.txt"
    changed.write_text("\n".join(PAIRS[2::2]))
    with pytest.raises(M2KTError, match="the anchor set changed"):
        run_child("student_agent", "ground", spec_of(scene["root"], set=str(changed)))


def test_packets_of_two_teachers_or_readings_are_not_paired(scene):
    root, trust = scene["root"], scene["trust"]
    concepts, _ = open_concepts((root / "concepts.m2kt").read_bytes(), trust)
    held = read_set(root / "pairs.txt")
    for change, why in (({"model": str(root / "student")}, "weights"), ({"pool": "last"}, "reading")):
        spec = {"model": str(root / "teacher"), "set": str(root / "pairs.txt"), "name": "a/b", "version": "1.0.0"}
        other = root / "other.m2kt"
        anchoring.run({**spec, "key": str(root / "key.pem"), "out": str(other), **change})
        with pytest.raises(AlignmentRefused, match=why):
            open_anchors(other.read_bytes(), trust, concepts, held)


def test_two_packets_that_were_swapped_are_named(scene):
    root, trust = scene["root"], scene["trust"]
    data = {name: (root / f"{name}.m2kt").read_bytes() for name in ("anchors", "concepts")}
    with pytest.raises(AlignmentRefused, match="holds no static concepts") as told:
        open_concepts(data["anchors"], trust)
    assert "It holds anchors" in told.value.hint
    packet, _ = open_concepts(data["concepts"], trust)
    with pytest.raises(AlignmentRefused, match="holds no anchors") as told:
        open_anchors(data["concepts"], trust, packet, read_set(root / "pairs.txt"))
    assert "Give the packet of anchors" in told.value.hint
