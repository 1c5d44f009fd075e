"""Probes that cannot be read, teachers that know nothing, models that break: told, counted, and nothing half made."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from m2kt.domains import Judged
from m2kt.domains import load as load_domain
from m2kt.errors import DomainError, ExtractionRefused, OutOfMemory
from m2kt.neural.models import LanguageModel, load
from teacher_agent.agreement import Agreement
from teacher_agent.chains import write_chains
from teacher_agent.extract import Extraction, extract
from tests.models import EXAMPLES
from tests.teacher_agent.parts import SHORT_SETTINGS, ShortChains, silent


@dataclass(frozen=True)
class Mixed:
    """Short chains with other things among them."""

    others: Sequence[object]
    name: str = "mixed"
    version: str = "1.0.0"

    def probes(self, seed: int, count: int) -> Iterator[str]:
        good = ShortChains().probes(seed, count - len(self.others))
        yield from self.others  # type: ignore[misc]
        yield from good


def short(teacher: LanguageModel, domain: object = None, **changes: object) -> Extraction:
    settings = replace(SHORT_SETTINGS, **changes)  # type: ignore[arg-type]
    return extract(teacher, domain or ShortChains(), settings, silent)  # type: ignore[arg-type]


# Probes


def test_probes_that_the_teacher_cannot_parse_are_left_out_and_counted(teacher: LanguageModel) -> None:
    unreadable = ["", "3 + Zürich :", " ".join(["3 +"] * 400), "\U0001f600"]
    corpus = write_chains(teacher, [*unreadable, "3 + 5 :"], 96)
    assert corpus.lost == {
        "empty prompts": 1,
        "prompts with unknown tokens": 2,
        "prompts longer than the context": 1,
    }
    assert (len(corpus.chains), corpus.asked) == (1, 5)


def test_a_packet_says_what_share_of_its_probes_was_readable(teacher: LanguageModel) -> None:
    found = short(teacher, Mixed(["the cat"] * 24))
    assert found.coverage["readable"] == found.coverage["chains"] == 0.9


def test_below_the_floor_unreadable_probes_refuse_the_build_and_say_why(teacher: LanguageModel) -> None:
    with pytest.raises(
        ExtractionRefused, match=r"120 of 240 chains readable, lost: \{'prompts with unknown tokens': 120\}"
    ):
        short(teacher, Mixed(["the cat"] * 120))


def test_probes_that_are_all_unreadable_are_refused(teacher: LanguageModel) -> None:
    with pytest.raises(ExtractionRefused, match=r"finished none of 60 chains .*unknown tokens.*60"):
        short(teacher, Mixed(["the cat"] * 60), probes=60)


def test_a_domain_whose_probes_are_no_text_is_named(teacher: LanguageModel) -> None:
    with pytest.raises(DomainError, match="hold 7, which is no text"):
        short(teacher, Mixed([7]))


def test_a_domain_without_probes_is_refused(teacher: LanguageModel) -> None:
    with pytest.raises(ExtractionRefused, match="none of 0 chains"):
        short(teacher, Mixed([], "empty"), probes=0)


def test_another_version_of_the_domain_than_the_one_asked_for_is_refused() -> None:
    assert load_domain("chains@1.0.0").version == "1.0.0"
    with pytest.raises(DomainError, match=r"installed in version 1\.0\.0, not 2\.0\.0"):
        load_domain("chains@2.0.0")


# Teachers at chance


@dataclass(frozen=True)
class JudgedChains(ShortChains):
    """Knows what sums are right, and nothing of the secret operator."""

    chance: float = 1 / 16

    def right(self, prompt: str, continuation: str) -> bool | None:
        words = prompt.split()
        if "#" in words:
            return None
        total = sum(int(each, 16) for each in words[:-1:2]) % 16
        return continuation.split()[-1] == f"{total:x}"


@pytest.fixture(scope="module")
def guessing() -> LanguageModel:
    """The example student: it knows the form of the chains and guesses every result."""
    return load(EXAMPLES / "student")


def test_a_teacher_that_its_domain_finds_at_chance_is_refused(guessing: LanguageModel) -> None:
    assert isinstance(JudgedChains(), Judged)
    assert not isinstance(ShortChains(), Judged)
    with pytest.raises(
        ExtractionRefused, match=r"at chance: 0\.\d\d of its chains are right, of guesses 0\.06"
    ) as caught:
        short(guessing, JudgedChains(), floor=0.0)
    assert "--force" in caught.value.hint


def test_a_teacher_at_chance_is_built_from_when_forced_and_the_packet_says_so(guessing: LanguageModel) -> None:
    found = short(guessing, JudgedChains(), force=True)
    assert len(found.knowledge.centroids) > 10
    assert found.coverage["accuracy"] < 0.12
    assert found.coverage["chains"] < 0.8


def test_a_teacher_that_knows_passes_its_judge(teacher: LanguageModel) -> None:
    assert short(teacher, JudgedChains()).coverage["accuracy"] > 0.95


def test_where_nobody_judges_a_guessing_teacher_shows_in_its_roles(guessing: LanguageModel) -> None:
    with pytest.raises(ExtractionRefused, match=r"depends on nothing or on more than 4 symbols, as guesses do"):
        short(guessing)


def test_agreement_of_a_guesser_is_chance_and_of_one_that_knows_is_whole() -> None:
    rng = random.Random(0)
    knows, guesses = Agreement(), Agreement()
    for _ in range(4000):
        fact = rng.randrange(200)
        knows.add([(0, (fact,))], [fact % 5])
        guesses.add([(0, (fact,))], [rng.randrange(5)])
    assert knows.shares() == (1.0, pytest.approx(0.2, abs=0.02))
    assert guesses.shares() == (pytest.approx(0.2, abs=0.02), pytest.approx(0.2, abs=0.02))


def test_agreement_is_over_pairs_so_that_few_members_look_no_better() -> None:
    """Two guesses at each of many facts: the more frequent symbol is at least half of them, which says nothing."""
    rng = random.Random(1)
    found = Agreement()
    for fact in range(3000):
        found.add([(0, (fact,))] * 2, [rng.randrange(4), rng.randrange(4)])
    alike, chance = found.shares()
    assert alike == pytest.approx(chance, abs=0.03)


def test_where_nothing_was_seen_twice_agreement_says_nothing() -> None:
    once = Agreement()
    once.add([(0, (1,)), (0, (2,))], [3, 4])
    assert once.shares() == (1.0, 0.0)


def test_a_teacher_that_contradicts_itself_is_refused_unless_forced(
    teacher: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(2)
    real = Agreement.add
    monkeypatch.setattr(Agreement, "add", lambda self, keys, said: real(self, keys, [rng.randrange(9) for _ in said]))
    with pytest.raises(ExtractionRefused, match="at chance: it decides alike in"):
        short(teacher)
    assert short(teacher, force=True).coverage["agreement"] < 0.2


# Models that break


def test_a_teacher_whose_states_are_no_numbers_is_refused_before_it_writes() -> None:
    broken = load(EXAMPLES / "teacher")
    broken.model.model.layers[1].mlp.down_proj.weight[0, 0] = float("nan")
    with pytest.raises(ExtractionRefused, match="NaN or infinity") as caught:
        short(broken)
    assert "dtype" in caught.value.hint


def test_a_device_without_memory_for_one_probe_is_told_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from m2kt.signing.keys import generate, write_private
    from teacher_agent import job

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    write_private(tmp_path / "key.pem", generate())
    real = job.load

    def starved(*given: object) -> LanguageModel:
        lm = real(*given)  # type: ignore[arg-type]
        monkeypatch.setattr(lm.model, "generate", full)
        return lm

    monkeypatch.setattr(job, "load", starved)
    spec = {
        "model": str(EXAMPLES / "teacher"),
        "domain": "chains",
        "name": "tests/chains",
        "version": "1.0.0",
        "key": str(tmp_path / "key.pem"),
        "out": str(tmp_path / "packet.m2kt"),
        "device": "cpu",
        "settings": {"probes": 40},
    }
    with pytest.raises(OutOfMemory, match="single sequence"):
        job.run(spec)
    assert not (tmp_path / "packet.m2kt").exists()
