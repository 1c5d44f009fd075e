import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from m2kt.errors import DigestMismatch, ManifestError, TensorError
from m2kt.packet import Array, Manifest, Parts, build_packet, identity, read_packet, read_parts
from m2kt.packet.container import pack
from m2kt.packet.tensors import encode, zero_low_bits

Tensors = dict[str, Array]
Describe = Callable[..., Manifest]


def test_a_built_packet_reads_back(manifest: Manifest, tensors: Tensors) -> None:
    packet = build_packet(manifest, tensors)
    again = read_packet(pack(Parts(b"any envelope", packet.manifest_bytes, packet.tensor_bytes)))
    assert again.packet_id == packet.packet_id
    assert again.manifest == manifest
    assert {name: array.tolist() for name, array in again.tensors.items()} == {
        n: a.tolist() for n, a in tensors.items()
    }


def test_bytes_and_identity_are_the_golden_ones(
    manifest: Manifest, tensors: Tensors, golden: Callable[[str, bytes], None]
) -> None:
    packet = build_packet(manifest, tensors)
    golden("tensors.safetensors", packet.tensor_bytes)
    golden("packet_id.txt", packet.packet_id.encode() + b"\n")
    golden("leaves.jsonl", b"\n".join(identity.leaves(packet.manifest_bytes, manifest.tensors)) + b"\n")


def test_identity_depends_on_every_tensor_and_on_the_manifest(describe: Describe, tensors: Tensors) -> None:
    found = {build_packet(describe(), tensors).packet_id, build_packet(describe(licence="MIT"), tensors).packet_id}
    for name, array in tensors.items():
        changed = tensors | {name: (array + 1).astype(array.dtype)}
        found.add(build_packet(describe(tensors=changed), changed).packet_id)
    assert len(found) == 2 + len(tensors)


def test_every_tensor_is_proven_to_belong(manifest: Manifest, tensors: Tensors) -> None:
    packet = build_packet(manifest, tensors)
    for entry in manifest.tensors:
        proof = identity.prove_tensor(packet.manifest_bytes, manifest.tensors, entry.name)
        assert identity.verify_tensor(packet.packet_id, entry, proof) == entry
        with pytest.raises(DigestMismatch):
            identity.verify_tensor(packet.packet_id, replace(entry, sha256="sha256:" + "00" * 32), proof)
    with pytest.raises(DigestMismatch, match="no tensor"):
        identity.prove_tensor(packet.manifest_bytes, manifest.tensors, "concepts/none")


def test_a_tensor_more_or_less_than_the_table_is_refused(manifest: Manifest, tensors: Tensors) -> None:
    more = tensors | {"graph/extra": np.zeros(1, np.uint8)}
    fewer = {name: array for name, array in tensors.items() if name != "graph/templates"}
    for wrong in (more, fewer):
        with pytest.raises(DigestMismatch, match="differ in graph/"):
            build_packet(manifest, wrong)


@pytest.mark.parametrize(
    ("what", "array"),
    [
        ("sha256", np.array([[0, 2, 8]], np.int32)),
        ("shape", np.array([0, 2, 7], np.int32)),
        ("dtype", np.array([[0, 2, 7]], np.int64)),
    ],
)
def test_a_changed_tensor_is_refused(manifest: Manifest, tensors: Tensors, what: str, array: Array) -> None:
    with pytest.raises(DigestMismatch, match=f"^table: {what} of graph/templates"):
        read_parts(Parts(b"e", manifest.to_bytes(), encode(tensors | {"graph/templates": array})))


def test_low_bits_past_the_declared_precision_are_refused(describe: Describe, tensors: Tensors) -> None:
    loose = tensors | {"concepts/dispersion": np.array([0.1, 0.2], np.float32)}
    with pytest.raises(TensorError, match="mantissa"):
        build_packet(describe(tensors=loose), loose)
    tight = loose | {"concepts/dispersion": zero_low_bits(loose["concepts/dispersion"], 10)}
    build_packet(describe(tensors=tight), tight)


def test_the_manifest_must_be_canonical(manifest: Manifest, tensors: Tensors) -> None:
    with pytest.raises(ManifestError, match=r"^canonical:"):
        read_parts(Parts(b"e", manifest.to_bytes() + b"\n", encode(tensors)))


def test_packets_load_without_torch() -> None:
    code = "import m2kt.packet, m2kt.signing, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
