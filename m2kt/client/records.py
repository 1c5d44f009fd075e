"""What rows about keys and packets must say, derived from the statements in the log."""

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from cryptography.exceptions import InvalidSignature

from m2kt.client.client import Client
from m2kt.client.lifecycle_records import check_end, check_steps
from m2kt.client.predicates import APPROVAL, COMPLAINT, DETONATION, KEY, OUTCOME, RECEIPT, REVIEW, SCAN, STATE, SVR
from m2kt.client.result_records import check_results
from m2kt.client.statements import Said, Statements
from m2kt.client.transport import Json
from m2kt.errors import M2KTError
from m2kt.packet import PacketId, read_packet
from m2kt.signing.dsse import pae
from m2kt.signing.keys import KeyId, PublicKey, TrustStore, key_id, parse_public
from m2kt.signing.statement import PACKET_PREDICATE, PAYLOAD_TYPE, Statement, Subject
from m2kt.signing.validity import time_text

CLOCK_SECONDS = 60.0
"""How far a row's time may be from that of the statement made in the same transaction."""

_LIMITS = ("not_before", "not_after", "revoked")
_ROLES = {OUTCOME: ("student",), APPROVAL: ("reviewer",), COMPLAINT: ("teacher", "student", "worker")}


@dataclass(frozen=True)
class Holder:
    """Whose key it is, as the broker's latest statement in the log has it."""

    name: str
    role: str
    key: PublicKey


class KeyRecords:
    """Agents and their keys."""

    def __init__(self, statements: Statements, brokers: TrustStore) -> None:
        self._statements, self._brokers = statements, brokers
        self.holders: dict[str, Holder] = {}

    def check(self, agents: Iterable[Json], said: Iterable[Json]) -> None:
        latest = self._latest(said)
        rows = {str(key["key_id"]): (agent, key) for agent in agents for key in agent["keys"]}
        for key in sorted({*latest, *rows}):
            where = f"key {key}"
            if key not in latest:
                self._statements.report(where, "no logged statement says whose key it is")
            elif key not in rows:
                self._statements.report(where, f"it is missing: the log says that it is {latest[key]['name']}'s")
            else:
                self._compare(where, latest[key], *rows[key])
        for agent in agents_of(rows):
            self._check_present(agent)

    def _latest(self, said: Iterable[Json]) -> dict[str, Json]:
        """The last statement about each key, by its place in the log."""
        found: dict[str, Said] = {}
        for item in said:
            key = str(item["key_id"])
            each = self._statements.read(item, f"key statement {item['id']}", KEY, f"sha256:{key}", self._brokers)
            if each is not None and (key not in found or each.order >= found[key].order):
                found[key] = each
        for key, each in found.items():
            public = parse_public(str(each.predicate["public_key"]))
            self.holders[key] = Holder(str(each.predicate["name"]), str(each.predicate["role"]), public)
        return {key: dict(each.predicate) for key, each in found.items()}

    def _compare(self, where: str, said: Json, agent: Json, row: Json) -> None:
        public = str(row["public_key"])
        shown = {"name": agent["name"], "role": agent["role"], "public_key": public}
        if "project" in said:  # statements of older brokers do not say it
            shown["project"] = agent["project"]
        shown |= {name: time_text(datetime.fromisoformat(row[name])) for name in _LIMITS if row[name]}
        for name in (*shown, *(each for each in _LIMITS if each in said)):
            if shown.get(name) != said.get(name):
                self._statements.report(where, f"its {name} is {shown.get(name)}, the log says {said.get(name)}")
        if key_id(parse_public(public)) != row["key_id"]:
            self._statements.report(where, "its id is not that of its public key")
        if (agent["revoked_at"] is not None) != ("revoked" in said):
            self._statements.report(where, f"the agent {agent['name']} is revoked in one place and not in the other")

    def _check_present(self, agent: Json) -> None:
        if agent["keys"][-1]["key_id"] != agent["key_id"]:
            self._statements.report(f"agent {agent['name']}", "its present key is not the last that it was given")


def agents_of(rows: dict[str, tuple[Json, Json]]) -> list[Json]:
    """Each agent once."""
    return list({str(agent["name"]): agent for agent, _ in rows.values()}.values())


class PacketRecords:
    """Packets, their signatures and what was said about them; with ``puller``, their bytes."""

    def __init__(
        self,
        statements: Statements,
        brokers: TrustStore,
        holders: dict[str, Holder],
        trust: TrustStore,
        puller: Client | None,
    ) -> None:
        self._statements, self._brokers, self._holders = statements, brokers, holders
        self._trust, self._puller = trust, puller

    def check(self, row: Json, items: Iterable[Json]) -> Sequence[tuple[str, Said]]:
        """Returns the outcomes that were reported, each with the student's name, in order."""
        where = f"packet {row['packet_id']}"
        self._check_publication(where, row)
        read = [(item, each) for item in items if (each := self._read(row, item)) is not None]
        read.sort(key=lambda pair: pair[1].order)
        said = [each for _, each in read]
        self._check_state(where, row, said)
        check_steps(where, said, self._statements.report)
        check_end(where, row, said, self._statements.report)
        check_results(where, said, self._statements.report)
        self._check_receipt(where, row, [each for each in said if each.kind == RECEIPT])
        if self._puller is not None and row["state"] == "approved":
            self._check_content(where, row, self._puller)
        return [(self._name(str(item["signer"])), each) for item, each in read if each.kind == OUTCOME]

    def _name(self, key: str) -> str:
        holder = self._holders.get(key)
        return holder.name if holder else key

    def _read(self, row: Json, item: Json) -> Said | None:
        kind = str(item["predicate_type"])
        where = f"attestation {item['id']} of packet {row['packet_id']}"
        trust = self._brokers
        if kind in _ROLES:
            trust = TrustStore(each.key for each in self._holders.values() if each.role in _ROLES[kind])
        elif kind not in (RECEIPT, STATE, SCAN, SVR, DETONATION, REVIEW):
            self._statements.report(where, f"its type {kind} is not one that this auditor knows")
        return self._statements.read(item, where, kind, str(row["packet_id"]), trust)

    def _check_publication(self, where: str, row: Json) -> None:
        """The publisher's own statement, made again from the row: any other manifest, name or id has another entry."""
        manifest = row["manifest"]
        named = {name: manifest.get(name) for name in ("kind", "name", "version", "teacher")}
        named["domain"] = "@".join(str(manifest.get("domain", {}).get(part)) for part in ("name", "version"))
        for name, expected in named.items():
            if row[name] != expected:
                self._statements.report(where, f"its {name} is not that of its manifest")
        subject = Subject(f"{manifest.get('name')}@{manifest.get('version')}", PacketId(str(row["packet_id"])))
        try:
            message = pae(PAYLOAD_TYPE, Statement((subject,), PACKET_PREDICATE, manifest).to_bytes())
        except M2KTError as error:
            return self._statements.report(where, f"its manifest is none: {error.detail}")
        self._statements.claim(message, f"{where}, its manifest", str(row["created"]))
        self._check_signatures(where, row, message)

    def _check_signatures(self, where: str, row: Json, message: bytes) -> None:
        """By keys that the log knows or the auditor trusts; others (those that only the broker's settings name) are
        not checked."""
        known = {**self._trust, **{KeyId(name): each.key for name, each in self._holders.items()}}
        for each in row["signatures"]:
            key = known.get(KeyId(str(each["key_id"])))
            if key is None:
                continue
            try:
                key.verify(base64.b64decode(str(each["signature"]), validate=True), message)
            except (InvalidSignature, binascii.Error, ValueError):
                self._statements.report(
                    where, f"the signature of the key {each['key_id'][:16]} is not over this packet"
                )

    def _check_state(self, where: str, row: Json, said: Sequence[Said]) -> None:
        """The state is where the last statement left it; each began where the one before ended."""
        states = [each.predicate for each in said if each.kind == STATE]
        reached = ["received", *(str(each.get("to")) for each in states)]
        if any(each.get("from") != before for each, before in zip(states, reached, strict=False)):
            self._statements.report(where, "its statements of state do not follow one another: one is missing")
        if row["state"] != reached[-1]:
            self._statements.report(where, f"its state is {row['state']}, the log says {reached[-1]}")
        inconclusive = any("inconclusive" in each.predicate for each in said if each.kind == SCAN)
        expected = states[-1].get("reason") if states else None
        if row["reason"] != expected and not inconclusive:
            self._statements.report(where, "the reason of its state is not the one that was signed")
        if states:
            self._check_time(where, "state_changed", row, str(states[-1].get("at")))

    def _check_receipt(self, where: str, row: Json, receipts: Sequence[Said]) -> None:
        if not receipts:
            return self._statements.report(where, "no receipt for it is in the log")
        first, last = receipts[0].predicate, receipts[-1].predicate
        signers = sorted(str(each["key_id"]) for each in row["signatures"])
        pairs = {
            "name": (row["name"], last.get("name")),
            "version": (row["version"], last.get("version")),
            "content": (row["content"], last.get("content")),
            "signers": (signers, sorted(last.get("signers", ()))),
            "publisher": (row["publisher"], first.get("publisher")),
            "publisher_key": (row["publisher_key"], first.get("publisher_key")),
        }
        if "project" in last:
            pairs["project"] = (row["project"], last["project"])
        for name, (shown, expected) in pairs.items():
            if shown != expected:
                self._statements.report(where, f"its {name} is {shown}, the receipt in the log says {expected}")
        self._check_time(where, "created", row, str(first.get("at")))

    def _check_time(self, where: str, name: str, row: Json, said: str) -> None:
        apart = abs((datetime.fromisoformat(str(row[name])) - datetime.fromisoformat(said)).total_seconds())
        if apart > CLOCK_SECONDS:
            self._statements.report(where, f"its time {name} is {apart:.0f} s from what was signed")

    def _check_content(self, where: str, row: Json, puller: Client) -> None:
        """Its bytes: chunk by chunk they are what the receipt names."""
        data = puller.fetch(str(row["packet_id"]))
        digest = f"sha256:{sha256(data).hexdigest()}"
        if digest != row["content"] or len(data) != row["size"]:
            self._statements.report(f"{where}, its content", "the stored chunks are not what was received")
        elif read_packet(data).packet_id != row["packet_id"]:
            self._statements.report(f"{where}, its content", "the bytes are those of another packet")
