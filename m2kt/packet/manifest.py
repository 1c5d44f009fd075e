"""The manifest of a packet: frozen dataclasses to and from canonical bytes (docs/packet.md, *Manifest*).

An instance is valid or does not exist: every rule is checked when it is made, whether by a program or from bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, NewType

from m2kt.errors import ManifestError, TensorError
from m2kt.packet import canonical
from m2kt.packet import fields as rule
from m2kt.packet import tensors as tensor_format
from m2kt.packet.rules import refuse
from m2kt.packet.tensors import Array

PacketId = NewType("PacketId", str)
"""``sha256:`` and 64 hexadecimal digits: the Merkle root of `m2kt.packet.identity`."""

SCHEMA = "m2kt.packet/1"
MAX_MANIFEST_BYTES = 4 * 2**20
MAX_SYMBOLS = 65_536
MAX_LEADS = 4096
MAX_PARENTS = 64


class PacketKind(StrEnum):
    """What a packet carries."""

    KNOWLEDGE = "knowledge"
    ANCHORS = "anchors"
    EXCHANGE = "exchange"
    AGGREGATE = "aggregate"


_KNOWLEDGE = frozenset({"concepts", "symbols", "saliency", "attention", "graph"})
SECTIONS: Mapping[PacketKind, frozenset[str]] = {
    PacketKind.KNOWLEDGE: _KNOWLEDGE,
    PacketKind.AGGREGATE: _KNOWLEDGE,
    PacketKind.ANCHORS: frozenset({"anchors", "symbols"}),
    PacketKind.EXCHANGE: frozenset({"exchange"}),
}
"""Which sections the tensors of a kind may stand in."""


def _set(instance: object, **checked: object) -> None:
    """Store checked values in a frozen instance; only for ``__post_init__``."""
    for key, value in checked.items():
        object.__setattr__(instance, key, value)


@dataclass(frozen=True)
class DomainRef:
    """The domain whose prompts the teacher answered."""

    name: str
    version: str

    def __post_init__(self) -> None:
        rule.name(self.name, "domain.name")
        rule.version(self.version, "domain.version")


@dataclass(frozen=True)
class Teacher:
    """The model that the knowledge comes from. ``parameters`` counts its weights."""

    name: str
    family: str
    base_family: str
    parameters: int
    weights_sha256: str
    tokenizer_sha256: str

    def __post_init__(self) -> None:
        rule.text(self.name, "teacher.name")
        rule.key(self.family, "teacher.family")
        rule.key(self.base_family, "teacher.base_family")
        rule.count(self.parameters, "teacher.parameters", 1)
        rule.digest(self.weights_sha256, "teacher.weights_sha256")
        rule.digest(self.tokenizer_sha256, "teacher.tokenizer_sha256")


@dataclass(frozen=True)
class Extraction:
    """How the knowledge was taken out of the teacher."""

    operator: str
    settings: Mapping[str, str | int]
    seed: int

    def __post_init__(self) -> None:
        rule.key(self.operator, "extraction.operator")
        _set(self, settings=rule.mapping(self.settings, "extraction.settings", rule.setting))
        rule.count(self.seed, "extraction.seed")


@dataclass(frozen=True)
class TensorEntry:
    """One row of the tensor table; ``sha256`` is over the tensor's stored bytes."""

    name: str
    section: str
    dtype: str
    shape: tuple[int, ...]
    sha256: str

    def __post_init__(self) -> None:
        where = "a tensor's"
        try:
            tensor_format.check_name(self.name)
            tensor_format.check_shape(self.shape, self.name)
        except TensorError as error:
            raise ManifestError(error.detail) from error
        _set(self, shape=tuple(self.shape))
        if self.section != self.name.split("/")[0]:
            refuse("section", f"{self.name} does not start with its section")
        if self.dtype not in tuple(tensor_format.DTYPES):
            refuse("dtype", f"{where} dtype must be one of {', '.join(tensor_format.DTYPES)}")
        rule.digest(self.sha256, f"{where} sha256")

    @classmethod
    def of(cls, name: str, array: Array) -> "TensorEntry":
        """The row that describes ``array``."""
        dtype = tensor_format.dtype_code(array)
        return cls(name, name.split("/")[0], dtype, array.shape, tensor_format.digest(array))

    def to_dict(self) -> dict[str, Any]:
        """JSON form, which is also the tensor's Merkle leaf."""
        return _plain_fields(self)


@dataclass(frozen=True)
class Manifest:
    """Everything a packet says about itself. Numbers with a point are decimal strings; sizes are counts."""

    kind: PacketKind
    name: str
    version: str
    created: str
    domain: DomainRef
    teacher: Teacher
    extraction: Extraction
    confidence: Mapping[str, str]
    coverage: Mapping[str, str]
    licence: str
    parents: tuple[PacketId, ...]
    precision: Mapping[str, int]
    ledger: Mapping[str, int]
    symbols: tuple[str, ...]
    leads: tuple[str, ...]
    tensors: tuple[TensorEntry, ...]
    schema: str = SCHEMA

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            refuse("schema", f"this version reads {SCHEMA} only")
        rule.name(self.name, "name")
        rule.version(self.version, "version")
        rule.created(self.created, "created")
        rule.text(self.licence, "licence")
        self._check_maps()
        self._check_lists()
        self._check_tensors()

    def _check_maps(self) -> None:
        _set(
            self,
            confidence=rule.mapping(self.confidence, "confidence", rule.decimal),
            coverage=rule.mapping(self.coverage, "coverage", rule.text),
            ledger=rule.mapping(self.ledger, "ledger", rule.count),
            precision=rule.mapping(self.precision, "precision", rule.count, tensor_format.MAX_TENSORS),
        )

    def _check_lists(self) -> None:
        parents = rule.sequence(self.parents, "parents", rule.digest, MAX_PARENTS)
        if len(set(parents)) != len(parents):
            refuse("parents", "one parent is named twice")
        symbols = rule.sequence(self.symbols, "symbols", rule.token, MAX_SYMBOLS)
        leads = rule.sequence(self.leads, "leads", rule.token, MAX_LEADS)
        _set(self, parents=parents, symbols=symbols, leads=leads)

    def _check_tensors(self) -> None:
        names = [entry.name for entry in self.tensors]
        if names != sorted(set(names)) or not 1 <= len(names) <= tensor_format.MAX_TENSORS:
            refuse("tensors", f"1 to {tensor_format.MAX_TENSORS} tensors in name order, each once")
        for entry in self.tensors:
            if entry.section not in SECTIONS[self.kind]:
                refuse("section", f"a packet of kind {self.kind} has no section {entry.section!r}")
        widths = {entry.name: tensor_format.MANTISSA_BITS.get(entry.dtype) for entry in self.tensors}
        floats = {name: width for name, width in widths.items() if width is not None}
        if set(self.precision) != set(floats):
            refuse("precision", "it must name every float tensor, and no other")
        for name, bits in self.precision.items():
            rule.count(bits, f"precision.{name}", most=floats[name])

    @property
    def reference(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"

    @classmethod
    def describe(
        cls,
        *,
        kind: PacketKind,
        name: str,
        version: str,
        created: str,
        domain: DomainRef,
        teacher: Teacher,
        extraction: Extraction,
        licence: str,
        tensors: Mapping[str, Array],
        ledger: Mapping[str, int],
        confidence: Mapping[str, str] | None = None,
        coverage: Mapping[str, str] | None = None,
        parents: tuple[PacketId, ...] = (),
        precision: Mapping[str, int] | None = None,
        symbols: tuple[str, ...] = (),
        leads: tuple[str, ...] = (),
    ) -> "Manifest":
        """The manifest of ``tensors``, whose table and digests it fills in.

        A float tensor that ``precision`` does not name is declared with all mantissa bits of its dtype.
        """
        full = {each: tensor_format.MANTISSA_BITS.get(tensor_format.dtype_code(tensors[each])) for each in tensors}
        declared = {each: bits for each, bits in full.items() if bits is not None} | dict(precision or {})
        return cls(
            kind=kind,
            name=name,
            version=version,
            created=created,
            domain=domain,
            teacher=teacher,
            extraction=extraction,
            confidence=confidence or {},
            coverage=coverage or {},
            licence=licence,
            parents=parents,
            precision=declared,
            ledger=ledger,
            symbols=symbols,
            leads=leads,
            tensors=tuple(TensorEntry.of(each, tensors[each]) for each in sorted(tensors)),
        )

    def to_bytes(self) -> bytes:
        """Canonical bytes (RFC 8785), at most 4 MiB."""
        data = canonical.dumps(_plain_fields(self))
        if len(data) > MAX_MANIFEST_BYTES:
            refuse("size", f"{len(data)} bytes, the limit is {MAX_MANIFEST_BYTES}")
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """Parse and check; `ManifestError` starts with the name of the first rule that is broken."""
        value = canonical.loads(data, max_bytes=MAX_MANIFEST_BYTES)
        if value.get("schema", SCHEMA) != SCHEMA:  # first, because another version may well have other keys
            refuse("schema", f"this version reads {SCHEMA} only")
        found = rule.exactly(value, _keys(cls), "the manifest")
        if found["kind"] not in tuple(PacketKind):
            refuse("kind", f"must be one of {', '.join(PacketKind)}")
        parts = {
            "kind": PacketKind(found["kind"]),
            "domain": _read(DomainRef, found["domain"], "domain"),
            "teacher": _read(Teacher, found["teacher"], "teacher"),
            "extraction": _read(Extraction, found["extraction"], "extraction"),
            "tensors": rule.sequence(found["tensors"], "tensors", _read_entry, tensor_format.MAX_TENSORS),
        }
        return cls(**{**found, **parts})


def _keys(cls: Any) -> list[str]:
    return [each.name for each in fields(cls)]


def _read(cls: Any, value: object, where: str) -> Any:
    return cls(**rule.exactly(value, _keys(cls), where))


def _read_entry(value: object, where: str) -> TensorEntry:
    return TensorEntry(**rule.exactly(value, _keys(TensorEntry), where))


def _plain_fields(instance: Any) -> dict[str, Any]:
    return {each.name: _plain(getattr(instance, each.name)) for each in fields(instance)}


def _plain(value: Any) -> Any:
    """Dataclasses and mappings as dicts, tuples as lists."""
    if hasattr(value, "__dataclass_fields__"):
        return _plain_fields(value)
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
