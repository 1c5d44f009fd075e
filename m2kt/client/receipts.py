"""Receipts: the broker's word that it has a packet, and the proof that its word stands in the transparency log."""

import base64
import binascii
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from m2kt.client.predicates import RECEIPT
from m2kt.client.transport import Json, Transport
from m2kt.errors import BrokerAway, M2KTError, NotLogged, SignatureError
from m2kt.log import Checkpoint, Memory, Note, NoteKey, Policy, Proof, proofs
from m2kt.log.checkpoints import MAX_AGE_SECONDS, require_fresh
from m2kt.log.entries import entry_of
from m2kt.signing.dsse import Envelope
from m2kt.signing.keys import TrustStore
from m2kt.signing.statement import Attestation, read_attestation


@dataclass(frozen=True)
class LogRules:
    """What a puller asks of the log. ``memory`` makes it remember; without one, only the present is checked."""

    required: bool = True
    """Refuse a packet whose receipt is not in the log. Without it, a proof that is there must still verify."""
    wait_seconds: float = 10.0
    """How long a receipt may take to be integrated."""
    max_age: int = MAX_AGE_SECONDS
    """How old the newest checkpoint may be: the log signs it anew every minute."""
    witnesses: tuple[NoteKey, ...] = ()
    quorum: int = 0
    origin: str | None = None
    """The log's name; without it, the one that this broker's key had first is kept in ``memory``."""
    memory: Memory | None = None
    clock: Callable[[], float] = time.time

    def counting(self, brokers: TrustStore) -> TrustStore:
        """The broker's keys that may sign the log now: a checkpoint is news, so a key that has ended signs none."""
        return brokers.valid_at(datetime.fromtimestamp(self.clock(), UTC))


@dataclass(frozen=True)
class Said:
    """A verified statement, what of it the log holds, and the proof, if there is one yet."""

    attestation: Attestation
    entry: bytes
    proof: str | None


def read_said(found: Json, predicate_type: str, brokers: TrustStore) -> Said:
    """The statement in an answer with ``envelope`` and ``proof``, signed by the broker; the proof is not checked."""
    try:
        data = base64.b64decode(found["envelope"], validate=True)
        proof = None if found["proof"] is None else str(found["proof"])
    except (KeyError, TypeError, binascii.Error, ValueError) as error:
        raise BrokerAway("the statement is not as a broker writes it") from error
    return Said(read_attestation(data, brokers, predicate_type), entry_of(Envelope.from_bytes(data).pae), proof)


class Receipts:
    """Receipts of one broker, whose keys the caller trusts."""

    def __init__(self, transport: Transport, rules: LogRules) -> None:
        self._transport, self._rules = transport, rules

    def get(self, packet_id: str, brokers: TrustStore) -> Attestation:
        """The latest receipt for a packet, signed by the broker; its place in the log is not asked for."""
        return self._fetch(packet_id, brokers).attestation

    def logged(self, packet_id: str, brokers: TrustStore) -> Attestation:
        """The latest receipt, once it stands in the log and the log is still the one that it was.

        Raises `NotLogged` when it does not within the time that the rules give, and the other children of `LogError`.
        """
        return self.once_logged(lambda: self._fetch(packet_id, brokers), f"the receipt of packet {packet_id}", brokers)

    def once_logged(self, fetch: Callable[[], Said], what: str, brokers: TrustStore) -> Attestation:
        """The same for any statement that ``fetch`` gets (`read_said`)."""
        said = fetch()
        end = time.monotonic() + self._rules.wait_seconds
        while said.proof is None and self._rules.required and time.monotonic() < end:
            time.sleep(0.1)
            said = fetch()
        if said.proof is not None:
            self._check(said, said.proof, brokers)
        elif self._rules.required:
            raise NotLogged(f"{what} is not in the log")
        return said.attestation

    def _fetch(self, packet_id: str, brokers: TrustStore) -> Said:
        found = self._transport.get(f"/v1/packets/{quote(packet_id)}/receipt")
        said = read_said(found, RECEIPT, brokers)
        if said.attestation.subject != packet_id:
            raise SignatureError(f"the receipt is for {said.attestation.subject}")
        return said

    def _check(self, said: Said, text: str, brokers: TrustStore) -> None:
        rules, proof = self._rules, Proof.from_text(text)
        brokers = rules.counting(brokers)
        origin = rules.origin or self.pinned(Checkpoint.parse(Note.from_bytes(proof.note).text).origin, brokers)
        policy = Policy(origin, tuple(brokers.values()), rules.witnesses, rules.quorum, rules.max_age)
        seen, now = proofs.verify(proof, said.entry, policy), int(rules.clock())
        if rules.memory is None:
            require_fresh(seen, policy, now)
        else:
            rules.memory.advance(seen, policy, self.prove, now)

    def pinned(self, origin: str, brokers: TrustStore) -> str:
        """The log's name, which must be the one that these keys had first."""
        if self._rules.memory is not None:
            for key in brokers:
                self._rules.memory.pin(key, origin)
        return origin

    def prove(self, old: int, new: int) -> list[bytes]:
        """The broker's consistency proof between two sizes; a broker that gives none proves nothing."""
        try:
            params = {"old": old, "new": new}
            response = self._transport.send("GET", "/v1/log/proof/consistency", params=params, signed=False)
        except BrokerAway:
            raise
        except M2KTError:
            return []
        return list(proofs.decode_hashes(response.text.split("\n")[:-1]))
