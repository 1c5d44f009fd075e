from pathlib import Path

import pytest

from m2kt.packet import Packet, Parts, read_parts
from m2kt.signing import PrivateKey, TrustStore, sign_packet

VECTORS = Path(__file__).parent.parent / "packet" / "vectors"


@pytest.fixture(scope="session")
def packet() -> Packet:
    """The packet of the golden vectors."""
    manifest, tensors = (VECTORS / "manifest.json").read_bytes(), (VECTORS / "tensors.safetensors").read_bytes()
    return read_parts(Parts(b"none", manifest, tensors))


@pytest.fixture(scope="session")
def key() -> PrivateKey:
    return PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture(scope="session")
def other_key() -> PrivateKey:
    return PrivateKey.from_private_bytes(bytes(range(32, 64)))


@pytest.fixture(scope="session")
def trust(key: PrivateKey) -> TrustStore:
    return TrustStore.of([key.public_key()])


@pytest.fixture(scope="session")
def signed(packet: Packet, key: PrivateKey) -> bytes:
    return sign_packet(packet, key)
