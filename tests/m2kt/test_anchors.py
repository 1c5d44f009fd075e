import json

import numpy as np
import pytest

from m2kt.anchors import images, read_set, texts
from m2kt.errors import AlignmentRefused, UsageError

STROKES = {"recipe": "strokes/1", "count": 6, "side": 12, "seed": 3}


def test_the_digest_is_over_the_inputs_and_their_order(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("# a comment\nred\nblue\n")
    assert read_set(path).digest == texts("other-name", ["red", "blue"]).digest
    assert read_set(path).digest != texts("words", ["blue", "red"]).digest
    assert texts("a", ["ab", "c"]).digest != texts("a", ["a", "bc"]).digest


def test_a_set_that_changed_is_refused():
    digest = texts("words", ["red", "blue"]).digest
    assert len(texts("words", ["red", "blue"]).require(digest)) == 2
    with pytest.raises(AlignmentRefused, match="the anchor set changed"):
        texts("words", ["red", "blue", "green"]).require(digest)


def test_a_recipe_gives_the_same_images_every_time(tmp_path):
    path = tmp_path / "strokes.json"
    path.write_text(json.dumps(STROKES))
    found = read_set(path)
    assert found.digest == read_set(path).digest
    assert (found.kind, found.items.shape, found.items.max() > 200) == ("image", (6, 12, 12), True)
    path.write_text(json.dumps({**STROKES, "seed": 4}))
    assert read_set(path).digest != found.digest


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.txt", "one\none\n", "twice"),
        ("a.txt", "one\n", "1 inputs"),
        ("a.json", "{", "no anchor set"),
        ("a.json", json.dumps({**STROKES, "recipe": "faces/9"}), "recipe"),
        ("a.json", json.dumps({**STROKES, "side": 0}), "side"),
        ("a.json", json.dumps({**STROKES, "count": "6"}), "whole numbers"),
        ("a.csv", "one\ntwo\n", "no anchor set"),
    ],
)
def test_what_is_no_anchor_set_says_why(tmp_path, name, text, why):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=why):
        read_set(tmp_path / name)


def test_images_are_grey_levels():
    with pytest.raises(UsageError, match="uint8"):
        images("x", np.zeros((3, 4, 4)))
