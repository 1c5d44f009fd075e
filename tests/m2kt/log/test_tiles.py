"""Tiles: C2SP's paths, the tiles of the specification's own example, and trees built batch by batch."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m2kt.errors import LogTampered, UsageError
from m2kt.log import tiles, tree
from m2kt.log.tiles import Place
from m2kt.packet import merkle

from .conftest import MemoryLog

PATHS = {
    "0/x001/x234/067": Place(0, 1234067),
    "0/000": Place(0, 0),
    "1/000.p/1": Place(1, 0, 1),
    "63/999": Place(63, 999),
    "0/x001/000.p/255": Place(0, 1000, 255),
    "entries/x001/x234/067": Place(None, 1234067),
    "entries/000.p/8": Place(None, 0, 8),
}
NOT_PATHS = [
    "",
    "0",
    "0/",
    "0/0",
    "0/00",
    "0/0000",
    "00/000",
    "64/000",
    "-1/000",
    "0/x000/001",
    "0/001/002",
    "0/x001",
    "0/000.p/0",
    "0/000.p/256",
    "0/000.p/01",
    "0/000.p/",
    "0/000/",
    "0/../000",
    "tile/0/000",
    "0/٠٠٠",
    "0/000\n",
    "0/x999/x999/x999/x999/x999/x999/999",
]


@pytest.mark.parametrize(("path", "place"), PATHS.items())
def test_paths_are_those_of_the_specification(path: str, place: Place) -> None:
    assert place.path == path
    assert Place.parse(path) == place


@pytest.mark.parametrize("path", NOT_PATHS)
def test_other_spellings_of_a_path_are_refused(path: str) -> None:
    with pytest.raises(UsageError):
        Place.parse(path)


def test_the_tiles_of_a_tree_of_70000_are_those_that_the_specification_counts() -> None:
    found = list(tiles.places(70_000))
    full = [each for each in found if each.width == 256]
    assert [sum(each.level == level for each in full) for level in (0, 1, 2)] == [273, 1, 0]
    assert {(each.level, each.width) for each in found if each.width < 256} == {(0, 112), (1, 17), (2, 1)}


def test_a_tree_of_256_is_a_full_tile_and_a_partial_one_above_it() -> None:
    assert list(tiles.places(256)) == [Place(0, 0), Place(1, 0, 1)]
    assert list(tiles.places(0)) == []


@given(st.integers(0, 200_000))
def test_places_have_the_widths_that_the_size_gives(size: int) -> None:
    for place in tiles.places(size):
        assert place.level is not None
        assert tiles.width_at(size, place.level, place.index) == place.width
    assert sum(each.width for each in tiles.bundles(size)) == size


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=6), st.data())
def test_batches_give_the_tree_that_all_leaves_at_once_give(batches: list[int], data: st.DataObject) -> None:
    log = MemoryLog()
    for number, count in enumerate(batches):
        log.append(*(b"%d %d" % (number, each) for each in range(count)))
    size = len(log.entries)
    hashes = [merkle.leaf_hash(each) for each in log.entries]
    assert tree.root(log.read, size) == merkle.root(hashes)
    assert {(place.level, place.index) for place in tiles.places(size)} == set(log.tiles)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    assert tree.inclusion_proof(log.read, index, size) == merkle.inclusion_proof(hashes, index)
    proof = tree.consistency_proof(log.read, old, size)
    tree.verify_consistency(old, size, merkle.root(hashes[:old]), merkle.root(hashes), proof)


def test_a_tile_that_lost_hashes_is_noticed() -> None:
    log = MemoryLog()
    log.append(*(b"%d" % each for each in range(5)))
    log.tiles[0, 0] = log.tiles[0, 0][:-32]
    with pytest.raises(LogTampered, match="too short"):
        tree.root(log.read, 5)
    with pytest.raises(LogTampered, match="too short"):
        log.append(b"one more")


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=20))
def test_bundles_give_their_entries_back(entries: list[bytes]) -> None:
    bundle = tiles.encode_entries(entries)
    assert tiles.decode_entries(bundle, len(entries)) == entries
    for wrong in (bundle + b"\x00", bundle[:-1], b""):
        with pytest.raises(LogTampered):
            tiles.decode_entries(wrong, len(entries))
