"""The broker's REST interface as calls. Pulling verifies; there is no way to get unverified bytes."""

import base64
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import quote

import httpx

from m2kt.client.jobs import JobCalls
from m2kt.client.predicates import APPROVAL
from m2kt.client.receipts import LogRules, Receipts
from m2kt.client.transport import Json, Transport, json_of
from m2kt.client.uploads import publish
from m2kt.errors import DigestMismatch, RequestUnsigned, SignatureError, UnknownKey
from m2kt.packet import PacketId
from m2kt.signing.dsse import Envelope
from m2kt.signing.http import content_digest
from m2kt.signing.keys import (
    KeyId,
    PrivateKey,
    PublicKey,
    TrustStore,
    key_id,
    parse_public,
    public_text,
    rotation_message,
)
from m2kt.signing.packets import VerifiedPacket, verify_packet
from m2kt.signing.statement import Attestation, Statement, attest

ENVELOPE = "application/vnd.dsse.envelope.v1+json"


class Client(JobCalls):
    """A broker, seen by the holder of ``key``, who trusts the keys in ``trust``: teachers' and the broker's own."""

    def __init__(
        self,
        base_url: str,
        key: PrivateKey | None = None,
        trust: TrustStore | None = None,
        transport: httpx.BaseTransport | None = None,
        log: LogRules | None = None,
    ) -> None:
        super().__init__(Transport(base_url, key, transport))
        self.trust = trust if trust is not None else TrustStore()
        self._key = key
        self._receipts = Receipts(self._transport, log or LogRules())

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    # Packets

    def publish(self, data: bytes) -> Json:
        """Publish a signed container. What fits into one part is sent at once, more in parts that resume after a lost
        connection or a broker's restart. Publishing is idempotent by packet id, so nothing is published twice."""
        return publish(self._transport, data)

    def pull(self, packet_id: str) -> VerifiedPacket:
        """A packet, once all of this holds:

        1. the bytes are those whose digest the broker named (`DigestMismatch`);
        2. a trusted key other than the broker's signed the packet (`UnknownKey`, `SignatureError`);
        3. it is the packet that was asked for (`DigestMismatch`);
        4. the broker, whose key is trusted, gave a receipt for it (`UnknownKey`, `SignatureError`);
        5. the receipt stands in the broker's log, which is recent and grew out of what it was (`LogError`);
        6. the signer's key counted when that receipt was given (`KeyNotValid`).
        """
        return self.verify(packet_id, self.fetch(packet_id))

    def fetch(self, packet_id: str) -> bytes:
        """The container's bytes, compared with Content-Digest only: for `verify`, or to write to a file."""
        response = self._transport.send("GET", f"/v1/packets/{quote(packet_id)}/content", signed=True)
        # 1. digest
        if response.headers.get("Content-Digest") != content_digest(sha256(response.content).digest()):
            raise DigestMismatch("the bytes that arrived are not those that the broker sent")
        return response.content

    def verify(self, packet_id: str, data: bytes) -> VerifiedPacket:
        """Steps 2 to 6 of `pull`, on bytes from anywhere."""
        # 2. signature
        brokers = self.broker_keys()
        verified = verify_packet(data, self.trust.without(*brokers))
        # 3. identity
        if verified.packet.packet_id != packet_id:
            raise DigestMismatch(f"asked for {packet_id}, got {verified.packet.packet_id}")
        # 4. and 5. receipt, and its place in the log
        receipt = self._receipts.logged(packet_id, brokers)
        # 6. time
        return VerifiedPacket(verified.packet, self._counted(verified.key_ids, receipt))

    def _counted(self, signers: Sequence[KeyId], receipt: Attestation) -> tuple[KeyId, ...]:
        """The signers that the receipt names and whose keys counted then. The log proves that the receipt was there; a
        signature that no receipt names could be of any time."""
        named = [each for each in signers if each in receipt.predicate.get("signers", ())]
        if not named:
            raise SignatureError("the receipt names other signers than those of the packet")
        try:
            at = datetime.fromisoformat(str(receipt.predicate.get("at")))
        except ValueError as error:
            raise SignatureError("the receipt does not say when it was given") from error
        if at.tzinfo is None:
            raise SignatureError("the time of the receipt has no zone")
        self.trust.require_valid(receipt.key_ids, at)
        return self.trust.require_valid(named, at)

    def receipt(self, packet_id: str) -> Attestation:
        """The broker's verified receipt for a packet; only `pull` and `verify` ask for its place in the log."""
        return self._receipts.get(packet_id, self.broker_keys())

    def list(
        self,
        *,
        name: str | None = None,
        state: str | None = None,
        domain: str | None = None,
        teacher: str | None = None,
        tag: str | None = None,
        q: str | None = None,
        limit: int = 50,
    ) -> Iterator[Json]:
        """Packets, newest first; asks for the next ``limit`` when the caller gets there. ``domain`` is a name or
        ``name@version``, ``teacher`` a name or the digest of its weights, ``q`` words; all filters must hold."""
        asked = {"name": name, "state": state, "domain": domain, "teacher": teacher, "tag": tag, "q": q}
        return self._items("/v1/packets", {**asked, "limit": limit})

    def nearest(self, packet_id: str, concept: int, limit: int = 10) -> Json:
        """Concepts of other packets that are nearest to this one, within the space of its teacher's weights."""
        path = f"/v1/packets/{quote(packet_id)}/concepts/{concept}/nearest"
        return json_of(self._transport.send("GET", path, params={"limit": limit}, signed=True))

    def tag(self, packet_id: str, tag: str) -> None:
        """Put a tag on a packet; again changes nothing."""
        self._transport.send("PUT", f"/v1/packets/{quote(packet_id)}/tags/{quote(tag)}", signed=True)

    def untag(self, packet_id: str, tag: str) -> None:
        """Take a tag off; again changes nothing."""
        self._transport.send("DELETE", f"/v1/packets/{quote(packet_id)}/tags/{quote(tag)}", signed=True)

    def show(self, packet_id: str) -> Json:
        """One packet, with its manifest."""
        return self._transport.get(f"/v1/packets/{quote(packet_id)}")

    def versions(self, name: str) -> Sequence[Json]:
        """All versions of a name, newest first."""
        found: Sequence[Json] = self._transport.get(f"/v1/names/{quote(name)}/versions")["items"]
        return found

    def attestations(self, packet_id: str) -> Iterator[Json]:
        """What was said about a packet, oldest first; ``envelope`` is base64, and not verified."""
        return self._items(f"/v1/packets/{quote(packet_id)}/attestations", {"limit": 200})

    def revoke(self, packet_id: str, reason: str) -> Json:
        """Take a packet back, for good."""
        return self._transport.post(f"/v1/packets/{quote(packet_id)}/revoke", {"reason": reason})

    def report_outcome(self, envelope: Envelope | bytes) -> Json:
        """Report what a packet did: a statement of type `m2kt.client.predicates.OUTCOME` about one packet, signed by
        the student. Reporting it again changes nothing."""
        data = envelope if isinstance(envelope, bytes) else envelope.to_bytes()
        subject = Statement.from_bytes(Envelope.from_bytes(data).payload).subjects[0].digest
        path, headers = f"/v1/packets/{quote(subject)}/outcomes", {"Content-Type": ENVELOPE}
        response = self._transport.send("POST", path, content=data, headers=headers, signed=True)
        return json_of(response)

    def review(self, packet_id: str, decision: str, reason: str) -> Json:
        """Approve or reject a packet that waits for reviewers, signed with this client's key."""
        envelope = attest(PacketId(packet_id), APPROVAL, {"decision": decision, "reason": reason}, self._key_needed())
        path, headers = f"/v1/packets/{quote(packet_id)}/reviews", {"Content-Type": ENVELOPE}
        response = self._transport.send("POST", path, content=envelope.to_bytes(), headers=headers, signed=True)
        return json_of(response)

    def _key_needed(self) -> PrivateKey:
        if self._key is None:
            raise RequestUnsigned("this call needs a key", hint="Give the client a private key of a registered agent.")
        return self._key

    def wait_for_state(self, packet_id: str, states: Collection[str], timeout: float = 60.0) -> Json:
        """The packet, as soon as it is in one of ``states``; `Unavailable` after ``timeout`` seconds."""
        return self._wait(lambda: self.show(packet_id), states, timeout, f"packet {packet_id}")

    # Agents

    def register_agent(self, name: str, role: str, public_key: PublicKey) -> Json:
        body = {"name": name, "role": role, "public_key": public_text(public_key)}
        return self._transport.post("/v1/agents", body)

    def agents(self) -> Iterator[Json]:
        return self._items("/v1/agents", {"limit": 200})

    def revoke_agent(self, name: str, since: datetime | None = None) -> Json:
        """Take an agent's keys out of use, now or since the time at which they were lost."""
        body = {"since": since.isoformat()} if since else None
        return self._transport.post(f"/v1/agents/{quote(name)}/revoke", body)

    def rotate_key(
        self,
        name: str,
        old: PrivateKey,
        new: PrivateKey,
        *,
        overlap: timedelta = timedelta(),
    ) -> Json:
        """Let your key ``old``, which signs this request, be followed by ``new``; it counts for ``overlap`` longer."""
        ids = key_id(old.public_key()), key_id(new.public_key())
        proof = new.sign(rotation_message(name, *ids))
        body = {
            "public_key": public_text(new.public_key()),
            "proof": base64.b64encode(proof).decode(),
            "overlap_seconds": int(overlap.total_seconds()),
        }
        return self._transport.post(f"/v1/agents/{quote(name)}/rotate", body)

    def key_statements(self) -> Iterator[Json]:
        """What the broker said about keys, oldest first; ``envelope`` is base64, and not verified."""
        return self._items("/v1/keys", {"limit": 200})

    # The log

    def resource(self, path: str) -> bytes:
        """A static resource of the log: ``checkpoint``, ``tile/0/000``, ``tile/entries/000.p/7``. Not verified."""
        return self._transport.send("GET", f"/v1/log/{path}", signed=False).content

    def prove_consistency(self, old: int, new: int) -> Sequence[bytes]:
        """The broker's proof that the tree of ``new`` entries begins with that of ``old``. Not verified."""
        return self._receipts.prove(old, new)

    # The broker

    def broker(self) -> Json:
        """Its version, limits and public key, **as it says itself**."""
        return self._transport.get("/v1/broker")

    def broker_key(self) -> PublicKey:
        """The broker's key, which must be in the trust store and count now."""
        return self._trusted_key(self.broker())

    def broker_keys(self) -> TrustStore:
        """The broker's key and those that it had before, as far as they are trusted: what they signed is the broker's
        word, and never a teacher's."""
        found = self.broker()
        former = {key_id(parse_public(str(each))) for each in found.get("former_keys", [])}
        present = key_id(self._trusted_key(found))
        return self.trust.without(*(each for each in self.trust if each != present and each not in former))

    def _trusted_key(self, found: Json) -> PublicKey:
        key = parse_public(str(found["public_key"]))
        if key_id(key) not in self.trust:
            raise UnknownKey(
                f"the broker's key {key_id(key)[:16]} is not trusted",
                hint="Get the broker's public key from its operator and add it to the keys you trust.",
            )
        self.trust.require_valid([key_id(key)], datetime.now(UTC))
        return key
