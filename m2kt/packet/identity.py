"""The identity of a packet: the root of an RFC 6962 Merkle tree over its tensors and its manifest.

Not a digest of the container's bytes: a packet keeps its identity when it gains signatures, and a reader of one tensor
can prove that the tensor belongs to the packet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from m2kt.errors import DigestMismatch
from m2kt.packet import canonical, merkle
from m2kt.packet.manifest import PacketId, TensorEntry


@dataclass(frozen=True)
class InclusionProof:
    """Where a leaf stands among ``size`` leaves, and the hashes from it to the root."""

    index: int
    size: int
    hashes: tuple[bytes, ...]


def tensor_leaf(entry: TensorEntry) -> bytes:
    """Canonical ``{dtype, name, section, sha256, shape}``."""
    return canonical.dumps(entry.to_dict())


def manifest_leaf(manifest_bytes: bytes) -> bytes:
    """Canonical ``{name, section, sha256}``; no tensor can have the section ``manifest``."""
    digest = f"sha256:{sha256(manifest_bytes).hexdigest()}"
    return canonical.dumps({"name": "manifest", "section": "manifest", "sha256": digest})


def leaves(manifest_bytes: bytes, entries: Sequence[TensorEntry]) -> list[bytes]:
    """The tensors' leaves in name order, then the manifest's."""
    ordered = sorted(entries, key=lambda entry: entry.name)
    return [*map(tensor_leaf, ordered), manifest_leaf(manifest_bytes)]


def _hashes(manifest_bytes: bytes, entries: Sequence[TensorEntry]) -> list[bytes]:
    return [merkle.leaf_hash(leaf) for leaf in leaves(manifest_bytes, entries)]


def packet_id(manifest_bytes: bytes, entries: Sequence[TensorEntry]) -> PacketId:
    """``sha256:`` and the Merkle root in hexadecimal."""
    return PacketId(f"sha256:{merkle.root(_hashes(manifest_bytes, entries)).hex()}")


def prove_tensor(manifest_bytes: bytes, entries: Sequence[TensorEntry], name: str) -> InclusionProof:
    """Proof that tensor ``name`` belongs to the packet; `DigestMismatch` when the table has no such tensor."""
    names = sorted(entry.name for entry in entries)
    if name not in names:
        raise DigestMismatch(f"the packet has no tensor {name!r}")
    index, hashes = names.index(name), _hashes(manifest_bytes, entries)
    return InclusionProof(index, len(hashes), tuple(merkle.inclusion_proof(hashes, index)))


def verify_tensor(expected: PacketId, entry: TensorEntry, proof: InclusionProof) -> TensorEntry:
    """``entry``, proven to belong to packet ``expected``; the caller compares its digest with the bytes it has."""
    root = bytes.fromhex(expected.removeprefix("sha256:"))
    leaf = merkle.leaf_hash(tensor_leaf(entry))
    merkle.verify_inclusion(leaf, proof.index, proof.size, proof.hashes, root)
    return entry
