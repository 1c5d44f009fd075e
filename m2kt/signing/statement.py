"""in-toto Statement v1 (in-toto/attestation, spec/v1/statement.md) in DSSE envelopes.

Subjects are matched by digest alone; their names are for people. Statements are canonical JSON (RFC 8785), so their
predicates hold no floats: decimals are strings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from m2kt.errors import ManifestError, SignatureError
from m2kt.packet import PacketId, canonical, fields, rules
from m2kt.signing import dsse
from m2kt.signing.keys import KeyId, PrivateKey, TrustStore

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PACKET_PREDICATE = "urn:m2kt:packet:v1"
MAX_STATEMENT_BYTES = 5 * 2**20
MAX_SUBJECTS = 64


@dataclass(frozen=True)
class Subject:
    """What a statement is about: a name for people, and a ``sha256:<hex>`` digest that decides."""

    name: str
    digest: PacketId


@dataclass(frozen=True)
class Statement:
    """A predicate about one or more subjects."""

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        """Canonical JSON; `ManifestError` for a predicate that has no such form."""
        subjects = [_subject_to_dict(each) for each in self.subjects]
        if not subjects:
            rules.refuse("subjects", "a statement needs one", SignatureError)
        return canonical.dumps(
            {
                "_type": STATEMENT_TYPE,
                "subject": subjects,
                "predicateType": self.predicate_type,
                "predicate": dict(self.predicate),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Statement":
        """Parse strictly; `SignatureError` says what is not as in-toto v1 and this profile have it."""
        try:
            return cls._parse(data)
        except ManifestError as error:
            raise SignatureError(rules.inside("the statement", error)) from error

    @classmethod
    def _parse(cls, data: bytes) -> "Statement":
        value = canonical.loads(data, max_bytes=MAX_STATEMENT_BYTES)
        found = fields.exactly(value, ("_type", "subject", "predicateType", "predicate"), "the statement")
        if found["_type"] != STATEMENT_TYPE:
            rules.refuse("statement-type", f"the payload is no in-toto statement of type {STATEMENT_TYPE}")
        if not isinstance(found["predicate"], dict):
            rules.refuse("object", "the predicate must be one")
        subjects = fields.sequence(found["subject"], "subject", _read_subject, MAX_SUBJECTS)
        if not subjects:
            rules.refuse("subjects", "there must be one")
        return cls(subjects, fields.text(found["predicateType"], "predicateType"), found["predicate"])


def _subject_to_dict(subject: Subject) -> dict[str, Any]:
    digest = fields.digest(subject.digest, "a subject's digest")
    return {"name": subject.name, "digest": {"sha256": digest.removeprefix("sha256:")}}


def _read_subject(value: object, where: str) -> Subject:
    found = fields.exactly(value, ("name", "digest"), where)
    hexadecimal = fields.exactly(found["digest"], ("sha256",), f"{where}.digest")["sha256"]
    digest = fields.digest(f"sha256:{hexadecimal}", f"{where}.digest.sha256")
    return Subject(fields.text(found["name"], f"{where}.name", 512), PacketId(digest))


def check_about_one(statement: Statement, predicate_type: str) -> None:
    """Refuse a statement of another type, and one about several things."""
    if statement.predicate_type != predicate_type:
        rules.refuse(
            "predicate-type", f"it is {statement.predicate_type!r}, expected {predicate_type!r}", SignatureError
        )
    if len(statement.subjects) != 1:
        rules.refuse("subjects", "this statement must be about exactly one subject", SignatureError)


@dataclass(frozen=True)
class Attestation:
    """A verified statement about one subject, and the trusted keys that signed it."""

    subject: PacketId
    predicate: Mapping[str, Any]
    key_ids: tuple[KeyId, ...]


def attest(subject_id: PacketId, predicate_type: str, predicate: Mapping[str, Any], *keys: PrivateKey) -> dsse.Envelope:
    """A signed statement about one packet: a scan verdict, an approval, a receipt, an outcome."""
    statement = Statement((Subject(subject_id, subject_id),), predicate_type, predicate)
    return dsse.sign(PAYLOAD_TYPE, statement.to_bytes(), *keys)


def read_attestation(envelope_bytes: bytes, trust: TrustStore, predicate_type: str) -> Attestation:
    """The attestation in an envelope, once its signature, type and single subject are checked.

    The caller compares ``subject`` with the packet at hand.
    """
    verified = dsse.verify(dsse.Envelope.from_bytes(envelope_bytes), trust, PAYLOAD_TYPE)
    statement = Statement.from_bytes(verified.payload)
    check_about_one(statement, predicate_type)
    return Attestation(statement.subjects[0].digest, statement.predicate, verified.key_ids)
