"""Vectors of the signed statement: all of them with a trusted key's valid signature."""

from collections.abc import Iterator
from dataclasses import replace

from bench.forge import MISSING, Forge, base
from tests.m2kt.vectors.corpus import OWNED, OWNER, Must, Vector


def but(path: str, value: object) -> Forge:
    """The packet with another statement."""
    return OWNED.statement_but(path, value)


def vectors() -> Iterator[Vector]:
    """Refused as ``signature-invalid`` or ``digest-mismatch``."""
    yield from _forms()
    yield from _contexts()
    yield from _bindings()


def _forms() -> Iterator[Vector]:
    must, subject = Must("statement", "signature-invalid"), OWNED.statement_value["subject"][0]
    yield must.refuse("missing-key", "no-predicate", but("predicate", MISSING))
    yield must.refuse("unknown-key", "more-keys", but("expires", "never"))
    yield must.refuse("statement-type", "version-0.1", but("_type", "https://in-toto.io/Statement/v0.1"))
    yield must.refuse("object", "predicate-is-list", but("predicate", []))
    yield must.refuse("list", "subject-is-object", but("subject", subject))
    yield must.refuse("object", "subject-is-text", but("subject", ["x"]))
    yield must.refuse("missing-key", "subject-without-name", but("subject.0.name", MISSING))
    yield must.refuse("missing-key", "subject-without-digest", but("subject.0.digest", {}))
    yield must.refuse("unknown-key", "second-digest", but("subject.0.digest.md5", "00"))
    yield must.refuse("pattern", "digest-in-capitals", but("subject.0.digest.sha256", OWNED.id.upper()))
    yield must.refuse("pattern", "digest-short", but("subject.0.digest.sha256", OWNED.id[:63]))
    yield must.refuse("text", "name-empty", but("subject.0.name", ""))
    yield must.refuse("text", "name-two-lines", but("subject.0.name", "a\nb"))
    yield must.refuse("text", "predicate-type-is-null", but("predicateType", None))


def _contexts() -> Iterator[Vector]:
    must, subject = Must("context", "signature-invalid"), OWNED.statement_value["subject"][0]
    yield must.refuse("predicate-type", "scan-verdict", but("predicateType", "urn:m2kt:scan:v1"))
    yield must.refuse("predicate-type", "packet-version-2", but("predicateType", "urn:m2kt:packet:v2"))
    yield must.refuse("subjects", "no-subject", but("subject", []))
    yield must.refuse("subjects", "two-subjects", but("subject", [subject, {**subject, "name": "a/c@1.0.0"}]))
    yield must.refuse("subjects", "subject-twice", but("subject", [subject, subject]))
    yield must.refuse("payload-type", "other-payload-type", replace(OWNED, payload_type="application/json"))
    yield must.refuse("payload-type", "type-with-parameter", replace(OWNED, payload_type=OWNED.payload_type + ";v=1"))


def _bindings() -> Iterator[Vector]:
    must, other = Must("binding", "digest-mismatch"), base(OWNER).but("version", "1.2.4")
    yield must.refuse("other-packet", "digest-of-another", but("subject.0.digest.sha256", "00" * 32))
    yield must.refuse("other-packet", "name-of-another", but("subject.0.name", "a/c@1.2.3"))
    yield must.refuse("other-packet", "version-of-another", but("subject.0.name", "a/b@1.2.4"))
    yield must.refuse("other-packet", "envelope-of-another", replace(OWNED, envelope_part=other.envelope_bytes))
    yield must.refuse("other-manifest", "predicate-of-another", but("predicate", other.manifest))
    yield must.refuse("other-manifest", "predicate-with-more", but("predicate.more", 1))
    yield must.refuse("other-manifest", "predicate-empty", but("predicate", {}))
    yield must.refuse("other-packet", "manifest-of-another", replace(OWNED, manifest_part=other.manifest_bytes,
                      statement=OWNED.statement_value))  # fmt: skip
