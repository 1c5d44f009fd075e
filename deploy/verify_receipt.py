"""Verify a broker's receipt for an M2KT packet offline (docs/log.md): no code of M2KT, only `cryptography`.

Usage: python verify_receipt.py DIRECTORY --key BROKER_KEY, with packet.m2kt, receipt.json and proof.txt in DIRECTORY
and verify_packet.py beside this script. Exit 0: the broker signed a receipt for exactly these bytes, and it stands in
the log whose checkpoint the same broker signed. 1: refused, and why. 2: nothing was looked at.
"""

import argparse
import base64
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from verify_packet import MIB, SIGNED, STATEMENT, Refused, check, need, parts, read_json, read_key, verified

LOGGED = "log-proof-invalid"
CHECKPOINT = "checkpoint-invalid"


def receipt_of(envelope: bytes, key: Ed25519PublicKey) -> tuple[dict[str, Any], bytes]:
    """The statement that the broker signed, and its entry in the log."""
    payload, _ = verified(envelope, {sha256(key.public_bytes_raw()).hexdigest(): key})
    statement = read_json(payload, SIGNED, 5 * MIB)
    check(statement, STATEMENT, SIGNED)
    need(statement["predicateType"] == "urn:m2kt:receipt:v1", SIGNED, "predicate-type")
    need(len(statement["subject"]) == 1, SIGNED, "subjects")
    message = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)
    return statement, sha256(message).digest()


def read_proof(text: str) -> tuple[int, list[bytes], str]:
    """Index, path and note of a C2SP tlog-proof."""
    head, _, note = text.partition("\n\n")
    magic, *lines = head.split("\n")
    need(magic == "c2sp.org/tlog-proof@v1" and lines and lines[0].startswith("index "), LOGGED, "proof")
    index = lines[0].removeprefix("index ")
    need(index.isascii() and index.isdigit() and len(index) < 19, LOGGED, "index")
    return int(index), [base64.b64decode(each, validate=True) for each in lines[1:]], note


def root_of(entry: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """RFC 9162, 2.1.3.2."""
    need(index < size, LOGGED, "index")
    node, last = sha256(b"\0" + entry).digest(), size - 1
    for sibling in path:
        need(last, LOGGED, "path")
        if index % 2 or index == last:
            node = sha256(b"\1" + sibling + node).digest()
            while index and index % 2 == 0:
                index, last = index // 2, last // 2
        else:
            node = sha256(b"\1" + node + sibling).digest()
        index, last = index // 2, last // 2
    need(last == 0, LOGGED, "path")
    return node


def read_checkpoint(note: str, key: Ed25519PublicKey) -> tuple[str, int, bytes]:
    """Origin, size and root, once the broker's key signed them plainly (C2SP signed-note, type 1)."""
    text, _, lines = note.rpartition("\n\n")
    signed = f"{text}\n"
    need(signed.count("\n") == 3, CHECKPOINT, "lines")
    origin, size, root = text.split("\n")
    raw = key.public_bytes_raw()
    hash_ = sha256(origin.encode() + b"\n\x01" + raw).digest()[:4]
    for line in lines.splitlines():
        _, name, encoded = line.split(" ")
        data = base64.b64decode(encoded, validate=True)
        if name == origin and data[:4] == hash_:
            with suppress(InvalidSignature):
                key.verify(data[4:], signed.encode())
                return origin, int(size), base64.b64decode(root, validate=True)
    raise Refused(CHECKPOINT, "signature")


def verify(data: bytes, envelope: bytes, proof: str, key: Ed25519PublicKey) -> dict[str, Any]:
    """What the receipt says of these bytes, once its signature, its place in the log and the checkpoint hold."""
    parts(data)
    statement, entry = receipt_of(envelope, key)
    said = statement["predicate"]
    need(said.get("content") == f"sha256:{sha256(data).hexdigest()}", "digest-mismatch", "other-bytes")
    need(proof, LOGGED, "not-logged")
    try:
        index, path, note = read_proof(proof)
        origin, size, root = read_checkpoint(note, key)
    except ValueError as error:
        raise Refused(LOGGED, "proof") from error
    need(root_of(entry, index, size, path) == root, LOGGED, "root")
    subject = f"sha256:{statement['subject'][0]['digest']['sha256']}"
    return {"packet_id": subject, "origin": origin, "index": index, "size": size, **said}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Verify a broker's receipt for a packet (docs/log.md).")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--key", required=True, type=read_key, help="the broker's: ed25519:<base64>, or its file")
    options = parser.parse_args(arguments)
    try:
        data = (options.directory / "packet.m2kt").read_bytes()
        envelope = (options.directory / "receipt.json").read_bytes()
        proof = (options.directory / "proof.txt").read_text()
        found = verify(data, envelope, proof, options.key)
    except OSError as error:
        parser.error(str(error))
    except Refused as refused:
        parser.exit(1, "refused: {}: {}\n".format(*refused.args))
    print(f"receipt holds: {found['packet_id']}, received {found['at']}, signers {' '.join(found['signers'])}")
    print(f"logged: {found['origin']}, leaf {found['index']} of {found['size']}")


if __name__ == "__main__":
    main()
