"""Packets damaged byte by byte and part by part, by somebody who has no key. Everything is drawn from one seed."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace

from bench.forge import PAIR, Forge, base, container, dump, framed, header_of

PACKET = base().with_tensors(PAIR)
DATA = PACKET.to_bytes()
PARTS = PACKET.parts


def damaged(seed: int) -> Iterator[bytes]:
    """Every header byte, every part, cuts, additions, lying lengths, other arrangements, other spellings."""
    dice = random.Random(seed)
    yield from _every_header_byte()
    yield from _every_part(dice)
    yield from _cut_and_grown(dice)
    yield from _lengths(dice)
    yield from _arrangements()
    yield from (packet.to_bytes() for packet in _json(dice))


def _every_header_byte() -> Iterator[bytes]:
    """Magic, the three lengths, and the header of the tensors: four other values in place of each byte."""
    starts = [8, 16 + len(PARTS[0]), 24 + len(PARTS[0]) + len(PARTS[1])]
    header = 8 + int.from_bytes(PARTS[2][:8], "little")
    places = itertools.chain(range(8), *(range(each, each + 8) for each in starts), range(len(DATA) - len(PARTS[2]),
                             len(DATA) - len(PARTS[2]) + header))  # fmt: skip
    for place, mask in itertools.product(sorted(set(places)), (0x01, 0x20, 0x80, 0xFF)):
        yield _flipped(place, mask)


def _flipped(place: int, mask: int) -> bytes:
    return DATA[:place] + bytes([DATA[place] ^ mask]) + DATA[place + 1 :]


def _every_part(dice: random.Random) -> Iterator[bytes]:
    """One byte changed, removed, doubled or put in, anywhere in the three parts."""
    for _ in range(1600):
        place = dice.randrange(8, len(DATA))
        yield _flipped(place, dice.randrange(1, 256))
    for part, _ in itertools.product(range(3), range(120)):
        right = PARTS[part]
        place, size = dice.randrange(len(right)), dice.randrange(1, 9)
        for wrong in (
            right[:place] + right[place + size :],
            right[:place] + dice.randbytes(size) + right[place:],
            right[:place] + right[place : place + size] + right[place:],
        ):
            yield container(*PARTS[:part], wrong, *PARTS[part + 1 :])


def _cut_and_grown(dice: random.Random) -> Iterator[bytes]:
    for length in {*range(40), *(dice.randrange(len(DATA)) for _ in range(400)), len(DATA) - 1}:
        yield DATA[:length]
    for size in range(1, 101):
        yield DATA + dice.randbytes(size)
        yield dice.randbytes(size) + DATA


def _lengths(dice: random.Random) -> Iterator[bytes]:
    """Parts that are right behind lengths that lie."""
    starts = [8, 16 + len(PARTS[0]), 24 + len(PARTS[0]) + len(PARTS[1])]
    for start in starts:
        true = int.from_bytes(DATA[start : start + 8], "little")
        near = {true + each for each in (-8, -1, 1, 8, 4096)} | {0, len(DATA), 2**23 + 1, 2**26 + 1, 2**63, 2**64 - 1}
        for length in near | {dice.randrange(2**24) for _ in range(30)} - {true}:
            yield DATA[:start] + length.to_bytes(8, "little") + DATA[start + 8 :]


def _arrangements() -> Iterator[bytes]:
    """Parts stripped, doubled, in another order, or of another packet of the same owner."""
    other = base().with_tensors(PAIR).but("version", "9.9.9").parts
    for count in range(1, 5):
        for chosen in itertools.product((*PARTS, other[0], other[1]), repeat=count):
            if chosen != PARTS and chosen != (other[0], other[1], PARTS[2]):
                yield container(*chosen)


def _json(dice: random.Random) -> Iterator[Forge]:
    """Text that says the same or nearly so, and is not canonical; rightly signed where it is the statement."""
    for right, field in (
        (PACKET.envelope_bytes, "envelope_part"),
        (PACKET.payload_bytes, "payload"),
        (PACKET.manifest_bytes, "manifest_part"),
    ):
        for wrong in (*_respelled(right, dice), b"\xef\xbb\xbf" + right, b"[%b]" % right, b"[" * 10_000, b"", b"null"):
            yield replace(PACKET, **{field: wrong})  # type: ignore[arg-type]  # the three fields are bytes
    header = dump(header_of(PAIR))
    for wrong in (*_respelled(header, dice), b"[" * 10_000, b"{}"):
        part = framed(wrong, b"".join(each.data for each in PAIR.values()))
        if part != PACKET.tensor_bytes:  # a space after the header is one of its padding
            yield replace(PACKET, tensors_part=part)


def _respelled(right: bytes, dice: random.Random) -> Iterator[bytes]:
    structure = [place for place, byte in enumerate(right) if byte in b"{}[],:"]
    for place in dice.sample(structure, min(len(structure), 40)):
        yield right[:place] + dice.choice((b" ", b"\n", b"\t", b"\r\n")) + right[place:]
    letters = [place for place, byte in enumerate(right) if chr(byte).isalpha()]
    for place in dice.sample(letters, min(len(letters), 40)):
        yield right[:place] + b"\\u%04x" % right[place] + right[place + 1 :]
    for place in [each for each in structure if right[each] == ord("{")]:
        yield right[: place + 1] + b'"z":0,"z":0,' + right[place + 1 :]
        yield right[: place + 1] + b'"\\ud800":0,' + right[place + 1 :]
    yield from (right.replace(b'"', b"'"), right[:-1] + b",}", right + b" ", right + right, right.replace(b",", b", "))
