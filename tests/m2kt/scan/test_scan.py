"""Each check stops at what it is for, and whatever goes wrong counts against the packet."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from m2kt import scan as scan_package
from m2kt.packet import Manifest, build_packet
from m2kt.packet.container import MAGIC
from m2kt.scan import CHECK_NAMES, CHECKS, Outcome, Policy, Verdict, scan
from m2kt.scan.check import Check, Subject
from m2kt.scan.exact import digests, finite, moved, norms, precision, references, values
from m2kt.scan.headers import headers
from m2kt.scan.verdict import CheckResult, Weight
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate
from tests.small import small_packet

POLICY = Policy()


def found(check, packet, policy=POLICY):
    return [str(each) for each in check(Subject(packet, policy)) if not each.note]


def with_tensors(**tensors):
    """A packet that nobody could have read from a file: some rules are broken on purpose."""
    packet = small_packet()
    changed = {**packet.tensors, **{name.replace("__", "/"): each for name, each in tensors.items()}}
    return dataclasses.replace(packet, tensors=changed)


def signed(packet):
    return sign_packet(packet, generate())


def test_a_sound_packet_passes_every_check():
    verdict = scan(signed(small_packet()))
    assert verdict.passed, verdict
    assert [each.name for each in verdict.checks] == list(CHECK_NAMES)
    assert {each.outcome for each in verdict.checks} == {Outcome.PASS, Outcome.NOT_RUN}
    unrun = {each.name: each.evidence[0] for each in verdict.checks if each.outcome is Outcome.NOT_RUN}
    assert "too few" in unrun.pop("hubs")
    assert all(unrun.values()), "what did not run says why"


def test_a_changed_tensor_is_not_what_the_manifest_says():
    support = np.full(9, 7, np.int32)
    assert found(digests, with_tensors(concepts__support=support)) == [
        "concepts/support: its bytes are not what the manifest says"
    ]
    assert "Merkle" in found(digests, dataclasses.replace(small_packet(), packet_id="sha256:" + "0" * 64))[0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_found(value):
    dispersion = np.full(9, 0.1, np.float32)
    dispersion[4] = value
    assert found(finite, with_tensors(concepts__dispersion=dispersion)) == [
        "concepts/dispersion: 1 values are NaN or infinite"
    ]


def test_zero_rows_and_drowning_rows_are_findings():
    centroids = np.random.default_rng(0).normal(size=(9, 8)).astype(np.float32)
    centroids[2] = 0
    assert found(norms, with_tensors(concepts__centroids=centroids)) == ["concepts/centroids: 1 rows are zero (rows 2)"]
    centroids[2] = 5000
    assert "rows 2" in found(norms, with_tensors(concepts__centroids=centroids))[0]


@pytest.mark.parametrize(("rows", "weight"), [(9, Weight.NOTE), (60, Weight.SUSPICION)])
def test_outlying_norms_are_suspicious_where_there_are_enough_of_them(rows, weight):
    centroids = np.random.default_rng(0).normal(size=(rows, 8)).astype(np.float32)
    centroids[3] *= 50
    findings = list(norms(Subject(with_tensors(concepts__centroids=centroids))))
    assert [each.weight for each in findings] == [weight]
    assert f"1 of {rows} norms are outliers (rows 3)" in str(findings[0])


def test_equal_norms_have_no_outliers():
    assert list(norms(Subject(with_tensors(concepts__centroids=np.eye(9, 8, dtype=np.float32) + 0.5)))) is not None
    same = np.ones((9, 8), np.float32)
    assert not [each for each in norms(Subject(with_tensors(concepts__centroids=same))) if "centroids" in each.where]


def test_an_index_that_points_at_nothing_is_found():
    assert "groundings" in found(references, with_tensors(concepts__groundings=np.full((9, 2), 99, np.int32)))[0]
    assert "rank" in found(references, with_tensors(graph__decisions=np.zeros(3, np.int32)))[0]


def test_a_ledger_that_does_not_say_what_the_tensors_hold_is_found():
    packet = small_packet()
    said = {**packet.manifest.ledger, "examples_moved": 7}
    lying = dataclasses.replace(packet, manifest=dataclasses.replace(packet.manifest, ledger=said))
    truth = packet.manifest.ledger["examples_moved"]
    assert found(moved, lying) == [f"ledger.examples_moved: the manifest says 7, the tensors hold {truth}"]
    less = {key: value for key, value in packet.manifest.ledger.items() if key != "bytes"}
    assert (
        "the manifest says None"
        in found(moved, dataclasses.replace(packet, manifest=dataclasses.replace(packet.manifest, ledger=less)))[0]
    )
    rebuilt = build_packet(Manifest.from_bytes(lying.manifest.to_bytes()), dict(packet.tensors))
    verdict = scan(signed(rebuilt))
    assert [each.name for each in verdict.findings] == ["ledger"]


def test_bits_below_the_declared_precision_are_found():
    packet = small_packet()
    declared = {**packet.manifest.precision, "concepts/dispersion": 3}
    claims = dataclasses.replace(packet, manifest=dataclasses.replace(packet.manifest, precision=declared))
    assert "3 mantissa bits" in found(precision, claims)[0]


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", MAGIC, MAGIC + b"\xff" * 100])
def test_what_cannot_be_read_fails_and_leaves_the_rest_unrun(data):
    verdict = scan(data)
    assert not verdict.passed
    outcomes = {each.name: each.outcome for each in verdict.checks}
    assert outcomes.pop("structure") == Outcome.FAIL
    assert set(outcomes.values()) == {Outcome.NOT_RUN}


def test_a_flipped_bit_in_the_tensors_fails_the_digests_only():
    data = bytearray(signed(small_packet()))
    data[-1] ^= 1
    verdict = scan(bytes(data))
    assert [(each.name) for each in verdict.findings] in (["digests"], ["structure"])
    assert not verdict.passed


def test_a_check_that_breaks_counts_as_an_error_and_not_as_clean(monkeypatch):
    def broken(subject):
        raise ZeroDivisionError("oops")
        yield

    monkeypatch.setattr(scan_package, "CHECKS", (*CHECKS, Check("broken", "1", broken)))
    verdict = scan(signed(small_packet()))
    assert verdict.checks[-1].outcome == Outcome.ERROR
    assert not verdict.passed
    assert not list(verdict.findings)


def test_a_verdict_without_a_single_pass_does_not_pass():
    assert not Verdict(()).passed
    assert not Verdict((CheckResult("a", "1", Outcome.NOT_RUN, ()),)).passed


def test_the_program_prints_the_verdict_and_exits_by_it(tmp_path):
    good, bad = tmp_path / "good.m2kt", tmp_path / "bad.m2kt"
    good.write_bytes(signed(small_packet()))
    bad.write_bytes(b"nothing")
    for path, status in ((good, 0), (bad, 1), (tmp_path / "absent", 2)):
        done = subprocess.run([sys.executable, "-m", "m2kt.scan", str(path)], capture_output=True)
        assert done.returncode == status
        if status < 2:
            assert json.loads(done.stdout)["passed"] is (status == 0)


def test_subnormal_values_are_suspicious():
    dispersion = np.full(9, 1e-40, np.float32)
    assert found(values, with_tensors(concepts__dispersion=dispersion)) == [
        "concepts/dispersion: 9 of 9 values are subnormal"
    ]


def test_two_readers_that_disagree_about_a_file_are_a_finding():
    packet = small_packet()
    assert found(headers, packet) == []
    assert "second reader" in found(headers, dataclasses.replace(packet, tensor_bytes=packet.tensor_bytes[:-1]))[0]
    other = dataclasses.replace(packet, tensor_bytes=build_packet_bytes_with_one_bit_changed(packet))
    assert "one reader sees" in found(headers, other)[0]


def build_packet_bytes_with_one_bit_changed(packet):
    data = bytearray(packet.tensor_bytes)
    data[-1] ^= 1
    return bytes(data)


def test_a_duplicate_key_stops_the_second_reader():
    header = (
        b'{"a/b":{"data_offsets":[0,1],"dtype":"U8","shape":[1]},"a/b":{"data_offsets":[0,1],"dtype":"U8","shape":[1]}}'
    )
    data = len(header).to_bytes(8, "little") + header + b"x"
    assert "stands twice" in found(headers, dataclasses.replace(small_packet(), tensor_bytes=data))[0]


def test_the_program_names_a_policy_it_cannot_read(tmp_path):
    good, policy = tmp_path / "good.m2kt", tmp_path / "policy.json"
    good.write_bytes(signed(small_packet()))
    policy.write_text('{"tier": "nobody"}')
    done = subprocess.run(
        [sys.executable, "-m", "m2kt.scan", str(good), "--policy", str(policy)], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "no tier 'nobody'" in done.stderr
