import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2kt.errors import ManifestError
from m2kt.packet import Manifest, PacketKind, TensorEntry, canonical, fields

Describe = Callable[..., Manifest]


def altered(manifest: Manifest, path: str, value: object) -> bytes:
    """The manifest's bytes with one value changed; ``path`` is dotted, numbers index lists."""
    document = json.loads(manifest.to_bytes())
    *parents, last = path.split(".")
    place: Any = document
    for each in parents:
        place = place[int(each) if each.isdigit() else each]
    place[last] = value
    return canonical.dumps(document)


def test_round_trip(manifest: Manifest) -> None:
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


def test_bytes_are_the_golden_ones(manifest: Manifest, golden: Callable[[str, bytes], None]) -> None:
    golden("manifest.json", manifest.to_bytes())


def test_describe_states_the_precision_of_every_float_tensor(manifest: Manifest) -> None:
    assert manifest.precision == {"concepts/centroids": 10, "concepts/dispersion": 10}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("schema", "m2kt.packet/2"),
        ("kind", "wisdom"),
        ("kind", 1),
        ("kind", "exchange"),  # whose tensors may not stand in concepts/
        ("name", "../x"),
        ("name", "a//b"),
        ("name", "a/./b"),
        ("name", "/a"),
        ("name", "a/"),
        ("name", "A"),
        ("name", "a" * 129),
        ("name", "a\n"),
        ("version", "1.2"),
        ("version", "01.2.3"),
        ("version", "1.2.3\n"),
        ("created", "2026-02-30T00:00:00Z"),
        ("created", "2026-01-31T12:00:00+00:00"),
        ("created", "2026-01-31T12:00:60Z"),
        ("domain", {"name": "chains"}),
        ("domain", {"name": "chains", "version": "1.0.0", "more": 1}),
        ("domain", "chains"),
        ("teacher.parameters", 0),
        ("teacher.parameters", True),
        ("teacher.parameters", "7"),
        ("teacher.weights_sha256", "sha256:AB" + "ab" * 31),
        ("teacher.weights_sha256", "ab" * 32),
        ("teacher.name", "a\u202eb"),
        ("teacher.family", ""),
        ("teacher.family", "x" * 129),
        ("extraction.seed", -1),
        ("extraction.settings", {"a": None}),
        ("extraction.settings", {"a": ["b"]}),
        ("extraction.settings", {"": 1}),
        ("extraction.settings", {f"k{index}": 1 for index in range(65)}),
        ("confidence", {"mean": 1}),
        ("confidence", {"mean": "1e3"}),
        ("confidence", {"mean": ".5"}),
        ("coverage", {"x": "a\nb"}),
        ("licence", "x\x1b[31m"),
        ("parents", ["sha256:x"]),
        ("parents", ["sha256:" + "ab" * 32] * 2),
        ("parents", "sha256:" + "ab" * 32),
        ("precision", {}),
        ("precision", {"concepts/centroids": 11, "concepts/dispersion": 10}),
        ("precision", {"concepts/centroids": 1, "concepts/dispersion": 1, "concepts/classes": 1}),
        ("ledger", {"bytes": -1}),
        ("ledger", {"bytes": "45"}),
        ("symbols", ["a\r"]),
        ("symbols", [1]),
        ("symbols", ["x" * 1025]),
        ("symbols", ["x"] * 65_537),
        ("leads", ["\x7f"]),
        ("tensors", []),
        ("tensors", {}),
        ("tensors.0.name", "concepts/../x"),
        ("tensors.0.name", "zzz"),
        ("tensors.0.section", "graph"),
        ("tensors.0.dtype", "F64"),
        ("tensors.0.dtype", ["U8"]),
        ("tensors.0.shape", [0]),
        ("tensors.0.shape", [-1]),
        ("tensors.0.shape", [2**30, 2**30]),
        ("tensors.0.shape", [1] * 9),
        ("tensors.0.shape", [True]),
        ("tensors.0.sha256", "sha256:"),
        ("tensors.0.more", 1),
        ("more", 1),
    ],
)
def test_refuses(manifest: Manifest, path: str, value: object) -> None:
    with pytest.raises(ManifestError):
        Manifest.from_bytes(altered(manifest, path, value))


@pytest.mark.parametrize("key", [each.name for each in dataclasses.fields(Manifest)])
def test_no_key_may_be_missing(manifest: Manifest, key: str) -> None:
    document = json.loads(manifest.to_bytes())
    del document[key]
    with pytest.raises(ManifestError, match=r"^missing-key:"):
        Manifest.from_bytes(canonical.dumps(document))


@pytest.mark.parametrize("key", [each.name for each in dataclasses.fields(Manifest)])
@pytest.mark.parametrize("value", [None, True, 0, -1, "", "x", [], {}, [[]], {"a": {}}, ["\n"]])
def test_values_of_other_types_raise_nothing_else(manifest: Manifest, key: str, value: object) -> None:
    try:
        Manifest.from_bytes(altered(manifest, key, value))
    except ManifestError:
        return
    assert key in {"parents", "confidence", "coverage", "ledger", "symbols", "leads", "licence"} or value == "x"


def test_tensors_stand_in_name_order_each_once(manifest: Manifest) -> None:
    for rows in (manifest.tensors[::-1], (*manifest.tensors, manifest.tensors[-1])):
        with pytest.raises(ManifestError, match=r"^tensors:"):
            dataclasses.replace(manifest, tensors=rows)


def test_what_a_program_makes_obeys_the_same_rules(describe: Describe) -> None:
    with pytest.raises(ManifestError, match=r"^pattern:"):
        describe(name="Not A Name")
    with pytest.raises(ManifestError, match=r"^section:"):
        describe(kind=PacketKind.ANCHORS)


def test_a_manifest_past_4_mib_is_refused(describe: Describe) -> None:
    with pytest.raises(ManifestError, match=r"^size:"):
        describe(symbols=tuple("x" * 1000 for _ in range(5000))).to_bytes()


def test_an_entry_describes_its_array() -> None:
    entry = TensorEntry.of("graph/x", np.zeros((2, 3), np.int64))
    assert (entry.section, entry.dtype, entry.shape) == ("graph", "I64", (2, 3))


@given(st.text(max_size=40))
def test_names_never_lead_out(text: str) -> None:
    try:
        name = fields.name(text, "name")
    except ManifestError:
        return
    assert all(segment not in ("", ".", "..") for segment in name.split("/"))


@pytest.mark.parametrize("version", ["0.0.0", "1.2.3", "1.0.0-alpha.1", "1.0.0--x", "1.0.0+a.b", "1.0.0-0.a+9"])
def test_semantic_versions_are_read(version: str) -> None:
    assert fields.version(version, "version") == version


@pytest.mark.parametrize(
    "version", ["1", "1.0.0-", "1.0.0-01", "1.0.0+", "v1.0.0", "1.0.0 ", "١.0.0", "1.0.0-" + "a" * 60]
)
def test_other_versions_are_refused(version: str) -> None:
    with pytest.raises(ManifestError):
        fields.version(version, "version")
