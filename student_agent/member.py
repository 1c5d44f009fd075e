"""One peer in a networked exchange: joins, and does in every round what the phase asks for, until the exchange ends.

1. **Confidences**: predict the round's samples, post how likely each true class is.
2. **Predictions**: compute the masks again from everybody's confidences; publish logits for the places that it teaches.
3. **Reports**: pull the others' packets, compute their confidences again, complain about lies, learn, keep a
   checkpoint, report the losses.

Inputs, labels and weights stay here. Every step may be repeated after a crash: what the broker has already is not sent
again, and what was learned is in the checkpoint.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from m2kt.client import COMPLAINT, Client
from m2kt.client.exchanges import ENDED, WAIT_SECONDS, Masked
from m2kt.client.transport import Json
from m2kt.errors import Evicted, ExchangeError, ExchangeOver, M2KTError, NotPullable, RoundOver, Unavailable
from m2kt.exchange import masks
from m2kt.exchange.complaints import SHOWN, Complaint, compare
from m2kt.exchange.packets import Taught, Turn, build, description, description_digest, read, shape_text
from m2kt.neural.exchange import Peer, Predictions
from m2kt.neural.weights import weights_sha256
from m2kt.packet import PacketId, Teacher
from m2kt.signing import attest, sign_packet
from m2kt.signing.keys import PrivateKey
from student_agent import resuming
from student_agent.resuming import Learned

NO_TOKENIZER = f"sha256:{sha256(b'').hexdigest()}"
T = TypeVar("T")


@dataclass(frozen=True)
class Terms:
    """How a peer takes part."""

    state: Path
    """Directory of its checkpoint."""
    patience: float = 60.0
    """Seconds for which a broker may be away."""
    licence: str = "Apache-2.0"


@dataclass
class Member:
    """A peer, and where it is."""

    peer: Peer
    client: Client
    key: PrivateKey
    exchange: str
    terms: Terms
    on_round: Callable[[int, int], None] = lambda done, total: None
    learned: Learned | None = None
    _predicted: tuple[int, Predictions] | None = field(default=None, repr=False)

    def take_part(self) -> Json:
        """Until the exchange has ended; its last view. `ExchangeOver` when it failed, `Evicted`, or what this peer
        itself stopped at: then it has left, and said why."""
        self.learned = resuming.restore(self.checkpoint, self.exchange, self.peer)
        try:
            view = self._patiently(lambda: self.client.join_exchange(self.exchange, self.task))
            while view["state"] not in ENDED:
                view = self._act(view) or self._next(view)
        except (Unavailable, Evicted, ExchangeOver):
            raise
        except M2KTError as error:
            self._leave(error)
            raise
        if view["state"] == "failed":
            raise ExchangeOver(f"exchange {self.exchange} failed: {view['reason']}")
        return view

    @property
    def checkpoint(self) -> Path:
        return self.terms.state / f"{self.exchange}.{self.peer.name}.pt"

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Places of a sample as its labels have them."""
        return tuple(self.peer.labels(0).shape[1:])

    @cached_property
    def task(self) -> Json:
        """What the broker was told of the task."""
        return self._describe()

    def _describe(self) -> Json:
        """The task as the samples have it now: names of classes, digests of the rest."""
        now = self.peer.samples.task
        shape = shape_text(self.shape)
        return description(now.name, now.classes, now.samples_sha256, len(now.samples), now.labels_sha256, shape)

    def _act(self, view: Json) -> Json | None:
        """Do what is due; the view after it, or None when this peer has nothing to do just now."""
        mine = next(each for each in view["peers"] if each["name"] == self.peer.name)
        if mine["state"] == "evicted":
            raise Evicted(f"{self.peer.name} was evicted: {mine['reason']}")
        if mine["state"] != "present":
            return self._patiently(lambda: self.client.join_exchange(self.exchange, self.task))
        if view["state"] != "running":
            return None
        steps = {"confidences": self._post, "predictions": self._publish, "reports": self._learn}
        turns = {each["peer"]: each for each in view["current"]["turns"]}
        try:
            return steps[view["phase"]](view, turns.get(self.peer.name))
        except RoundOver:  # the round went on meanwhile; the next view says where it is
            return None

    def _next(self, view: Json) -> Json:
        return self._patiently(lambda: self.client.exchange(self.exchange, after=view["step"], wait=WAIT_SECONDS))

    # 1. confidences

    def _post(self, view: Json, turn: Json | None) -> Json | None:
        if turn is not None and turn["posted"]:
            return None
        number = view["round"]
        values = self.peer.confidences(number, self._logits(number)).reshape(-1)
        task = self._describe()
        digest, samples = description_digest(task), task["samples_sha256"]
        return self._patiently(
            lambda: self.client.post_confidences(self.exchange, number, values, task=digest, samples=samples)
        )

    def _logits(self, number: int) -> Predictions:
        """Made once a round: the weights change only when the round is learned."""
        if self._predicted is None or self._predicted[0] != number:
            self._predicted = number, self.peer.predict(number)
        return self._predicted[1]

    # 2. predictions

    def _publish(self, view: Json, turn: Json | None) -> Json | None:
        if turn is None or turn["dropped"] or not turn["taught"] or turn["packet_id"]:
            return None
        number = view["round"]
        found = self._masks(number)
        row = found.peers.index(self.peer.name)
        places = np.flatnonzero(found.teachers == row)
        taught = Taught(places, _rows(self._logits(number))[places], found.confidences[row][places])
        packet = build(
            self._turn(self.peer.name, number),
            taught,
            created=datetime.fromisoformat(view["current"]["began"]).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            teacher=self._teacher(),
            task_name=self.peer.task.name,
            licence=self.terms.licence,
        )
        data = sign_packet(packet, self.key)
        self._patiently(lambda: self.client.publish_predictions(self.exchange, number, data))
        return None

    def _masks(self, number: int) -> Masked:
        """The round's masks, once they are those of the confidences: a broker is not believed."""
        found = self._patiently(lambda: self.client.exchange_masks(self.exchange, number))
        if list(found.peers) != sorted(found.peers) or self.peer.name not in found.peers:
            raise ExchangeError("the broker's masks are not ordered by name, or without this peer")
        if not np.array_equal(masks(found.confidences).argmax(axis=0), found.teachers):
            raise ExchangeError(f"the broker's masks of round {number} are not those of the confidences")
        return found

    def _turn(self, name: str, number: int) -> Turn:
        task = self.task
        count, classes = task["sample_count"], len(task["classes"])
        return Turn(self.exchange, name, number, self.peer.plan, description_digest(task), count, classes, self.shape)

    def _teacher(self) -> Teacher:
        model = self.peer.model
        family = type(model).__name__
        parameters = max(1, sum(each.numel() for each in model.parameters()))
        return Teacher(self.peer.name, family, family, parameters, weights_sha256(model), NO_TOKENIZER)

    # 3. reports

    def _learn(self, view: Json, turn: Json | None) -> Json | None:
        if turn is None or turn["dropped"] or turn["report"]:
            return None
        number = view["round"]
        if self.learned is None or self.learned.round < number:
            found = self._masks(number)
            logits, own, left_out = self._gather(view, found)
            if left_out and (now := self._patiently(lambda: self.client.exchange(self.exchange)))["state"] in ENDED:
                return now
            self._take(number, logits, own, left_out)
        assert self.learned is not None
        losses, missing = self.learned.losses, self.learned.left_out
        after = self._patiently(
            lambda: self.client.report_round(
                self.exchange, number, task=losses.task, exchange=losses.exchange, left_out=missing
            )
        )
        self.on_round(number + 1, self.peer.plan.rounds)
        return after

    def _gather(self, view: Json, found: Masked) -> tuple[Predictions, NDArray[np.bool_], list[str]]:
        """What the others teach: logits (N, C, ...), a mask (N, ...) of the places that nobody else teaches, and whose
        predictions are not used."""
        number = view["round"]
        keys = {each["name"]: each["key_id"] for each in view["peers"]}
        classes = len(self.peer.task.classes)
        logits, untaught, left_out = np.zeros((len(found.teachers), classes), np.float32), found.teachers >= 0, []
        for turn in view["current"]["turns"]:
            if turn["peer"] == self.peer.name or not turn["taught"] or turn["dropped"]:
                continue
            taught = self._pull(turn, number, found, keys[turn["peer"]])
            if taught is None:
                left_out.append(turn["peer"])
                continue
            logits[taught.places], untaught[taught.places] = taught.logits, False
        shape = (-1, *self.shape)
        return np.moveaxis(logits.reshape(*shape, classes), -1, 1), untaught.reshape(shape), left_out

    def _pull(self, turn: Json, number: int, found: Masked, key: str) -> Taught | None:
        """A teacher's predictions, verified; None when they cannot be had or give other confidences than claimed."""
        try:
            verified = self._patiently(lambda: self.client.pull(turn["packet_id"]))
        except NotPullable:  # revoked since: its teacher was evicted
            return None
        name = turn["peer"]
        said, taught = read(verified.packet)
        row = found.peers.index(name)
        places = np.flatnonzero(found.teachers == row)
        if key not in verified.key_ids or said != self._turn(name, number):
            raise ExchangeError(f"{verified.packet.manifest.reference} is not what {name} signed for round {number}")
        claimed = found.confidences[row][places]
        if not np.array_equal(taught.places, places) or not np.array_equal(taught.confidences, claimed):
            raise ExchangeError(f"what {name} published in round {number} is not what its mask and its claims say")
        lies = compare(taught, self.peer.labels(number).reshape(-1)[places])
        if not lies:
            return taught
        self._complain(turn, number, lies)
        return None

    def _complain(self, turn: Json, number: int, lies: list[tuple[int, str, str]]) -> None:
        said = Complaint(self.exchange, number, turn["peer"], len(lies), tuple(lies[:SHOWN]))
        envelope = attest(PacketId(turn["packet_id"]), COMPLAINT, said.to_dict(), self.key)
        with suppress(NotPullable, RoundOver, ExchangeOver):  # others were quicker
            self._patiently(lambda: self.client.complain(self.exchange, number, turn["peer"], envelope))

    def _take(self, number: int, logits: Predictions, own: NDArray[np.bool_], left_out: list[str]) -> None:
        losses = self.peer.learn(number, np.ascontiguousarray(logits), np.ascontiguousarray(own))
        self.learned = Learned(number, losses, tuple(left_out))
        resuming.save(self.checkpoint, self.exchange, self.peer, self.learned)

    # The broker

    def _patiently(self, call: Callable[[], T]) -> T:
        """Call again while the broker is away: every call may be said twice."""
        end, pause = time.monotonic() + self.terms.patience, 0.1
        while True:
            try:
                return call()
            except Unavailable:
                if time.monotonic() + pause > end:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, 2.0)

    def _leave(self, error: M2KTError) -> None:
        """Tell the others why; whether that reaches the broker or not, they go on at the deadline."""
        reason = " ".join(f"{error.code}: {error.detail}".split())[:500]
        with suppress(M2KTError):
            self.client.leave_exchange(self.exchange, reason)


def _rows(logits: Predictions) -> NDArray[np.float32]:
    """(N, C, ...) as one row for each place, (P, C)."""
    rows: NDArray[Any] = np.moveaxis(logits, 1, -1).reshape(-1, logits.shape[1])
    return rows
