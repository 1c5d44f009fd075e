"""Static packets at a real broker: published by the jobs, pulled by command, and gone from the student when revoked."""

from pathlib import Path

from m2kt.anchors import read_set
from m2kt.cli import app
from m2kt.cli.edge import run_app
from m2kt.neural.encoders import text_encoder
from m2kt.signing import TrustStore
from student_agent.activation import State
from student_agent.grounded import load, save
from student_agent.grounding import ground, open_anchors, open_concepts
from student_agent.heads import Heads
from student_agent.recall import obey
from teacher_agent import anchoring, teaching
from tests.stack import Stack
from tests.static_parts import labelled, write_task

CARD = {"student_sha256": "sha256:0", "reading": "r", "reads": {}}


def pulled(broker: Stack, key: Path, packet_id: str, out: Path) -> bytes:
    """A packet as `m2kt packet pull` writes it."""
    told = ["packet", "pull", packet_id, "--broker", broker.url, "--key", str(key), "--trust", str(broker.trusted)]
    assert run_app(app, "m2kt", [*told, "--out", str(out)]) == 0
    return out.read_bytes()


def test_static_packets_are_published_pulled_grounded_and_recalled(running_stack: Stack, tmp_path: Path) -> None:
    broker, root = running_stack, write_task(tmp_path)
    shared = {name: str(root / file) for name, file in (("model", "teacher"), ("set", "set.txt"))}
    shared |= {"key": str(broker.agent("static-teacher", "teacher")), "broker": broker.url, "version": "1.0.0"}
    files = {"labelled": str(root / "labelled.tsv"), "probes": str(root / "probes.txt"), "count": 20}
    ids = {
        "anchors": anchoring.run({**shared, "name": "static/anchors", "out": str(root / "a.m2kt")})["packet_id"],
        "concepts": teaching.run({**shared, **files, "name": "static/halves", "out": str(root / "c.m2kt")})[
            "packet_id"
        ],
    }
    with broker.client() as client:
        for each in ids.values():
            client.wait_for_state(each, {"approved"})
    key = broker.agent("static-student", "student")
    data = {name: pulled(broker, key, each, root / f"{name}.m2kt") for name, each in ids.items()}
    trust, held = TrustStore.from_path(broker.trusted), read_set(root / "set.txt")
    packet, knowledge = open_concepts(data["concepts"], trust)
    student = text_encoder(root / "student")
    made = ground(knowledge, open_anchors(data["anchors"], trust, packet, held), student.encode(held.items))
    heads = Heads(root / "state")
    told = {"packet_id": packet.packet_id, "packet": packet.manifest.reference}
    with heads.scratch() as fresh:
        save(fresh, made, {**CARD, **told, **made.report, "direction": made.direction, "symbols": list(made.symbols)})
        heads.adopt(fresh, told)
    states = student.encode([text for text, _ in labelled()[200:]])
    again, _ = load(heads.find("static/halves"))
    assert (again.answers(states) == made.answers(states)).all()
    assert obey(State(heads.root), broker.url) == []
    with broker.client() as client:
        client.revoke(ids["concepts"], "it was wrong")
    assert obey(State(heads.root), broker.url) == [ids["concepts"]]
    assert heads.active() == []
