"""What a tier of the scan policy makes of a packet: for those who ask for more than that the broker approved it."""

import base64
import binascii
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from m2kt.client.client import Client
from m2kt.client.predicates import APPROVAL, KEY, SCAN, STATE
from m2kt.client.transport import Json
from m2kt.errors import BrokerAway, SignatureError, TierNotCleared
from m2kt.signing.keys import PublicKey, TrustStore, parse_public
from m2kt.signing.statement import Attestation, read_attestation
from m2kt.signing.validity import Validity, parse_time

LIMITS = ("not_before", "not_after", "revoked")


@dataclass(frozen=True)
class Clearance:
    """A tier lets a packet through: by itself (``approve``), or ``review`` with enough ``reviewers``."""

    tier: str
    decision: str
    reviewers: tuple[str, ...]
    expires: str
    policy: str


@dataclass(frozen=True)
class Holder:
    """Whose key it is, as the broker's last logged statement about it has it."""

    name: str
    role: str
    key: PublicKey
    validity: Validity


def clearance(client: Client, packet_id: str, tier: str, now: datetime | None = None) -> Clearance:
    """That ``tier`` clears a packet, once all of this holds; `TierNotCleared` says which does not:

    1. the broker's last verdict about the packet is signed by it and stands in its log (`SignatureError`, `LogError`);
    2. it passed, and has not expired;
    3. it says what ``tier`` decides: ``approve``, and that is enough; or ``review``;
    4. then as many reviewers as the policy asks for, one at least, have signed an approval that stands in the log,
       since the packet was quarantined last: different people, none of whom published or signed it, by keys that count
       now.
    """
    now, brokers = now or datetime.now(UTC), client.broker_keys()
    items = list(client.attestations(packet_id))
    # 1.
    verdict = _verdict(client, items, packet_id, brokers)
    # 2.
    expires = str(verdict.get("expires", ""))
    if not verdict.get("passed") or not _before(now, expires):
        raise TierNotCleared(f"no verdict that counts is there for packet {packet_id}")
    # 3.
    decision = str(verdict.get("tiers", {}).get(tier, "nothing"))
    if decision not in ("approve", "review"):
        raise TierNotCleared(f"the scan's tier {tier!r} decided {decision} about packet {packet_id}")
    # 4.
    agreed: tuple[str, ...] = ()
    if decision == "review":
        asked = max(1, int(verdict.get("approvals", {}).get(tier, 1)))
        agreed = tuple(sorted(_reviewers(client, items, packet_id, now)))
        if len(agreed) < asked:
            told = f"{len(agreed)} of {asked} reviewers have approved packet {packet_id}"
            raise TierNotCleared(f"{told}, about which the scan's tier {tier!r} decided review")
    return Clearance(tier, decision, agreed, expires, str(verdict.get("policy", "")))


def _verdict(client: Client, items: Sequence[Json], packet_id: str, brokers: TrustStore) -> Mapping[str, Any]:
    """The last scan that came to an end; one that broke decides nothing."""
    found = [_read(each, packet_id, SCAN, brokers) for each in items if each["predicate_type"] == SCAN]
    ended = [each for each in found if "inconclusive" not in each[0].predicate]
    if not ended:
        raise TierNotCleared(f"no scan of packet {packet_id} has come to an end")
    said, envelope = ended[-1]
    return client.logged(said, envelope, f"the verdict about packet {packet_id}").predicate


def _before(now: datetime, expires: str) -> bool:
    try:
        return now < datetime.fromisoformat(expires)
    except (ValueError, TypeError):
        return False


def _reviewers(client: Client, items: Sequence[Json], packet_id: str, now: datetime) -> set[str]:
    """Names of those whose approval counts."""
    waiting = _approvals(items, packet_id, client.broker_keys())
    receipt = client.receipt(packet_id).predicate
    holders = _holders(client, {*(str(each["signer"]) for each in waiting), *receipt.get("signers", ())})
    involved = {holders[each].name for each in receipt.get("signers", ()) if each in holders}
    involved.add(str(receipt.get("publisher")))
    agreed: set[str] = set()
    for each in waiting:
        holder = holders.get(str(each["signer"]))
        if holder is None or holder.role != "reviewer" or holder.name in involved | agreed:
            continue
        said, envelope = _read(each, packet_id, APPROVAL, TrustStore([holder.key]))
        if said.predicate.get("decision") == "approve" and holder.validity.fault(now) is None:
            client.logged(said, envelope, f"{holder.name}'s approval of packet {packet_id}")
            agreed.add(holder.name)
    return agreed


def _approvals(items: Sequence[Json], packet_id: str, brokers: TrustStore) -> list[Json]:
    """Reviews since the packet was quarantined last."""
    found: list[Json] = []
    for each in items:
        if each["predicate_type"] == APPROVAL:
            found.append(each)
        elif each["predicate_type"] == STATE:
            said, _ = _read(each, packet_id, STATE, brokers)
            found = [] if said.predicate.get("to") == "quarantined" else found
    return found


def _holders(client: Client, keys: Collection[str]) -> dict[str, Holder]:
    """Whose these keys are."""
    brokers, last = client.broker_keys(), {}
    for each in client.key_statements():
        key = str(each["key_id"])
        if key in keys:
            last[key] = _read(each, f"sha256:{key}", KEY, brokers)
    return {
        key: _holder(client.logged(said, envelope, f"the statement about the key {key[:16]}"))
        for key, (said, envelope) in last.items()
    }


def _holder(said: Attestation) -> Holder:
    told = said.predicate
    limits = {name: parse_time(str(told[name])) for name in LIMITS if name in told}
    return Holder(str(told["name"]), str(told["role"]), parse_public(str(told["public_key"])), Validity(**limits))


def _read(item: Json, subject: str, kind: str, trust: TrustStore) -> tuple[Attestation, bytes]:
    """A listed statement that is what it is listed as."""
    try:
        data = base64.b64decode(str(item["envelope"]), validate=True)
    except (KeyError, binascii.Error, ValueError) as error:
        raise BrokerAway("a statement is not as a broker writes it") from error
    said = read_attestation(data, trust, kind)
    if said.subject != subject:
        raise SignatureError(f"a statement that is listed under {subject} is about {said.subject}")
    return said, data
