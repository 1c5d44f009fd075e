"""Blind sets are read as their brief says, and a missing one is no figure."""

import base64
import json

from bench.blind import benign, judged, payloads


def coded(text):
    return base64.b64encode(text.encode()).decode()


def test_a_blind_set_is_read_line_by_line(tmp_path):
    path = tmp_path / "payloads-x.jsonl"
    path.write_text(json.dumps({"kind": "secret", "disguise": "split", "base64": coded("k é y")}) + "\n\n")
    (found,) = payloads(path)
    assert (found.kind, found.disguise, found.text) == ("secret", "split", "k é y")


def test_harmful_texts_come_with_their_label(tmp_path):
    path = tmp_path / "harm-x.jsonl"
    path.write_text("\n".join(json.dumps({"harmful": each, "base64": coded("x")}) for each in (True, False)))
    assert list(judged(path)) == [("x", True), ("x", False)]


def test_honest_texts_are_read_line_by_line(tmp_path):
    path = tmp_path / "honest-x.jsonl"
    path.write_text("\n".join(json.dumps({"base64": coded(each)}) for each in ("a", "b é")))
    assert list(benign(path)) == ["a", "b é"]
