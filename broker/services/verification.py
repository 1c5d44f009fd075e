"""Verifying a packet again, now, from the stored bytes: what a student would do with them, step by step and timed.

Nothing here reads the packet's row for an answer: bytes, receipt and log have to agree by themselves. What comes after
a step that failed has not run.
"""

import time
from dataclasses import dataclass, field
from hashlib import sha256

from sqlalchemy.orm import Session

from broker.models import Packet
from broker.services import attestations, packets, tlog
from broker.services.agents import Standing
from broker.services.sequencer import Keeper, database_time
from broker.services.signers import Known
from broker.storage import BlobStore
from m2kt.client.predicates import RECEIPT
from m2kt.errors import ContainerError, DigestMismatch, LogError, M2KTError, PacketError, SignatureError, TooLarge
from m2kt.log import Policy, Proof, Seen, proofs, require_fresh
from m2kt.log.entries import entry_of
from m2kt.packet import Limits
from m2kt.scan import Outcome
from m2kt.signing import dsse, verify_packet
from m2kt.signing.keys import TrustStore
from m2kt.signing.statement import read_attestation

STEPS = (
    ("stored-bytes", "the stored bytes have the digest that the broker has on record"),
    ("container", "they are a container with three parts, within limits (docs/packet.md)"),
    ("signature", "a key that is on record as a signer signed the statement in it"),
    ("structure", "manifest and tensors are well-formed"),
    (
        "packet-id",
        "every tensor has its digest, the Merkle root is this packet's id, and the signed statement is about it",
    ),
    ("receipt", "the broker signed a receipt for exactly these bytes"),
    ("inclusion", "the receipt stands in the transparency log"),
    ("checkpoint", "the log's checkpoint is signed, and of the last hour"),
)
"""The browser does the same steps under the same names (``static/verify.js``)."""


@dataclass(frozen=True)
class Step:
    name: str
    asks: str
    outcome: Outcome
    evidence: str = ""
    next_step: str = ""
    milliseconds: float | None = None


@dataclass(frozen=True)
class Witness:
    """What verifying needs besides the packet: the store, who is known, and whose log it is."""

    store: BlobStore
    keeper: Keeper
    standing: Standing

    @property
    def brokers(self) -> TrustStore:
        return TrustStore([self.keeper.key.public_key(), *self.keeper.former])


@dataclass
class _Run:
    """One verification: what it has found so far, and what stopped it."""

    session: Session
    witness: Witness
    packet: Packet
    done: dict[str, Step] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    def passed(self, name: str, evidence: str) -> None:
        self._write(name, Outcome.PASS, evidence, "")

    def failed(self, name: str, error: M2KTError) -> None:
        self._write(name, Outcome.FAIL, error.detail, error.hint)

    def waits(self, name: str, evidence: str, next_step: str) -> None:
        self._write(name, Outcome.NOT_RUN, evidence, next_step)

    def _write(self, name: str, outcome: Outcome, evidence: str, next_step: str) -> None:
        now = time.perf_counter()
        took, self.started = 1000 * (now - self.started), now
        self.done[name] = Step(name, dict(STEPS)[name], outcome, evidence, next_step, round(took, 1))

    def result(self) -> list[Step]:
        return [self.done.get(name, Step(name, asks, Outcome.NOT_RUN, _STOPPED)) for name, asks in STEPS]


_STOPPED = "an earlier step failed, or has not run"


def verify(session: Session, witness: Witness, packet_id: str) -> list[Step]:
    """Every step's outcome, in the order of `STEPS`."""
    run = _Run(session, witness, packets.get(session, packet_id))
    data = _bytes(run)
    if data is not None:
        _verified(run, data)
    receipt = _receipt(run, data)
    if receipt is not None:
        _logged(run, receipt)
    return run.result()


def _bytes(run: _Run) -> bytes | None:
    packet = run.packet
    try:
        data = b"".join(run.witness.store.read(run.session, packet.content_sha256, 0, packet.size))
        found = f"sha256:{sha256(data).hexdigest()}"
        if found != packet.content_sha256:
            raise DigestMismatch(f"they have the digest {found}", hint=_AUDIT)
    except M2KTError as error:
        run.failed("stored-bytes", error)
        return None
    run.passed("stored-bytes", f"{len(data):,} bytes, {found}")
    return data


_AUDIT = "Somebody changed the database or the store: run `m2kt log audit`, and keep students from this broker."


def _verified(run: _Run, data: bytes) -> None:
    """`verify_packet` as students run it; the class of its refusal says which step it was."""
    signed = packets.signatures(run.session, [run.packet.packet_id])[run.packet.packet_id]
    ids = [each.key_id for each in signed]
    known = Known(run.session, ids, run.witness.standing, tuple(run.witness.brokers.values()))
    try:
        found = verify_packet(data, known.trust(*ids), Limits(max_packet_bytes=max(len(data), 1)))
        if found.packet.packet_id != run.packet.packet_id:
            raise DigestMismatch(f"the bytes are packet {found.packet.packet_id}", hint=_AUDIT)
    except M2KTError as error:
        _stopped(run, error)
        return
    holders = ", ".join(f"{known.signer(each).name} ({each[:16]})" for each in found.key_ids)
    tensors = f"{len(found.packet.tensors)} tensors"
    said = ("three parts", f"signed by {holders}", tensors, found.packet.packet_id)
    for name, evidence in zip(_OF_PACKET, said, strict=True):
        run.passed(name, evidence)


_OF_PACKET = ("container", "signature", "structure", "packet-id")


def _stopped(run: _Run, error: M2KTError) -> None:
    at = _step_of(error)
    for name in _OF_PACKET[: _OF_PACKET.index(at)]:
        run.passed(name, "")
    run.failed(at, error)


def _step_of(error: M2KTError) -> str:
    """By the class of refusal (docs/packet.md, *Verifying*)."""
    if isinstance(error, (ContainerError, TooLarge)):
        return "container"
    if isinstance(error, SignatureError):
        return "signature"
    return "structure" if isinstance(error, PacketError) and not isinstance(error, DigestMismatch) else "packet-id"


def _receipt(run: _Run, data: bytes | None) -> bytes | None:
    """The envelope of the latest receipt, which must be about these bytes."""
    try:
        row = attestations.receipt(run.session, run.packet.packet_id)
        said = read_attestation(row.envelope, run.witness.brokers, RECEIPT)
        if said.subject != run.packet.packet_id:
            raise SignatureError(f"the receipt is for {said.subject}", hint=_AUDIT)
        if data is not None and said.predicate.get("content") != f"sha256:{sha256(data).hexdigest()}":
            raise DigestMismatch("the receipt is for other bytes", hint=_AUDIT)
    except M2KTError as error:
        run.failed("receipt", error)
        return None
    if data is None:
        run.waits("receipt", "its signature holds, but there are no bytes to compare", "")
    else:
        run.passed("receipt", f"signed by this broker, {said.predicate.get('at')}")
    return row.envelope


def _logged(run: _Run, envelope: bytes) -> None:
    policy = Policy(run.witness.keeper.origin, tuple(run.witness.brokers.values()))
    try:
        text = tlog.proof_of(run.session, envelope)
        if text is None:
            run.waits("inclusion", "the receipt waits for the log", "Look again in a second.")
            return
        proof = Proof.from_text(text)
        seen = proofs.verify(proof, entry_of(dsse.Envelope.from_bytes(envelope).pae), policy)
    except M2KTError as error:
        run.failed("inclusion", type(error)(error.detail, hint=_LOG))
        return
    run.passed("inclusion", f"leaf {proof.index} of {seen.checkpoint.size}")
    _fresh(run, seen, policy)


_LOG = "The log does not hold what the broker says: run `m2kt log verify`, and `m2kt log audit` where the broker runs."


def _fresh(run: _Run, seen: Seen, policy: Policy) -> None:
    now = database_time(run.session)
    try:
        require_fresh(seen, policy, now)
    except LogError as error:
        run.failed("checkpoint", error)
        return
    size, age = seen.checkpoint.size, max(0, now - seen.time)
    run.passed("checkpoint", f"{seen.checkpoint.origin}, {size} entries, signed {age} s ago")
