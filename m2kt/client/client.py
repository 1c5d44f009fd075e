"""The broker's REST interface as calls. Pulling verifies; there is no way to get unverified bytes."""

import time
from collections.abc import Collection, Iterator, Sequence
from hashlib import sha256
from urllib.parse import quote

import httpx

from m2kt.client.jobs import JobCalls
from m2kt.client.predicates import RECEIPT
from m2kt.client.transport import Json, Transport, json_of
from m2kt.errors import DigestMismatch, SignatureError, Unavailable, UnknownKey
from m2kt.signing.dsse import Envelope
from m2kt.signing.http import content_digest
from m2kt.signing.keys import PrivateKey, PublicKey, TrustStore, key_id, parse_public, public_text
from m2kt.signing.packets import VerifiedPacket, verify_packet
from m2kt.signing.statement import Attestation, Statement, read_attestation

PACKET = "application/vnd.m2kt.packet"
ENVELOPE = "application/vnd.dsse.envelope.v1+json"
PUBLISH_ATTEMPTS = 3


class Client(JobCalls):
    """A broker, seen by the holder of ``key``, who trusts the keys in ``trust``: teachers' and the broker's own."""

    def __init__(
        self,
        base_url: str,
        key: PrivateKey | None = None,
        trust: TrustStore | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(Transport(base_url, key, transport))
        self.trust = trust if trust is not None else TrustStore()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    # Packets

    def publish(self, data: bytes) -> Json:
        """Publish a signed container. A lost connection is tried again: publishing is idempotent by packet id."""
        for attempt in range(1, PUBLISH_ATTEMPTS + 1):
            try:
                headers = {"Content-Type": PACKET}
                response = self._transport.send("POST", "/v1/packets", content=data, headers=headers, signed=True)
                return json_of(response)
            except Unavailable:
                if attempt == PUBLISH_ATTEMPTS:
                    raise
                time.sleep(0.2 * 2**attempt)
        raise AssertionError("unreachable")

    def pull(self, packet_id: str) -> VerifiedPacket:
        """A packet, once all of this holds:

        1. the bytes are those whose digest the broker named (`DigestMismatch`);
        2. a trusted key other than the broker's signed the packet (`UnknownKey`, `SignatureError`);
        3. it is the packet that was asked for (`DigestMismatch`);
        4. the broker, whose key is trusted, gave a receipt for it (`UnknownKey`, `SignatureError`).
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
        """Steps 2 to 4 of `pull`, on bytes from anywhere."""
        # 2. signature
        broker = self.broker_key()
        verified = verify_packet(data, TrustStore(key for key in self.trust.values() if key_id(key) != key_id(broker)))
        # 3. identity
        if verified.packet.packet_id != packet_id:
            raise DigestMismatch(f"asked for {packet_id}, got {verified.packet.packet_id}")
        # 4. receipt
        self.receipt(packet_id, broker)
        return verified

    def receipt(self, packet_id: str, broker: PublicKey | None = None) -> Attestation:
        """The broker's verified receipt for a packet."""
        broker = broker or self.broker_key()
        response = self._transport.send("GET", f"/v1/packets/{quote(packet_id)}/receipt", signed=False)
        found = read_attestation(response.content, TrustStore([broker]), RECEIPT)
        if found.subject != packet_id:
            raise SignatureError(f"the receipt is for {found.subject}")
        return found

    def list(
        self, *, name: str | None = None, state: str | None = None, domain: str | None = None, limit: int = 50
    ) -> Iterator[Json]:
        """Packets, newest first; asks for the next ``limit`` when the caller gets there."""
        return self._items("/v1/packets", {"name": name, "state": state, "domain": domain, "limit": limit})

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

    def wait_for_state(self, packet_id: str, states: Collection[str], timeout: float = 60.0) -> Json:
        """The packet, as soon as it is in one of ``states``; `Unavailable` after ``timeout`` seconds."""
        return self._wait(lambda: self.show(packet_id), states, timeout, f"packet {packet_id}")

    # Agents

    def register_agent(self, name: str, role: str, public_key: PublicKey) -> Json:
        body = {"name": name, "role": role, "public_key": public_text(public_key)}
        return self._transport.post("/v1/agents", body)

    def agents(self) -> Iterator[Json]:
        return self._items("/v1/agents", {"limit": 200})

    def revoke_agent(self, name: str) -> Json:
        return self._transport.post(f"/v1/agents/{quote(name)}/revoke")

    # The broker

    def broker(self) -> Json:
        """Its version, limits and public key, **as it says itself**."""
        return self._transport.get("/v1/broker")

    def broker_key(self) -> PublicKey:
        """The broker's key, which must be in the trust store."""
        key = parse_public(str(self.broker()["public_key"]))
        if key_id(key) not in self.trust:
            raise UnknownKey(
                f"the broker's key {key_id(key)[:16]} is not trusted",
                hint="Get the broker's public key from its operator and add it to the keys you trust.",
            )
        return key
