"""Packets that must be accepted: signed again, by several, packed otherwise but equivalently."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from bench.forge import MANTISSA, PAYLOAD_TYPE, WIDTH, Forge, Tensor, base, key_id, key_of, pae, public_text, raw_public

Genuine = tuple[bytes, Sequence[str]]


def genuine(seed: int) -> Iterator[Genuine]:
    """At least 500 packets, and the keys that their reader trusts."""
    dice = random.Random(seed)
    for number in range(120):
        packet = _packet(dice, number)
        yield from _signed_again(packet, dice)
        yield from _packed_otherwise(packet)


def _packet(dice: random.Random, number: int) -> Forge:
    """Another content each time: kinds, dtypes, shapes, texts."""
    names = {f"graph/{dice.choice('abc')}{index}" for index in range(dice.randrange(1, 6))}
    tensors = {name: _tensor(dice) for name in sorted(names)}
    texts = ["", "\t", "\u00e9", "e\u0301", "\U0001f600", "\\", '"', "\u2028", "\ue000"]
    packet = base().with_tensors(tensors).but("version", f"{number}.{dice.randrange(99)}.0-rc.{number}")
    packet = packet.but("symbols", dice.sample(texts, dice.randrange(len(texts))))
    return packet.but(
        "extraction.settings", {f"K/{index}": dice.randrange(-(2**53) + 1, 2**53) for index in range(number % 65)}
    )


def _tensor(dice: random.Random) -> Tensor:
    dtype = dice.choice(sorted(WIDTH))
    shape = tuple(dice.randrange(1, 4) for _ in range(dice.randrange(5)))
    count = 1
    for each in shape:
        count *= each
    words = [dice.getrandbits(8 * WIDTH[dtype]) for _ in range(count)]
    if dtype in MANTISSA:  # clear one bit of the exponent: what is left is finite
        words = [word & ~(1 << MANTISSA[dtype]) for word in words]
    return Tensor(dtype, shape, b"".join(word.to_bytes(WIDTH[dtype], "little") for word in words))


def _signed_again(packet: Forge, dice: random.Random) -> Iterator[Genuine]:
    keys = [key_of(dice.randrange(1, 200)) for _ in range(3)]
    signers = tuple({key_id(each): each for each in keys}.values())
    texts = [public_text(raw_public(each)) for each in signers]
    yield packet.to_bytes(), [public_text(raw_public(key_of(1)))]
    yield replace(packet, keys=signers).to_bytes(), texts
    yield replace(packet, keys=signers[::-1]).to_bytes(), texts[:1]


def _packed_otherwise(packet: Forge) -> Iterator[Genuine]:
    """The same content in another envelope: no hint, base64 for URLs, somebody's signature besides."""
    own = [public_text(raw_public(key_of(1)))]
    message = pae(PAYLOAD_TYPE, packet.payload_bytes)
    signature = key_of(1).sign(message)
    yield replace(packet, envelope=packet.signed_by(("", signature), ("somebody", bytes(64)))).to_bytes(), own
    envelope = packet.signed_by((key_id(key_of(1)), signature))
    for place in ("payload", "sig"):
        holder = envelope if place == "payload" else envelope["signatures"][0]
        holder[place] = holder[place].replace("+", "-").replace("/", "_")
    yield replace(packet, envelope=envelope).to_bytes(), own
