"""The broker's REST interface as calls. Pulling verifies; there is no way to get unverified bytes."""

import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import httpx

from m2kt.client.accounts import AccountCalls
from m2kt.client.agents import AgentCalls
from m2kt.client.channels import ChannelHead, remember
from m2kt.client.exchanges import ExchangeCalls
from m2kt.client.jobs import JobCalls
from m2kt.client.lifecycle import LifecycleCalls, channel_path
from m2kt.client.predicates import APPROVAL, CHANNEL
from m2kt.client.receipts import LogRules, Receipts, Said, read_said
from m2kt.client.transport import Json, Transport, json_of
from m2kt.client.uploads import begin, publish
from m2kt.errors import DigestMismatch, NotFound, NotLogged, RequestUnsigned, SignatureError, UnknownKey
from m2kt.log.entries import entry_of
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
)
from m2kt.signing.packets import VerifiedPacket, verify_packet
from m2kt.signing.statement import Attestation, Statement, attest

ENVELOPE = "application/vnd.dsse.envelope.v1+json"


_log = logging.getLogger(__name__)
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


def warning_text(header: str) -> str:
    """The text in a ``Warning`` header (RFC 7234, 5.5) as people read it."""
    found = _WARNING.match(header)
    return re.sub(r"\\(.)", r"\1", found[1]) if found else header


class Client(AgentCalls, AccountCalls, JobCalls, LifecycleCalls, ExchangeCalls):
    """A broker, seen by the holder of ``key``, who trusts the keys in ``trust``: teachers' and the broker's own.

    ``session``: that of the running agent for which this client speaks, if there is one (`m2kt.agent.session`).
    """

    def __init__(
        self,
        base_url: str,
        key: PrivateKey | None = None,
        trust: TrustStore | None = None,
        transport: httpx.BaseTransport | None = None,
        log: LogRules | None = None,
        session: str | None = None,
        warn: Callable[[str], None] = _log.warning,
    ) -> None:
        super().__init__(Transport(base_url, key, transport, session))
        self.trust = trust if trust is not None else TrustStore()
        self._key = key
        self.warn = warn
        """Told when the broker serves something that it advises against: a yanked packet."""
        self._rules = log or LogRules()
        self._receipts = Receipts(self._transport, self._rules)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    # Packets

    def publish(self, data: bytes, project: str | None = None, lease: Mapping[str, Any] | None = None) -> Json:
        """Publish a signed container. What fits into one part is sent at once, more in parts that resume after a lost
        connection or a broker's restart. Publishing is idempotent by packet id, so nothing is published twice.

        With a lease (``job``, ``fence``, ``session``) at once and only as long as it is held: `LeaseLost` otherwise.
        """
        return publish(self._transport, data, project, lease=lease)

    def begin_upload(self, digest: str, length: int) -> Json:
        """Begin an upload in parts, or find the open one of the same bytes; `publish` does all of it."""
        return begin(self._transport, digest, length)

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
        if warning := response.headers.get("Warning"):
            self.warn(f"packet {packet_id}: {warning_text(warning)}")
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
        yanked: bool = False,
        limit: int = 50,
    ) -> Iterator[Json]:
        """Packets, newest first, with ``yanked`` also those; asks for the next ``limit`` when the caller gets there.
        ``domain`` is a name or ``name@version``, ``teacher`` a name or the digest of its weights, ``q`` words; all
        filters must hold."""
        asked = {"name": name, "state": state, "domain": domain, "teacher": teacher, "tag": tag, "q": q}
        return self._items("/v1/packets", {**asked, "limit": limit, "yanked": "true" if yanked else None})

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

    def versions(self, name: str, *, yanked: bool = False) -> Sequence[Json]:
        """All versions of a name, newest first; with ``yanked`` also those."""
        path, params = f"/v1/names/{quote(name)}/versions", {"yanked": "true"} if yanked else {}
        found: Sequence[Json] = self._read(path, params)["items"]
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
        at = datetime.now(UTC).isoformat()  # also makes two reviews of one packet two statements
        said = {"decision": decision, "reason": reason, "at": at}
        envelope = attest(PacketId(packet_id), APPROVAL, said, self._key_needed())
        path, headers = f"/v1/packets/{quote(packet_id)}/reviews", {"Content-Type": ENVELOPE}
        response = self._transport.send("POST", path, content=envelope.to_bytes(), headers=headers, signed=True)
        return json_of(response)

    def _key_needed(self) -> PrivateKey:
        if self._key is None:
            raise RequestUnsigned("this call needs a key", hint="Give the client a private key of a registered agent.")
        return self._key

    def channel(self, name: str, channel: str) -> ChannelHead:
        """Where a channel leads, once all of this holds:

        1. the broker, whose key is trusted and counts now, signed it, and logged it (`SignatureError`, `LogError`);
        2. it is about this channel (`SignatureError`);
        3. it has not ended (`ChannelFrozen`);
        4. with a memory: it is not older than what was seen before (`ChannelRolledBack`).

        `ChannelUnusable` when the broker itself says that nobody should follow it.
        """
        path, what, brokers = channel_path(name, channel), f"the head of {name} {channel}", self.broker_keys()
        # 1.
        present = self._rules.counting(brokers)
        said = self._receipts.once_logged(lambda: read_said(self._transport.get(path), CHANNEL, present), what, brokers)
        # 2.
        head = ChannelHead.of(said, name, channel)
        # 3.
        head.require_fresh(self._rules.clock())
        # 4.
        origin = self._rules.origin or self._receipts.pinned(str(self.broker()["log_origin"]), present)
        remember(self._rules, origin, head)
        return head

    def wait_for_state(self, packet_id: str, states: Collection[str], timeout: float = 60.0) -> Json:
        """The packet, as soon as it is in one of ``states``; `Unavailable` after ``timeout`` seconds."""
        return self._wait(lambda: self.show(packet_id), states, timeout, f"packet {packet_id}")

    # The log

    def resource(self, path: str) -> bytes:
        """A static resource of the log: ``checkpoint``, ``tile/0/000``, ``tile/entries/000.p/7``. Not verified."""
        return self._transport.send("GET", f"/v1/log/{path}", signed=False).content

    def logged(self, said: Attestation, envelope: bytes, what: str) -> Attestation:
        """A verified statement, once it stands in the broker's log, as `verify` asks of receipts (`LogError`)."""
        entry = entry_of(Envelope.from_bytes(envelope).pae)
        return self._receipts.once_logged(lambda: Said(said, entry, self._inclusion(entry)), what, self.broker_keys())

    def _inclusion(self, entry: bytes) -> str | None:
        with suppress(NotLogged, NotFound):
            return self._transport.send("GET", f"/v1/log/proof/inclusion/{entry.hex()}", signed=False).text
        return None

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
