"""A broker and its worker as processes of their own, for tests of programs that speak to them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from m2kt.client import Client
from m2kt.dev import Runtime
from m2kt.signing import PrivateKey, TrustStore
from m2kt.signing.keys import generate, load_private, load_public, write_private, write_public


@dataclass(frozen=True)
class Stack:
    """Where it is, and what its administrator has."""

    runtime: Runtime
    url: str
    admin: PrivateKey
    root: Path

    @property
    def trust(self) -> TrustStore:
        return TrustStore.from_directory(self.trusted)

    @property
    def trusted(self) -> Path:
        """Directory of public keys: the broker's, and those of `agent`."""
        return self.root / "trust"

    def client(self, key: PrivateKey | None = None) -> Client:
        return Client(self.url, key or self.admin, self.trust)

    def agent(self, name: str, role: str) -> Path:
        """A registered agent's private key file."""
        key = generate()
        write_private(self.root / f"{name}.key", key)
        if role == "teacher":
            write_public(self.trusted / f"{name}.pub", key.public_key())
        with self.client() as client:
            client.register_agent(name, role, key.public_key())
        return self.root / f"{name}.key"


@contextmanager
def stack(root: Path) -> Iterator[Stack]:
    """Everything up; down afterwards."""
    runtime = Runtime(root / "runtime")
    try:
        addresses = runtime.up()
        assert addresses.broker_url
        assert addresses.admin_key
        (root / "trust").mkdir()
        for name in ("broker", "worker"):
            write_public(root / "trust" / f"{name}.pub", load_public(runtime.layout.keys / f"{name}.pub"))
        yield Stack(runtime, addresses.broker_url, load_private(addresses.admin_key), root)
    finally:
        runtime.down()
