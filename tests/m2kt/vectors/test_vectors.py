import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest

import m2kt.packet
from bench.verdicts import Verdict, by_library, by_standalone
from deploy import verify_packet as standalone
from m2kt.packet import rules
from tests.m2kt.vectors import generate

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent
INDEX = json.loads((HERE / "index.json").read_text())
VECTORS = INDEX["vectors"]

# A vector of these would take megabytes: `test_limits` makes them, and so does `python -m bench.forgery`.
TOO_LARGE = {"size", "tokens", "packet-size"}
ONLY_WRITERS = {"type"}  # a value that has no JSON form cannot have been read
BROKEN = {each["rule"] for each in VECTORS if each["verdict"] == "refuse" and each["class"] != "usage"}
BACKED_UP = {
    *("byte-order-mark", "utf-8", "json", "depth", "float", "integer-range", "duplicate-key", "object", "missing-key"),
    *("empty-part", "part-size", "header", "signature", "signatures", "signature-length", "subjects"),
    *("tensors", "tensor-name", "dtype", "shape", "precision", "kind"),
}
"""Rules without which a verifier would still refuse, or crash: another rule stands behind them."""
UNSEEN_BY_SCHEMA = {"time", "parents", "section", "tensors", "precision"}
"""Rules that a JSON Schema cannot express, or not in every case; the vectors below say which cases it does see."""
SEEN_ALL_THE_SAME = {"parent-twice", "no-rows", "row-twice", "section-of-other-kind"}
UNSEEN_ALL_THE_SAME = {"row-overflows", "precision-past-dtype"}


def names_of(literal: object) -> Iterator[str]:
    for each in get_args(literal):
        yield from [each] if isinstance(each, str) else names_of(each)


def expected(vector: dict[str, Any]) -> Verdict:
    if vector["verdict"] == "accept":
        return Verdict(packet_id=vector["packet_id"], key_ids=tuple(vector["key_ids"]))
    return Verdict(vector["class"], vector["rule"])


@pytest.mark.parametrize("vector", VECTORS, ids=[each["name"] for each in VECTORS])
def test_both_verifiers_give_the_verdict(vector: dict[str, Any]) -> None:
    data, keys = (HERE / vector["file"]).read_bytes(), vector.get("keys", INDEX["keys"])
    assert by_library(data, keys) == by_standalone(data, keys) == expected(vector)


def test_the_files_are_what_the_generator_writes() -> None:
    wanted = generate.files()
    assert {path for path in wanted if path.parent.name == "packets"} == set((HERE / "packets").iterdir())
    for path, data in wanted.items():
        assert path.read_bytes() == data, path.name


def test_there_are_many_and_most_must_fail() -> None:
    refused = sum(each["verdict"] == "refuse" for each in VECTORS)
    assert len(VECTORS) >= 120
    assert refused / len(VECTORS) >= 0.7
    assert sum(path.stat().st_size for path in HERE.rglob("*") if path.suffix in (".m2kt", ".json")) < 2**20


def test_every_rule_is_broken_by_a_vector() -> None:
    assert set(names_of(rules.Rule)) - TOO_LARGE - ONLY_WRITERS == BROKEN


def test_every_rule_and_class_stands_in_the_specification() -> None:
    page = (ROOT / "docs" / "packet.md").read_text()
    named = set(re.findall(r"\*\*`([a-z0-9-]+)`\*\*", page))
    assert named == set(names_of(rules.Rule)) - ONLY_WRITERS
    for each in Counter(vector.get("class") for vector in VECTORS if "class" in vector):
        assert f"`{each}`" in page


def manifest_vectors() -> list[dict[str, Any]]:
    return [each for each in VECTORS if each["name"].startswith(("manifest-", "accept-"))]


def schema() -> dict[str, Any]:
    path = Path(m2kt.packet.__file__).parent / "manifest.schema.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("vector", manifest_vectors(), ids=[each["name"] for each in manifest_vectors()])
def test_the_schema_agrees_where_it_can(vector: dict[str, Any]) -> None:
    manifest = json.loads(m2kt.packet.container.unpack((HERE / vector["file"]).read_bytes()).manifest)
    name = vector["name"].removeprefix("manifest-")
    seen = (vector["verdict"] == "refuse" and vector["rule"] not in UNSEEN_BY_SCHEMA) or name in SEEN_ALL_THE_SAME
    valid = jsonschema.Draft202012Validator(schema()).is_valid(manifest)
    assert valid != (seen and name not in UNSEEN_ALL_THE_SAME)


def accepts(vector: dict[str, Any]) -> bool:
    with suppress(Exception):  # what a rule kept out may break the code behind it
        return not by_standalone((HERE / vector["file"]).read_bytes(), vector.get("keys", INDEX["keys"])).refused
    return False


@pytest.mark.parametrize("rule", sorted(BROKEN - BACKED_UP))
def test_a_verifier_that_forgets_one_rule_accepts_a_vector(monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    need = standalone.need
    monkeypatch.setattr(standalone, "need", lambda holds, group, named: need(holds or named == rule, group, named))
    assert any(accepts(each) for each in VECTORS if each.get("rule") == rule)
