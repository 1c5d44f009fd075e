"""Everything that it takes to verify a packet without this broker, as one tar: streamed, never whole in memory."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

from sqlalchemy.orm import Session

from broker.models import Packet
from broker.services import attestations, packets, tlog
from broker.services.signers import Known
from broker.services.verification import Witness
from m2kt.signing.keys import PublicKey, key_id, public_text

SCRIPTS = ("verify_packet.py", "verify_receipt.py")
_README = """\
{reference}
{packet_id}

This bundle holds a packet and what its broker says about it. Two scripts verify it without the broker and without
M2KT; they need Python 3.11 and the package `cryptography` (pip install cryptography).

1. Read keys/broker.pub and compare it with the broker's key as you know it from elsewhere. A key that only this
   bundle names proves nothing.
2. The packet: its bytes, its identity, its signature.

       python verify_packet.py packet.m2kt{keys}

3. The broker's receipt for exactly these bytes, its place in the transparency log, the log's signed checkpoint.

       python verify_receipt.py . --key keys/broker.pub

   The receipt names the signers that counted: they are the keys of step 2.

What it does not prove: whether the packet was revoked after {at}. Ask the broker for that, or a student's feed.

packet.m2kt       the packet (docs/packet.md)
receipt.json      the broker's latest receipt, a DSSE envelope
proof.txt         that the receipt stands in the log (C2SP tlog-proof); empty while it waits
checkpoint.txt    the newest checkpoint of the log, a signed note
keys/             public keys: the broker's, former ones of it, and those of the packet's signers
"""


@dataclass(frozen=True)
class _File:
    name: str
    size: int
    pieces: Iterator[bytes]


def stream(session: Session, witness: Witness, packet: Packet) -> Iterator[bytes]:
    """The tar of a packet that the caller has found pullable. What the session is needed for happens now; the packet's
    bytes follow while it is sent."""
    receipt = attestations.receipt(session, packet.packet_id)
    proof = attestations.proof_text(session, receipt) or ""
    small = {
        **_keys(session, witness, packet),
        "receipt.json": receipt.envelope,
        "proof.txt": proof.encode(),
        "checkpoint.txt": tlog.published(session).note.encode(),
        **{name: script(name) for name in SCRIPTS},
    }
    signers = "".join(f" --key {name}" for name in sorted(small) if name.startswith("keys/signer"))
    told = {"reference": f"{packet.name}@{packet.version}", "packet_id": packet.packet_id, "keys": signers}
    small["README.txt"] = _README.format(**told, at=receipt.created.isoformat()).encode()
    listed = [_File(name, len(data), iter([data])) for name, data in sorted(small.items())]
    listed.append(_File("packet.m2kt", packet.size, packets.stream(session, witness.store, packet, 0, packet.size)))
    root = f"m2kt-{packet.packet_id.removeprefix('sha256:')[:16]}"
    return _tar(root, listed, receipt.created)


def script(name: str) -> bytes:
    """A verifier as deploy/ has it; packaged with the broker under another ending."""
    return files("broker.services").joinpath("bundled", f"{name}.txt").read_bytes()


def _keys(session: Session, witness: Witness, packet: Packet) -> dict[str, bytes]:
    ids = [each.key_id for each in packets.signatures(session, [packet.packet_id])[packet.packet_id]]
    keeper = witness.keeper
    found = {"keys/broker.pub": _line(keeper.key.public_key())}
    found |= {f"keys/former-broker-{key_id(each)[:16]}.pub": _line(each) for each in keeper.former}
    trust = Known(session, ids, witness.standing, ()).trust(*ids)
    return found | {f"keys/signer-{name[:16]}.pub": _line(each) for name, each in trust.items()}


def _line(key: PublicKey) -> bytes:
    return f"{public_text(key)}\n".encode()


def _tar(root: str, listed: list[_File], at: datetime) -> Iterator[bytes]:
    """POSIX ustar: every file behind its header, filled up to blocks of 512 bytes, two empty ones at the end."""
    for each in listed:
        entry = tarfile.TarInfo(f"{root}/{each.name}")
        entry.size, entry.mtime, entry.mode = each.size, int(at.timestamp()), 0o644
        yield entry.tobuf(tarfile.USTAR_FORMAT)
        yield from each.pieces
        yield b"\0" * (-each.size % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)
