"""Packets made with care, by somebody who has a key of their own, or who can make an owner sign something else."""

import hmac
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha512
from typing import Any

from bench.forge import (
    MISSING,
    OWN_KEYS,
    PAIR,
    PAYLOAD_TYPE,
    Forge,
    Tensor,
    base,
    changed,
    dump,
    framed,
    header_of,
    key_id,
    key_of,
    pae,
    public_text,
    raw_public,
)

OWNER = key_of(1)
PACKET = base(OWNER).with_tensors(PAIR)
MESSAGE = pae(PAYLOAD_TYPE, PACKET.payload_bytes)
SIGNATURE = OWNER.sign(MESSAGE)
ORDER = 2**252 + 27742317777372353535851937790883648493
PRIME = 2**255 - 19
ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL = (0, 1, PRIME - 1, ORDER_8, PRIME - ORDER_8)


def impostors(seed: int) -> Iterator[tuple[bytes, Sequence[str]]]:
    """Packets, and the keys that their victim trusts."""
    dice = random.Random(seed)
    yield from _small_order()
    for packet in itertools.chain(_keys(), _algorithms(), _contexts(), _fields(dice), _tensors(dice), _names()):
        yield packet.to_bytes(), OWN_KEYS


def _keys() -> Iterator[Forge]:
    """Signed by somebody else, under whatever key id."""
    for seed in range(2, 102):
        thief = key_of(seed)
        signature = thief.sign(MESSAGE)
        for keyid in (key_id(thief), key_id(OWNER), ""):
            yield replace(PACKET, envelope=PACKET.signed_by((keyid, signature)))
        swapped = PACKET.signed_by((key_id(thief), SIGNATURE), (key_id(OWNER), signature))
        yield replace(PACKET, envelope=swapped)


def _small_order() -> Iterator[tuple[bytes, Sequence[str]]]:
    """Keys of small order, for which anybody can sign; and signatures whose R is such a point, for a good key."""
    for y, sign, scalar in itertools.product((*SMALL, PRIME, PRIME + 1), (0, 2**255), range(4)):
        point = (y | sign).to_bytes(32, "little")
        signature = point + scalar.to_bytes(32, "little")
        for keyid in ("", key_id(OWNER)):
            packet = replace(PACKET, envelope=PACKET.signed_by((keyid, signature))).to_bytes()
            yield packet, (public_text(point),)
            yield packet, OWN_KEYS


def _algorithms() -> Iterator[Forge]:
    """64 bytes that another algorithm, or the same one over other bytes, calls a signature."""
    public, payload = raw_public(OWNER), PACKET.payload_bytes
    scalar = int.from_bytes(SIGNATURE[32:], "little")
    high = [SIGNATURE[:32] + (scalar + ORDER * each).to_bytes(32, "little") for each in range(1, 15)]
    negated = SIGNATURE[:31] + bytes([SIGNATURE[31] ^ 0x80]) + SIGNATURE[32:]
    keyed = [hmac.digest(public, each, "sha512") for each in (MESSAGE, payload, PACKET.id.encode())]
    digests = [OWNER.sign(sha512(each).digest()) for each in (MESSAGE, payload)]
    contexts = [MESSAGE[:-1], MESSAGE + b"\0", MESSAGE.replace(b"DSSEv1", b"DSSEv2"), payload, PACKET.manifest_bytes]
    contexts += [pae(each, payload) for each in ("", "application/json", PAYLOAD_TYPE.upper(), PAYLOAD_TYPE + " ")]
    contexts += [
        bytes.fromhex(PACKET.id),
        PACKET.id.encode(),
        b"SigEd25519 no Ed25519 collisions\1\0" + sha512(MESSAGE).digest(),
    ]
    for signature in (*high, negated, *keyed, *digests, *(OWNER.sign(each) for each in contexts), bytes(64)):
        for keyid in ("", key_id(OWNER)):
            yield replace(PACKET, envelope=PACKET.signed_by((keyid, signature)))


def _contexts() -> Iterator[Forge]:
    """Valid signatures of the owner over something else than this packet."""
    predicates = ("scan", "approval", "receipt", "outcome", "revocation", "packet")
    for name, version in itertools.product(predicates, ("v0", "v2", "v1.0", "V1", "v1 ")):
        yield PACKET.statement_but("predicateType", f"urn:m2kt:{name}:{version}")
    for name in predicates[:-1]:
        yield PACKET.statement_but("predicateType", f"urn:m2kt:{name}:v1")
    for kind in ("", "application/json", PAYLOAD_TYPE + "; charset=utf-8", "application/vnd.in-toto.bundle", "x" * 257):
        yield replace(PACKET, payload_type=kind)
    for other in ("https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1/", "", None, 1):
        yield PACKET.statement_but("_type", other)
    subject = PACKET.statement_value["subject"][0]
    for subjects in ([], [subject] * 2, [subject] * 65, subject, [[subject]], [{**subject, "uri": "x"}]):
        yield PACKET.statement_but("subject", subjects)
    for digit in range(64):
        wrong = PACKET.id[:digit] + ("0" if PACKET.id[digit] != "0" else "1") + PACKET.id[digit + 1 :]
        yield PACKET.statement_but("subject.0.digest.sha256", wrong)
    for reference in ("a/b@1.2.4", "a/c@1.2.3", "a/b", "@", "a/b@1.2.3 ", "A/b@1.2.3"):
        yield PACKET.statement_but("subject.0.name", reference)
    for key in PACKET.manifest:
        yield PACKET.statement_but(f"predicate.{key}", None)
        yield PACKET.statement_but(f"predicate.{key}", MISSING)


ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    2**53,
    "",
    "\n",
    "\u202e",
    "\u0430",
    "x" * 1025,
    [],
    {},
    [[]],
    {"a": {}},
    [None],
)


def _fields(dice: random.Random) -> Iterator[Forge]:
    """Manifests with a value that breaks a rule, signed by their owner with everything else in order."""
    required = ("schema", "kind", "name", "version", "created", "licence", "parents", "tensors", "precision")
    nested = ["domain.name", "domain.version", "teacher.name", "teacher.family", "teacher.base_family"]
    nested += ["teacher.parameters", "teacher.weights_sha256", "extraction.operator", "extraction.seed"]
    rows = tuple(
        f"tensors.{index}.{key}" for index in (0, 1) for key in ("name", "section", "dtype", "shape", "sha256")
    )
    for path in (*required, *nested, *rows):
        for value in ODD:
            if not _may_stand(path, value):
                yield PACKET.but(path, value)
        yield PACKET.but(path, MISSING)
    for path in ("", "domain.", "teacher.", "extraction.", "tensors.0."):
        yield PACKET.but(f"{path}more", dice.randrange(9))
    for index in range(64):
        flipped = PACKET.manifest["tensors"][0]["sha256"][:-64] + "0" * index + "1" + "0" * (63 - index)
        yield PACKET.but("tensors.0.sha256", flipped)


def _may_stand(path: str, value: object) -> bool:
    """The few odd values that are right after all: they belong to the genuine packets."""
    if path in ("licence", "teacher.name"):
        return value == "\u0430"
    return (path == "extraction.seed" and value == 0) or (path == "parents" and value == [])


def _tensors(dice: random.Random) -> Iterator[Forge]:
    """Tensors parts that lie about places, sizes and values, under manifests that go along where they can."""
    header, data = header_of(PAIR), b"".join(each.data for each in PAIR.values())
    for name, key in itertools.product(PAIR, ("data_offsets", "dtype", "shape", "more")):
        for value in (
            *ODD,
            [0, 0],
            [0, 9],
            [8, 8],
            [4, 12],
            [-8, 8],
            [2**53, 1],
            [0],
            [2, 0],
            [1] * 9,
            [2**40, 2],
            "F64",
        ):
            yield replace(PACKET, tensors_part=framed(dump(changed(header, f"{name}.{key}", value)), data))
    for size in range(len(data)):
        yield replace(PACKET, tensors_part=framed(dump(header), data[:size]))
    for _ in range(100):
        special = dice.choice((0x7C00, 0xFC00, 0x7C01, 0x7E00, 0xFFFF)).to_bytes(2, "little")
        place = 2 * dice.randrange(4)
        wrong = Tensor("F16", (4,), (bytes(place) + special).ljust(8, b"\0"))
        yield PACKET.with_tensors({**PAIR, "concepts/a": wrong})
    for bits in range(23):
        yield PACKET.with_tensors({**PAIR, "graph/b": Tensor("F32", (1,), (1 << 22 - bits).to_bytes(4, "little"))},
                                  **{"graph/b": bits})  # fmt: skip


def _names() -> Iterator[Forge]:
    """Twins and paths in place of names, everywhere that a name stands."""
    twins = (
        "\u0430/b",
        "a\u2215b",
        "a/b\u200b",
        "\uff41/b",
        "a/b\u0301",
        "A/b",
        "a/B",
        "a/b ",
        " a/b",
        "a/b\n",
        "a/b\0x",
    )
    paths = ("../b", "a/../b", "a//b", "/a/b", "a/b/", "a/./b", "a\\b", "", ".", "..", "~/b", "a/b?c", "a/" + "b" * 128)
    for name in (*twins, *paths):
        yield PACKET.but("name", name)
        yield PACKET.but("domain.name", name)
        yield PACKET.but("extraction.settings", {name + "\u0430": 1})
        yield PACKET.with_tensors({**PAIR, "graph/" + name + "/..": Tensor("U8", (1,), b"\0")})
        yield PACKET.but("tensors.0.name", "concepts/\u0430" + name)
