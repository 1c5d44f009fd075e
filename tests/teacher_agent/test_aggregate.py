"""Several packets become one: the mean by support, the graph by what it says; what does not fit is refused by name."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from m2kt.agent.child import run_child
from m2kt.errors import AggregationRefused, DigestMismatch, LedgerMismatch, M2KTError, UnknownKey, UsageError
from m2kt.packet import Packet, PacketKind, ledger
from m2kt.packet.knowledge import Element, Knowledge, Template, from_tensors, to_tensors
from m2kt.packet.manifest import DomainRef
from m2kt.scan import scan
from m2kt.signing import TrustStore, sign_packet, verify_packet
from m2kt.signing.keys import generate, load_private, write_private, write_public
from teacher_agent.aggregate import require_fit, run, teacher_of
from teacher_agent.merge import merge
from tests.broker.conftest import make_packet
from tests.small import negated_knowledge, next_knowledge, packet_of, small_knowledge

Spec = dict[str, Any]


def part(scale: float, support: int) -> Knowledge:
    """`small_knowledge` from other states: centroids longer or shorter, and seen more or less often."""
    small = small_knowledge()
    return replace(
        small,
        centroids=(small.centroids * scale).astype(np.float16),
        support=np.full(9, support, np.int32),
        templates=(Template(small.templates[0].elements, 9 * support),),
    )


def renumbered(knowledge: Knowledge) -> Knowledge:
    """The same knowledge with its strings in reverse order and its concepts shuffled."""
    last = len(knowledge.symbols) - 1
    elements = knowledge.templates[0].elements.copy()
    literal = elements[:, 0] == 0
    elements[literal, 1] = last - elements[literal, 1]
    order = np.random.default_rng(3).permutation(len(knowledge.centroids))
    return replace(
        knowledge,
        symbols=knowledge.symbols[::-1],
        leads=knowledge.leads[::-1],
        centroids=knowledge.centroids[order],
        dispersion=knowledge.dispersion[order],
        support=knowledge.support[order],
        groundings=(last - knowledge.groundings[order]).astype(np.int32),
        classes=knowledge.classes[order],
        anchor_strings=(last - knowledge.anchor_strings).astype(np.int32),
        templates=(Template(_leads_reversed(elements), knowledge.templates[0].support),),
        alphabets=knowledge.alphabets[:, ::-1].copy(),
    )


def _leads_reversed(elements: np.ndarray) -> np.ndarray:
    found = elements.copy()
    found[:, 2] = 1 - found[:, 2]
    return found


# The tensors


def test_concepts_with_one_key_are_the_mean_by_support_and_the_spread_of_the_pool() -> None:
    one, two = part(1.0, 6), part(2.0, 18)
    found = merge([one, two])
    mean = (one.centroids.astype(float) * 6 + two.centroids.astype(float) * 18) / 24
    np.testing.assert_allclose(found.knowledge.centroids, mean.astype(np.float16), rtol=1e-3)
    assert (found.shared, found.conflicts) == (9, 0)
    assert found.knowledge.support.tolist() == [24] * 9
    distance = [((each.astype(float) - mean) ** 2).sum(1) for each in (one.centroids, two.centroids)]
    pooled = np.sqrt((6 * (0.01 + distance[0]) + 18 * (0.01 + distance[1])) / 24)
    np.testing.assert_allclose(found.knowledge.dispersion, pooled, rtol=1e-3)
    assert found.knowledge.templates[0].support == 9 * 24


def test_the_pool_is_what_one_packet_of_all_states_would_hold() -> None:
    random = np.random.default_rng(0)
    states = random.normal(size=(9, 10, 8)) * 0.02 + small_knowledge().centroids.astype(float)[:, None]

    def seen(some: np.ndarray) -> Knowledge:
        mean = some.mean(1)
        spread = np.sqrt(((some - mean[:, None]) ** 2).sum(2).mean(1))
        support = np.full(9, some.shape[1], np.int32)
        return replace(
            small_knowledge(), centroids=mean.astype(np.float32), dispersion=spread.astype(np.float32), support=support
        )

    found, whole = merge([seen(states[:, :3]), seen(states[:, 3:])]).knowledge, seen(states)
    np.testing.assert_allclose(found.centroids, whole.centroids, atol=1e-5)
    np.testing.assert_allclose(found.dispersion, whole.dispersion, atol=1e-5)


def test_how_a_packet_numbers_its_strings_does_not_matter() -> None:
    straight, other = merge([part(1.0, 6), part(2.0, 18)]), merge([part(1.0, 6), renumbered(part(2.0, 18))])
    np.testing.assert_array_equal(straight.knowledge.centroids, other.knowledge.centroids)
    np.testing.assert_array_equal(straight.knowledge.groundings, other.knowledge.groundings)
    assert len(other.knowledge.templates) == 1


def with_negation() -> Knowledge:
    """The plain template, and beside it the one that goes on with a negation: three decisions of two classes."""
    plain, negated = small_knowledge(), negated_knowledge()
    longer = negated.templates[0].elements.copy()
    longer[longer[:, 0] == Element.DECISION, 1] += 1
    return replace(
        negated,
        templates=(plain.templates[0], Template(longer, 20)),
        decisions=np.array([[0, 0, 2], *negated.decisions.tolist()], np.int32),
        swap=np.ones((3, 10), np.float16),
        gradient=np.zeros((3, 10), np.float16),
    )


def test_what_only_one_packet_knows_is_kept() -> None:
    for parts in ([small_knowledge(), with_negation()], [with_negation(), small_knowledge()]):
        found = merge(parts)
        assert (len(found.knowledge.centroids), found.shared, len(found.knowledge.templates)) == (12, 9, 2)
        read = from_tensors(to_tensors(found.knowledge), found.knowledge.symbols, found.knowledge.leads)
        assert (read.class_count, len(read.decisions), read.attention) == (2, 3, None)


def test_maps_are_averaged_by_the_support_of_their_template() -> None:
    found = merge([part(1.0, 6), replace(part(2.0, 18), swap=np.zeros((1, 5), np.float16))])
    np.testing.assert_allclose(found.knowledge.swap, [[0.7 / 4, 0, 0.6 / 4, 0, 0]], atol=1e-3)


def test_packets_that_cut_decisions_into_other_classes_are_refused() -> None:
    cut = replace(with_negation(), decisions=np.array([[0, 0, 2], [1, 0, 2], [2, 7, -1]], np.int32))
    with pytest.raises(AggregationRefused, match="tells decisions apart that another packet has as one class"):
        merge([with_negation(), cut])


def test_packets_without_a_common_decision_are_refused() -> None:
    with pytest.raises(AggregationRefused, match="packet 2 shares no decision"):
        merge([small_knowledge(), negated_knowledge()])


def test_a_concept_that_decodes_to_different_symbols_is_left_out_and_counted() -> None:
    small = small_knowledge()
    swapped = small.centroids.copy()
    swapped[[0, 1]] = swapped[[1, 0]]  # 0 + 0 and 0 + 1
    found = merge([small, replace(small, centroids=swapped)])
    assert (found.shared, found.conflicts, len(found.knowledge.centroids)) == (9, 2, 7)


def test_teachers_with_other_embeddings_are_refused() -> None:
    with pytest.raises(AggregationRefused, match=r"packet 2 has another anchor for '0'.*different spaces"):
        merge([small_knowledge(), small_knowledge(seed=1)])


def test_packets_with_nothing_in_common_are_refused() -> None:
    with pytest.raises(AggregationRefused, match="packet 2 shares no anchor"):
        merge([small_knowledge(), next_knowledge()])


# The job


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """An aggregation that succeeds."""
    (tmp_path / "trust").mkdir()
    teacher = generate()
    write_public(tmp_path / "trust" / "teacher.pub", teacher.public_key())
    write_private(tmp_path / "worker.key", generate())
    paths = [tmp_path / f"{n}.m2kt" for n in range(2)]
    for path, (scale, support) in zip(paths, ((1.0, 6), (2.0, 18)), strict=True):
        path.write_bytes(sign_packet(packet_of(part(scale, support), f"{support}.0.0"), teacher))
    return {
        "packets": [str(each) for each in paths],
        "trust": str(tmp_path / "trust"),
        "name": "tests/all",
        "version": "1.0.0",
        "key": str(tmp_path / "worker.key"),
        "out": str(tmp_path / "out.m2kt"),
    }


def written(spec: Spec) -> Packet:
    trust = TrustStore([load_private(Path(spec["key"])).public_key()])
    return verify_packet(Path(spec["out"]).read_bytes(), trust).packet


def test_a_child_signs_an_aggregate_that_passes_the_scan_and_names_its_parents(spec: Spec) -> None:
    found = run_child("teacher_agent", "aggregate", spec)
    packet = written(spec)
    assert (packet.packet_id, packet.manifest.kind) == (found["packet_id"], PacketKind.AGGREGATE)
    assert list(packet.manifest.parents) == found["parents"]
    assert (found["concepts"], found["shared"], found["conflicts"]) == (9, 9, 0)
    assert packet.manifest.ledger[ledger.QUERIES] == 200
    verdict = scan(Path(spec["out"]).read_bytes())
    assert verdict.passed
    assert {each.outcome for each in verdict.checks} == {"pass", "not-run"}


def test_an_aggregate_is_aggregated_again(spec: Spec, tmp_path: Path) -> None:
    run(spec)
    write_public(tmp_path / "trust" / "worker.pub", load_private(Path(spec["key"])).public_key())
    again = {
        **spec,
        "packets": [spec["packets"][0], spec["out"]],
        "out": str(tmp_path / "again.m2kt"),
        "version": "2.0.0",
    }
    run(again)
    assert len(written(again).manifest.parents) == 2


def test_the_child_loads_no_torch(spec: Spec) -> None:
    program = "import sys, teacher_agent.aggregate; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def distrust(spec: Spec) -> None:
    for each in Path(spec["trust"]).iterdir():
        each.unlink()
    write_public(Path(spec["trust"]) / "x.pub", generate().public_key())


def flip(spec: Spec) -> None:
    path = Path(spec["packets"][1])
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def twice(spec: Spec) -> None:
    spec["packets"] = [spec["packets"][0]] * 2


def alone(spec: Spec) -> None:
    spec["packets"] = spec["packets"][:1]


def unread(spec: Spec) -> None:
    spec["packets"] = [*spec["packets"], "/nowhere/x.m2kt"]


def misspell(spec: Spec) -> None:
    spec["licens"] = "x"


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (distrust, UnknownKey, "key"),
        (flip, DigestMismatch, "sha256"),
        (twice, AggregationRefused, "named twice"),
        (alone, UsageError, "2 to 64"),
        (unread, UsageError, "cannot read"),
        (misspell, UsageError, "licens"),
    ],
)
def test_an_aggregation_that_cannot_be_writes_nothing(
    spec: Spec, spoil: Callable[[Spec], None], error: type[M2KTError], words: str
) -> None:
    spoil(spec)
    with pytest.raises(error, match=words):
        run(spec)
    assert not Path(spec["out"]).exists()


def test_a_packet_whose_ledger_lies_is_refused_by_name(spec: Spec, tmp_path: Path) -> None:
    key = generate()
    write_public(tmp_path / "trust" / "liar.pub", key.public_key())
    lying = packet_of(part(1.0, 6), "9.0.0", lies={"logit_rows_recoverable": 0})
    (tmp_path / "1.m2kt").write_bytes(sign_packet(lying, key))
    with pytest.raises(LedgerMismatch, match=r"tests/addition@9.0.0"):
        run(spec)
    assert not Path(spec["out"]).exists()


def test_a_packet_without_concepts_is_refused_by_name(spec: Spec, tmp_path: Path) -> None:
    key = generate()
    write_public(tmp_path / "trust" / "other.pub", key.public_key())
    (tmp_path / "1.m2kt").write_bytes(sign_packet(make_packet(), key))
    with pytest.raises(AggregationRefused, match=r"acme/chains@1.0.0 is of kind anchors"):
        run(spec)


def with_manifest(**changes: Any) -> Packet:
    packet = packet_of(small_knowledge(), "2.0.0")
    teacher = {name: changes.pop(name) for name in ("family", "tokenizer_sha256") if name in changes}
    manifest = replace(packet.manifest, **changes, teacher=replace(packet.manifest.teacher, **teacher))
    return replace(packet, manifest=manifest)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"domain": DomainRef("addition", "2.0.0")}, "addition@2.0.0, not addition@1.0.0"),
        ({"domain": DomainRef("other", "1.0.0")}, "other@1.0.0"),
        ({"family": "gpt2"}, "differ in family"),
        ({"tokenizer_sha256": "sha256:" + "1" * 64}, "differ in tokenizer_sha256"),
    ],
)
def test_packets_that_do_not_fit_are_refused_with_what_differs(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(AggregationRefused, match=words):
        require_fit([packet_of(small_knowledge()), with_manifest(**changes)])


def test_several_teachers_are_named_as_one_whatever_their_order() -> None:
    one = packet_of(small_knowledge()).manifest.teacher
    two = replace(one, weights_sha256="sha256:" + "2" * 64, parameters=500)
    assert teacher_of([one, one]) == one
    assert teacher_of([one, two]) == teacher_of([two, one])
    assert (teacher_of([one, two]).name, teacher_of([one, two]).parameters) == ("2 teachers", 1500)
