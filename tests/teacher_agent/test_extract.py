"""What an extraction from the example teacher holds: exactly its own answers, and no text of its domain."""

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest

from m2kt.domains import Domain
from m2kt.errors import ExtractionRefused
from m2kt.neural.models import LanguageModel, load
from m2kt.packet import controls
from m2kt.packet.knowledge import UNUSED, Element, Knowledge, from_tensors, to_tensors
from teacher_agent.chains import Corpus
from teacher_agent.concepts import gather
from teacher_agent.extract import Extraction, extract
from teacher_agent.roles import Roles
from teacher_agent.shapes import Shape
from teacher_agent.slots import match_decisions
from tests.models import EXAMPLES
from tests.teacher_agent.parts import SETTINGS, SHORT_SETTINGS, ShortChains, silent

DIGITS, TRUTHS = set("0123456789abcdef"), set("TF")


@pytest.fixture(scope="module")
def knowledge(found: Extraction) -> Knowledge:
    return found.knowledge


def groundings(knowledge: Knowledge) -> list[tuple[str, ...]]:
    return [tuple(knowledge.symbols[each] for each in row if each != UNUSED) for row in knowledge.groundings]


def test_it_passes_every_check_of_the_format(knowledge: Knowledge) -> None:
    from_tensors(to_tensors(knowledge), knowledge.symbols, knowledge.leads)


def test_every_concept_is_well_formed(knowledge: Knowledge) -> None:
    """An operand, an operator and an operand of one world; a pattern cannot come out otherwise."""
    for left, operator, right in groundings(knowledge):
        digits = {left, right} <= DIGITS
        truths = {left, right} <= TRUTHS
        assert (digits and operator in "+-*#") or (truths and operator in "&|^")


def test_no_concept_comes_twice_and_each_has_its_support(knowledge: Knowledge) -> None:
    keys = list(zip(knowledge.classes.tolist(), groundings(knowledge), strict=True))
    assert len(set(keys)) == len(keys) <= SETTINGS.most_concepts
    assert knowledge.support.min() >= SETTINGS.least_support
    assert (np.diff(knowledge.support) <= 0).all()
    assert np.isfinite(knowledge.centroids).all()


def test_both_worlds_have_their_class(knowledge: Knowledge) -> None:
    assert knowledge.class_count == 2
    sizes = Counter(knowledge.classes.tolist())
    assert min(sizes.values()) <= 12  # 2 x 3 x 2 truths
    assert max(sizes.values()) > 800  # of 16 x 4 x 16


def own_answers(corpus: Corpus) -> dict[tuple[str, ...], str]:
    """What the teacher itself writes after each ``held operator operand =``, read from its chains as text."""
    seen: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for chain in corpus.chains:
        words = [corpus.symbols[each] for each in chain.symbols]
        for place in range(chain.prompt, len(words)):
            if words[place] == "=":
                seen[tuple(words[place - 3 : place])][words[place + 1]] += 1
    return {key: counter.most_common(1)[0][0] for key, counter in seen.items()}


def test_every_concept_decodes_to_what_the_teacher_itself_writes(knowledge: Knowledge, corpus: Corpus) -> None:
    answers = own_answers(corpus)
    decoded = knowledge.anchor_strings[controls.decoded(knowledge)]
    wrong = [
        grounding
        for grounding, symbol in zip(groundings(knowledge), decoded, strict=True)
        if knowledge.symbols[symbol] != answers[grounding]
    ]
    assert wrong == []


def test_anchors_are_the_symbols_that_decisions_bring_up(knowledge: Knowledge) -> None:
    assert {knowledge.symbols[each] for each in knowledge.anchor_strings} == DIGITS | TRUTHS


def test_coverage_says_what_share_of_the_chains_and_of_their_decisions_is_explained(found: Extraction) -> None:
    templates = found.knowledge.templates
    decisions = sum(each.support * int((each.elements[:, 0] == Element.DECISION).sum()) for each in templates)
    assert found.coverage["chains"] == pytest.approx(sum(each.support for each in templates) / SETTINGS.probes)
    assert found.coverage["decisions"] == pytest.approx(found.knowledge.support.sum() / decisions)
    assert found.coverage["weakest_role"] > 0.3
    assert found.coverage["strongest_other"] < 0.05


def test_every_query_of_the_teacher_is_counted(found: Extraction, corpus: Corpus) -> None:
    assert found.queries > corpus.tokens_written + len(corpus.chains)


def test_the_graph_holds_no_result(knowledge: Knowledge) -> None:
    """What varies is a slot, a copy or a decision; fixed text is punctuation."""
    for template in knowledge.templates:
        fixed = template.elements[template.elements[:, 0] == Element.LITERAL, 1]
        assert {knowledge.symbols[each] for each in fixed} <= {":", "=", ";"}


def test_symbols_and_leads_are_single_words_and_no_prompt(knowledge: Knowledge, domain: Domain) -> None:
    assert all(symbol.strip() == symbol and len(symbol) == 1 for symbol in knowledge.symbols)
    assert set(knowledge.leads) == {"", " "}
    for prompt in domain.probes(SETTINGS.seed, 50):
        assert prompt not in knowledge.symbols


# Runs of their own


def short(teacher: LanguageModel, **changes: object) -> Extraction:
    return extract(teacher, ShortChains(), replace(SHORT_SETTINGS, **changes), silent)  # type: ignore[arg-type]


def test_equal_seeds_give_equal_tensors(teacher: LanguageModel) -> None:
    first, again, other = (short(teacher, seed=seed) for seed in (3, 3, 4))
    tensors, same, others = (to_tensors(each.knowledge) for each in (first, again, other))
    assert all(tensors[name].tobytes() == same[name].tobytes() for name in tensors)
    assert (first.coverage, first.queries) == (again.coverage, again.queries)
    assert tensors["concepts/centroids"].tobytes() != others["concepts/centroids"].tobytes()


def test_a_domain_that_nobody_here_has_seen_works_unchanged(teacher: LanguageModel) -> None:
    found = short(teacher)
    assert {len(each) for each in found.knowledge.templates} == {9, 17}
    assert found.knowledge.class_count == 1
    assert found.coverage["chains"] == found.coverage["decisions"] == 1.0


@pytest.mark.parametrize(
    ("floor", "what"),
    [
        (1.01, r"1\.00 of the teacher's chains, below the floor of 1\.01 \(240 of 240"),
        (0.9, r"0\.\d\d of the teacher's decisions"),
    ],
)
def test_below_the_floor_it_refuses_and_names_the_share(teacher: LanguageModel, floor: float, what: str) -> None:
    with pytest.raises(ExtractionRefused, match=what):
        short(teacher, floor=floor, least_support=1 if floor > 1 else 2)


def test_a_teacher_that_never_ends_its_chains_is_refused(teacher: LanguageModel) -> None:
    with pytest.raises(ExtractionRefused, match=r"finished none of 240 chains .*unfinished.*240"):
        short(teacher, max_new_tokens=2)


def test_shapes_too_rare_to_be_explained_are_refused(teacher: LanguageModel) -> None:
    with pytest.raises(ExtractionRefused, match=r"0\.00 of the teacher's chains"):
        short(teacher, least_chains=500)


@pytest.fixture
def broken() -> LanguageModel:
    """The example teacher with one weight that is no number."""
    teacher = load(EXAMPLES / "teacher")
    teacher.model.model.layers[1].mlp.down_proj.weight[0, 0] = float("nan")
    return teacher


def test_a_teacher_with_a_weight_that_is_no_number_is_refused(broken: LanguageModel) -> None:
    with pytest.raises(ExtractionRefused):
        short(broken)


def test_states_that_are_no_numbers_are_refused(broken: LanguageModel, shapes: list[Shape], roles: list[Roles]) -> None:
    with pytest.raises(ExtractionRefused, match="NaN"):
        gather(broken, shapes[:1], match_decisions(shapes[:1], roles[:1]))
