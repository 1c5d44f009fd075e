"""The tree as tiles (C2SP tlog-tiles): 256 hashes each, so that a log is a set of files that never change.

Tile ``n`` of level ``l`` holds the hashes over ``256 ** l`` leaves each, from ``n * 256``. It is partial until it is
full, and only full ones are hashed into the level above.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from m2kt.errors import LogTampered, UsageError
from m2kt.packet import merkle

WIDTH = 256
HASH_BYTES = 32
HEIGHT = 8
MAX_LEVEL = 63
MAX_INDEX = 2**62 // WIDTH

_PATH = re.compile(r"(entries|0|[1-9][0-9]?)((?:/x[0-9]{3}){0,6}/[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)
ENTRIES = "entries"

ReadTile = Callable[[int, int], bytes]
"""The hashes of tile ``(level, n)``, as many as there are."""


@dataclass(frozen=True)
class Place:
    """A tile or, without a level, a bundle of entries; ``width`` below 256 says that it is partial."""

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Below ``<prefix>/tile/``: ``0/x001/067``, ``entries/000.p/17``."""
        digits = f"{self.index:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        name = "/".join([*(f"x{each}" for each in groups[:-1]), groups[-1]])
        kind = ENTRIES if self.level is None else str(self.level)
        return f"{kind}/{name}" + ("" if self.width == WIDTH else f".p/{self.width}")

    @classmethod
    def parse(cls, path: str) -> "Place":
        """The place that ``path`` names in its one spelling; `UsageError` for any other text."""
        found = _PATH.fullmatch(path)
        if found is None:
            raise UsageError("a tile's path is <level>/<index>[.p/<width>], see docs/log.md")
        level = None if found[1] == ENTRIES else int(found[1])
        place = cls(level, int(re.sub("[/x]", "", found[2])), int(found[3] or WIDTH))
        too_large = (level or 0) > MAX_LEVEL or place.index > MAX_INDEX or (found[3] and place.width >= WIDTH)
        if too_large or place.path != path:
            raise UsageError("a tile's path has one spelling, see docs/log.md")
        return place


def places(size: int) -> Iterator[Place]:
    """Every tile of the tree of ``size`` leaves: level by level, from the left."""
    level, hashes = 0, size
    while hashes:
        yield from (Place(level, n) for n in range(hashes // WIDTH))
        if hashes % WIDTH:
            yield Place(level, hashes // WIDTH, hashes % WIDTH)
        level, hashes = level + 1, hashes // WIDTH


def bundles(size: int) -> Iterator[Place]:
    """Every bundle of entries of the log of ``size`` entries."""
    for place in places(size):
        if place.level != 0:
            return
        yield Place(None, place.index, place.width)


def width_at(size: int, level: int, index: int) -> int:
    """How many hashes tile ``(level, index)`` has in the tree of ``size`` leaves."""
    return max(0, min(WIDTH, (size >> HEIGHT * level) - index * WIDTH))


def split(tile: bytes) -> list[bytes]:
    """A tile's hashes."""
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]


def reader(tiles: ReadTile) -> Callable[[int, int], bytes]:
    """`m2kt.log.tree.Read` over tiles, each of which is asked for once."""
    held: dict[tuple[int, int], bytes] = {}

    def read(level: int, index: int) -> bytes:
        above, inside = divmod(level, HEIGHT)
        tile, first = divmod(index << inside, WIDTH)
        if (above, tile) not in held:
            held[above, tile] = tiles(above, tile)
        part = held[above, tile][first * HASH_BYTES : (first + (1 << inside)) * HASH_BYTES]
        if len(part) != HASH_BYTES << inside:
            raise LogTampered(f"tile {Place(above, tile).path} is too short for its tree")
        return merkle.root(split(part))

    return read


def extend(tiles: ReadTile, size: int, leaves: Sequence[bytes]) -> dict[tuple[int, int], bytes]:
    """The tiles that appending ``leaves`` (leaf hashes) to a tree of ``size`` changes or adds."""
    changed: dict[tuple[int, int], bytes] = {}
    level, start, added = 0, size, list(leaves)
    while added:
        full = []
        at = 0
        while at < len(added):
            index, offset = divmod(start + at, WIDTH)
            held = tiles(level, index)[: offset * HASH_BYTES] if offset else b""
            if len(held) != offset * HASH_BYTES:
                raise LogTampered(f"tile {Place(level, index).path} is too short for its tree")
            taken = added[at : at + WIDTH - offset]
            changed[level, index] = held + b"".join(taken)
            if offset + len(taken) == WIDTH:
                full.append(merkle.root(split(changed[level, index])))
            at += len(taken)
        level, start, added = level + 1, start // WIDTH, full
    return changed


def encode_entries(entries: Sequence[bytes]) -> bytes:
    """A bundle: every entry behind its length as a big-endian uint16."""
    return b"".join(len(each).to_bytes(2) + each for each in entries)


def decode_entries(bundle: bytes, width: int) -> list[bytes]:
    """The ``width`` entries of a bundle; `LogTampered` when it holds more or fewer."""
    found, at = [], 0
    while at < len(bundle):
        stop = at + 2 + int.from_bytes(bundle[at : at + 2])
        found.append(bundle[at + 2 : stop])
        at = stop
    if at != len(bundle) or len(found) != width:
        raise LogTampered(f"a bundle of {width} entries holds {len(found)}, or is cut")
    return found
