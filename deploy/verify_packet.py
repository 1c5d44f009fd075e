"""Verify an M2KT packet with the standard library and `cryptography` only, as docs/packet.md says: no code of M2KT.

Usage: python verify_packet.py FILE --key PUB [--key PUB ...], where PUB is ed25519:<base64> or a file that holds it.
Exit 0: accepted. 1: refused, for the class and rule named. 2: nothing was looked at (arguments, keys, file).
"""

import argparse
import base64
import json
import re
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MIB, MAX_INT, PRIME, RANGE = 2**20, 2**53 - 1, 2**255 - 19, "integer-range"
ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
CONTAINER, LARGE, SIGNED = "container-invalid", "too-large", "signature-invalid"
WRITTEN, STORED, BOUND = "manifest-invalid", "tensor-invalid", "digest-mismatch"
SIZES, MANTISSAS = {"F16": 2, "F32": 4, "I32": 4, "I64": 8, "U8": 1}, {"F16": 10, "F32": 23}
SECTIONS = {"anchors": {"anchors", "symbols"}, "exchange": {"exchange"}}
SECTIONS["knowledge"] = SECTIONS["aggregate"] = {"concepts", "symbols", "saliency", "attention", "graph"}
LAST = "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
FORBIDDEN = re.compile(f"[\0\ud800-\udfff\ufdd0-\ufdef{LAST}]")


class Refused(Exception):
    """The packet is not accepted, and why: a class of docs/packet.md and the rule that is broken."""


def need(holds: object, group: str, rule: str) -> Any:
    if not holds:
        raise Refused(group, rule)


def read_json(data: bytes, group: str, limit: int, depth: int = 32) -> Any:
    """Canonical JSON; the numbers are those of the section."""
    need(len(data) <= limit, group, "size")  # 1
    need(not data.startswith(b"\xef\xbb\xbf"), group, "byte-order-mark")  # 2
    decoder = json.JSONDecoder(
        object_pairs_hook=lambda all: dict(all) if len(dict(all)) == len(all) else need(False, group, "duplicate-key"),
        parse_int=lambda each: int(each) if len(each) < 18 and abs(int(each)) <= MAX_INT else need(False, group, RANGE),
        parse_float=lambda _: need(False, group, "float"),
        parse_constant=lambda _: need(False, group, "float"),
    )
    opened = tokens = 0
    try:
        for each in re.sub(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', '"', text := data.decode(), flags=re.DOTALL):  # 3
            opened += (each in "[{") - (each in "]}")
            tokens += each in '[]{},"'
            need(opened <= depth, group, "depth")
            need(tokens <= 2**19, group, "tokens")
        value = decoder.decode(text)  # 4
    except ValueError as error:
        need(False, group, "utf-8" if isinstance(error, UnicodeDecodeError) else "json")
    need(isinstance(value, dict), group, "object")  # 5
    need(canonical(value, group) == data, group, "canonical")  # 6, 7
    return value


def canonical(value: Any, group: str = BOUND) -> bytes:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return b"{%b}" % b",".join(canonical(key, group) + b":" + canonical(value[key], group) for key in keys)
    if isinstance(value, list):
        return b"[%b]" % b",".join(canonical(each, group) for each in value)
    need(not (isinstance(value, str) and FORBIDDEN.search(value)), group, "text")
    return json.dumps(value, ensure_ascii=False).encode()


class Form(NamedTuple):  # a text of a pattern, a list of members of one form, or a dict of such members under keys
    kind: Any
    inner: Any
    most: int = 128
    rule: str = "pattern"


def check(value: Any, form: Any, group: str) -> None:
    """Refuse a value that has not the form: a `Form`, a range of integers, or an object with exactly some keys."""
    if isinstance(form, Form):
        fits = isinstance(value, form.kind) and len(value) <= form.most
        need(fits and (form.kind is not str or re.fullmatch(form.inner, value, re.DOTALL)), group, form.rule)
        for each in value if form.kind is not str else ():
            check(each, KEY if form.kind is dict else form.inner, group)
        for each in value.values() if form.kind is dict else ():
            check(each, form.inner, group)
    elif isinstance(form, range):
        need(type(value) is int and value in form, group, "count")
    elif isinstance(form, tuple):
        check(value, form[isinstance(value, str)], group)
    elif isinstance(form, dict):
        need(isinstance(value, dict), group, "object")
        need(form.keys() <= value.keys(), group, "missing-key")
        need(form.keys() >= value.keys(), group, "unknown-key")
        for key in form:
            check(value[key], form[key], group)


NUMBER, TAG = r"(0|[1-9][0-9]{0,8})", r"(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
VERSION = Form(str, rf"{NUMBER}(\.{NUMBER}){{2}}(-{TAG}(\.{TAG})*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?", 64)
CREATED = Form(str, r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
NAME = Form(str, r"(?!.*\.\.)(?!.*/\.?(/|\Z))[a-z0-9][a-z0-9._/-]*")
KEY, DIGEST = Form(str, r"[A-Za-z0-9][A-Za-z0-9._/-]*"), Form(str, r"sha256:[0-9a-f]{64}")
LINE = Form(str, r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+", 256, "text")
TOKENS = Form(list, Form(str, r"[^\x00-\x08\x0b-\x1f\x7f-\x9f]*", 1024, "text"), 65_536, "list")
TENSOR = Form(str, r"(?!\.{0,2}/)(?!.*/\.{0,2}(/|\Z))(?=.*/)[a-z0-9._/-]+", 128, "tensor-name")
DTYPE, COUNT = Form(str, "F16|F32|I32|I64|U8", 3, "dtype"), range(MAX_INT + 1)
SETTINGS = Form(dict, (range(-MAX_INT, MAX_INT + 1), LINE._replace(most=1024)), 64, "mapping")
DECIMALS = Form(dict, Form(str, r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?"), 64, "mapping")
COUNTS, LINES = Form(dict, COUNT, 64, "mapping"), Form(dict, LINE, 64, "mapping")
ROW = {"name": TENSOR, "section": None, "dtype": DTYPE, "shape": None, "sha256": DIGEST}
TEACHER = {"name": LINE, "family": KEY, "base_family": KEY, "parameters": range(1, MAX_INT + 1)}
MANIFEST: dict[str, Any] = {"schema": Form(str, "m2kt.packet/1", rule="schema"), "symbols": TOKENS, "licence": LINE}
MANIFEST |= {"name": NAME, "version": VERSION, "created": CREATED, "domain": {"name": NAME, "version": VERSION}}
MANIFEST |= {"kind": Form(str, "|".join(SECTIONS), rule="kind"), "leads": TOKENS._replace(most=4096)}
MANIFEST |= {"teacher": {**TEACHER, "weights_sha256": DIGEST, "tokenizer_sha256": DIGEST}, "confidence": DECIMALS}
MANIFEST |= {"extraction": {"operator": KEY, "settings": SETTINGS, "seed": COUNT}, "coverage": LINES, "ledger": COUNTS}
MANIFEST |= {"parents": Form(list, DIGEST, 64, "list"), "precision": COUNTS._replace(most=4096)}
MANIFEST |= {"tensors": Form(list, ROW, 4096, "list")}
PAYLOAD_TYPE = Form(str, r"application/vnd\.in-toto\+json", rule="payload-type")
BASE64 = Form(str, r"(?=(.{4})*\Z)([A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}", 8 * MIB, "base64")
SIGNATURES = Form(list, {"keyid": Form(str, ".*", 256, "keyid"), "sig": BASE64}, 16, "signatures")
ENVELOPE = {"payload": BASE64, "payloadType": PAYLOAD_TYPE, "signatures": SIGNATURES}
SUBJECT = {"name": LINE._replace(most=512), "digest": {"sha256": Form(str, "[0-9a-f]{64}")}}
TYPE = Form(str, r"https://in-toto\.io/Statement/v1", rule="statement-type")
STATEMENT = {"_type": TYPE, "predicateType": LINE, "predicate": None, "subject": Form(list, SUBJECT, 64, "list")}


def read_manifest(data: bytes) -> Any:
    value = read_json(data, WRITTEN, 4 * MIB)
    need(value.get("schema", "m2kt.packet/1") == "m2kt.packet/1", WRITTEN, "schema")
    check(value, MANIFEST, WRITTEN)
    try:
        datetime.strptime(value["created"], "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        need(False, WRITTEN, "time")
    need(len(set(value["parents"])) == len(value["parents"]), WRITTEN, "parents")
    rows, names = value["tensors"], [row["name"] for row in value["tensors"]]
    for row in rows:
        elements(row["shape"], WRITTEN)
        need(row["section"] == row["name"].split("/")[0] in SECTIONS[value["kind"]], WRITTEN, "section")
    need(names and names == sorted(set(names)), WRITTEN, "tensors")
    floats = {row["name"]: MANTISSAS[row["dtype"]] for row in rows if row["dtype"] in MANTISSAS}
    need(value["precision"].keys() == floats.keys(), WRITTEN, "precision")
    need(all(bits <= floats[name] for name, bits in value["precision"].items()), WRITTEN, "count")
    return value


def elements(shape: Any, group: str) -> int:
    fits = isinstance(shape, list) and len(shape) <= 8 and all(type(each) is int and each > 0 for each in shape)
    need(fits and prod(shape) <= 2**40, group, "shape")
    return prod(shape)


def read_tensors(data: memoryview) -> list[tuple[dict[str, Any], memoryview]]:  # rows of the table, and bytes
    size = int.from_bytes(data[:8], "little")
    need(len(data) >= 8 and size <= MIB and 8 + size <= len(data), STORED, "header")
    text = bytes(data[8 : 8 + size]).rstrip(b" ")
    header = read_json(text, STORED, MIB, 3)
    need(1 <= len(header) <= 4096, STORED, "tensors")
    need(size == (len(text) + 7) // 8 * 8, STORED, "padding")
    found, offset, body = [], 0, data[8 + size :]
    for name, entry in header.items():
        raw = read_tensor(name, entry, offset, body)
        offset += len(raw)
        row = {"name": name, "section": name.split("/")[0], "dtype": entry["dtype"], "shape": entry["shape"]}
        found.append(({**row, "sha256": f"sha256:{sha256(raw).hexdigest()}"}, raw))
    need(offset == len(body), STORED, "data-length")
    return found


def read_tensor(name: str, entry: Any, begin: int, body: memoryview) -> memoryview:
    check(name, TENSOR, STORED)
    need(isinstance(entry, dict) and entry.keys() == {"data_offsets", "dtype", "shape"}, STORED, "entry")
    check(entry["dtype"], DTYPE, STORED)
    end = begin + elements(entry["shape"], STORED) * SIZES[entry["dtype"]]
    need(canonical(entry["data_offsets"], STORED) == b"[%d,%d]" % (begin, end), STORED, "data-offsets")
    need(end <= len(body), STORED, "data-length")
    if entry["dtype"] in MANTISSAS:
        size, lowest = SIZES[entry["dtype"]], 1 << MANTISSAS[entry["dtype"]]
        sign = 1 << 8 * size - 1  # into which the exponent's lowest bit carries when it is added to an exponent of ones
        exponents = masked(body[begin:end], size, sign - lowest)
        carried = exponents + masked(b"\xff" * (end - begin), size, lowest)
        need(not carried & masked(b"\xff" * (end - begin), size, sign), STORED, "not-finite")
    return body[begin:end]


def masked(raw: bytes | memoryview, size: int, mask: int) -> int:  # all words of ``size`` bytes, as one long number
    return int.from_bytes(raw, "little") & int.from_bytes(mask.to_bytes(size, "little") * (len(raw) // size), "little")


def read_key(text: str) -> Ed25519PublicKey:
    written = text if text.startswith("ed25519:") else Path(text).read_text().strip()
    raw = base64.b64decode(written.removeprefix("ed25519:"), validate=True)
    y = int.from_bytes(raw, "little") % 2**255
    weak = y >= PRIME or y in (0, 1, PRIME - 1, ORDER_8, PRIME - ORDER_8)
    if weak or len(raw) != 32 or written != "ed25519:" + base64.b64encode(raw).decode():
        raise ValueError("not ed25519:<base64 of 32 bytes>, or a key that anybody can sign for")
    return Ed25519PublicKey.from_public_bytes(raw)


def unbase64(text: str) -> bytes:
    standard = text.replace("-", "+").replace("_", "/")
    need(base64.b64encode(base64.b64decode(standard)).decode() == standard, SIGNED, "base64")
    return base64.b64decode(standard)


def verified(envelope: bytes, trusted: dict[str, Ed25519PublicKey]) -> tuple[bytes, set[str]]:
    """The payload, and the ids of the trusted keys that signed it."""
    value = read_json(envelope, SIGNED, 8 * MIB, 3)
    check(value, ENVELOPE, SIGNED)
    need(value["signatures"], SIGNED, "signatures")
    hints = [each["keyid"] for each in value["signatures"]]
    signatures = [unbase64(each["sig"]) for each in value["signatures"]]
    need(all(len(each) == 64 for each in signatures), SIGNED, "signature-length")
    need(len(set(signatures)) == len(signatures), SIGNED, "duplicate-signature")
    payload = unbase64(value["payload"])
    message = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)
    made = [""] * len(signatures)
    for (at, signature), key_id in product(enumerate(signatures), trusted):
        with suppress(InvalidSignature):
            trusted[key_id].verify(signature, message)
            made[at] = key_id
    need(any(made) or not trusted.keys() & set(hints), SIGNED, "signature")
    need(any(made), "key-unknown", "untrusted")
    for hint, by in zip(hints, made, strict=True):
        need(hint in ("", by) if by else hint not in trusted, SIGNED, "false-keyid")
    return payload, set(made) - {""}


def merkle_root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + merkle_root(leaves[:half]) + merkle_root(leaves[half:])).digest()


def parts(data: bytes) -> list[memoryview]:
    need(len(data) <= 64 * MIB, LARGE, "packet-size")
    need(data.startswith(b"\x89M2KT\r\n\x01"), CONTAINER, "magic")
    found, rest = list[memoryview](), memoryview(data)[8:]
    for limit in (8 * MIB, 4 * MIB, 64 * MIB):
        need(len(rest) >= 8, CONTAINER, "truncated")
        length, rest = int.from_bytes(rest[:8], "little"), rest[8:]
        need(length <= limit, LARGE, "part-size")
        need(length, CONTAINER, "empty-part")
        need(length <= len(rest), CONTAINER, "truncated")
        found, rest = [*found, rest[:length]], rest[length:]
    need(not rest, CONTAINER, "trailing")
    return found


def verify(data: bytes, keys: list[Ed25519PublicKey]) -> dict[str, Any]:
    """The steps of the section *Verifying*, under its numbers; `Refused` at the first that fails."""
    envelope, written, stored = parts(data)  # 1
    trusted = {sha256(key.public_bytes_raw()).hexdigest(): key for key in keys}
    payload, key_ids = verified(bytes(envelope), trusted)  # 2, 3
    statement = read_json(payload, SIGNED, 5 * MIB)  # 4
    check(statement, STATEMENT, SIGNED)
    need(isinstance(statement["predicate"], dict), SIGNED, "object")
    need(statement["predicateType"] == "urn:m2kt:packet:v1", SIGNED, "predicate-type")
    need(len(statement["subject"]) == 1, SIGNED, "subjects")
    manifest, tensors = read_manifest(bytes(written)), read_tensors(stored)  # 5
    need([row for row, _ in tensors] == manifest["tensors"], BOUND, "table")
    for row, raw in tensors:
        if row["dtype"] in MANTISSAS:
            low = (1 << MANTISSAS[row["dtype"]] - manifest["precision"][row["name"]]) - 1
            need(not masked(raw, SIZES[row["dtype"]], low), STORED, "low-bits")
    last = {"name": "manifest", "section": "manifest", "sha256": f"sha256:{sha256(written).hexdigest()}"}  # 6
    root = merkle_root([canonical(leaf) for leaf in (*manifest["tensors"], last)]).hex()
    reference = f"{manifest['name']}@{manifest['version']}"
    need(statement["subject"] == [{"name": reference, "digest": {"sha256": root}}], BOUND, "other-packet")
    need(canonical(statement["predicate"]) == written, BOUND, "other-manifest")
    return {"packet_id": f"sha256:{root}", "reference": reference, "key_ids": sorted(key_ids)}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Verify an M2KT packet (docs/packet.md).")
    parser.add_argument("file", type=Path)
    parser.add_argument("--key", action="append", required=True, type=read_key, help="ed25519:<base64>, or its file")
    try:
        options = parser.parse_args(arguments)
        with options.file.open("rb") as file:
            data = file.read(64 * MIB + 1)
        found = verify(data, options.key)
    except OSError as error:
        parser.error(str(error))
    except Refused as refused:
        parser.exit(1, "refused: {}: {}\n".format(*refused.args))
    print(f"accepted: {found['reference']} {found['packet_id']}\nsigned by: {' '.join(found['key_ids'])}")


if __name__ == "__main__":
    main()
