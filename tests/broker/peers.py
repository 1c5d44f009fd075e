"""Peers of an exchange without a model: tables of logits, and the calls that a real peer makes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sqlalchemy import func, update

from broker.models import Exchange
from broker.services import rounds
from m2kt.client import COMPLAINT, Client
from m2kt.exchange import RoundPlan, Task, confidences, masks, probabilities
from m2kt.exchange.complaints import SHOWN, Complaint
from m2kt.exchange.packets import Taught, Turn, build, description, description_digest, shape_text
from m2kt.packet import Packet, PacketId, Teacher
from m2kt.signing import attest, sign_packet
from m2kt.signing.keys import PrivateKey

COUNT, CLASSES = 12, ("ant", "bee", "cat")
PLAN = RoundPlan(seed=7, rounds=2, samples_per_round=6)
LABELS = np.arange(COUNT) % len(CLASSES)
ZEROS = f"sha256:{'0' * 64}"
TERMS = {"join_seconds": 600, "phase_seconds": 600}


def task_of(labels: np.ndarray = LABELS, shape: tuple[int, ...] = ()) -> dict:
    found = Task.of("animals", CLASSES, tuple(f"sample-{n}" for n in range(len(labels))), labels)
    return description(
        found.name, found.classes, found.samples_sha256, len(labels), found.labels_sha256, shape_text(shape)
    )


TASK = task_of()


@dataclass
class Peer:
    """A peer that knows some samples well, by its ``seed``; its logits are the same in all rounds."""

    name: str
    key: PrivateKey
    client: Client
    exchange: str = ""
    seed: int = 0
    labels: np.ndarray | None = None
    shape: tuple[int, ...] = ()
    plan: RoundPlan = PLAN

    def __post_init__(self) -> None:
        self.labels = LABELS if self.labels is None else self.labels
        noise = np.random.default_rng(self.seed).normal(size=(COUNT, *self.shape, len(CLASSES)))
        self.table = noise.astype(np.float32)  # (samples, places, C)

    @property
    def task(self) -> dict:
        return task_of(self.labels, self.shape)

    def turn(self, number: int) -> Turn:
        return Turn(
            self.exchange, self.name, number, self.plan, description_digest(self.task), COUNT, len(CLASSES), self.shape
        )

    def logits(self, number: int) -> np.ndarray:
        """(places of the round, C)"""
        return self.table[self.turn(number).samples].reshape(-1, len(CLASSES))

    def truth(self, number: int) -> np.ndarray:
        return self.labels[self.turn(number).samples].reshape(-1)

    def claims(self, number: int) -> np.ndarray:
        return confidences(probabilities(self.logits(number)), self.truth(number))

    def join(self, **changed: object) -> dict:
        return self.client.join_exchange(self.exchange, {**self.task, **changed})

    def post(self, number: int = 0, values: np.ndarray | None = None, **changed: str) -> dict:
        given = {"task": description_digest(self.task), "samples": self.task["samples_sha256"], **changed}
        values = self.claims(number) if values is None else values
        return self.client.post_confidences(self.exchange, number, values, **given)

    def places(self, number: int = 0) -> np.ndarray:
        found = self.client.exchange_masks(self.exchange, number)
        assert (masks(found.confidences).argmax(0) == found.teachers).all()
        return np.flatnonzero(found.teachers == found.peers.index(self.name))

    def packet(self, number: int = 0, change: Callable[[Taught], Taught] = lambda each: each) -> Packet:
        places = self.places(number)
        claimed = self.client.exchange_masks(self.exchange, number)
        own = claimed.confidences[claimed.peers.index(self.name)]
        taught = change(Taught(places, self.logits(number)[places], own[places]))
        return build(
            self.turn(number),
            taught,
            created="2026-01-31T12:00:00Z",
            teacher=Teacher(self.name, "table", "table", self.table.size, ZEROS, ZEROS),
            task_name="animals",
            licence="Apache-2.0",
        )

    def publish(self, number: int = 0, packet: Packet | None = None) -> dict:
        data = sign_packet(packet or self.packet(number), self.key)
        return self.client.publish_predictions(self.exchange, number, data)

    def report(self, number: int = 0, task: float = 1.0) -> dict:
        return self.client.report_round(self.exchange, number, task=task, exchange=0.5)

    def complain(self, accused: "Peer", /, number: int = 0, **changed: object) -> dict:
        """About every place where a wrong claim is, or else a made-up one about the first place."""
        packet_id = next(
            each["packet_id"]
            for each in self.client.exchange_round(self.exchange, number)["turns"]
            if each["peer"] == accused.name
        )
        place = int(accused.places(number)[0])
        mask = self.client.exchange_masks(self.exchange, number)
        claimed = mask.confidences[mask.peers.index(accused.name)][place]
        given = probabilities(accused.logits(number)[[place]])[0]
        other = given[np.abs(given - claimed).argmax()]
        said = Complaint(self.exchange, number, accused.name, 1, ((place, f"{claimed:.9f}", f"{other:.9f}"),)[:SHOWN])
        envelope = attest(PacketId(packet_id), COMPLAINT, {**said.to_dict(), **changed}, self.key)
        return self.client.complain(self.exchange, number, accused.name, envelope)


NAMES = ("ann", "bob", "cyd")


def publish_all(peers, run_scans, number=0):
    for each in peers:
        each.post(number)
    for each in peers:
        if len(each.places(number)):
            each.publish(number)
    run_scans()


def show(peers):
    return peers[0].client.exchange(peers[0].exchange)


def expire(session):
    """Let the present deadline pass; somebody looks."""
    session.execute(update(Exchange).values(deadline=func.clock_timestamp()))
    assert rounds.sweep(session)
    session.commit()


def states(peers):
    return {each["name"]: each["state"] for each in show(peers)["peers"]}


def round_with_a_liar(peers, run_scans):
    """The last of three peers claims to know all, and publishes predictions for another class that give that claim."""
    ann, bob, liar = peers
    truth = liar.labels
    liar.labels = (truth + 1) % 3
    liar.table = liar.table * 0 + 9 * np.eye(3, dtype=np.float32)[liar.labels]
    task = {"task": ann.post()["task_sha256"], "samples": liar.task["samples_sha256"]}
    bob.post()
    claims = liar.claims(0)
    liar.labels = truth
    liar.post(values=claims, **task)
    for each in peers:
        if len(each.places()):
            each.publish()
    run_scans()
    return liar
