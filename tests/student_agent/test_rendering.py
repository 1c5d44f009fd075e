"""Where the elements of a template land among a student's tokens."""

from dataclasses import replace

import numpy as np
import pytest
from tokenizers.normalizers import Lowercase
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer

from m2kt.errors import AlignmentRefused
from m2kt.neural.models import LanguageModel, Tokenizer
from m2kt.packet.knowledge import Knowledge, Template
from student_agent.probes import Probes, Unroller
from student_agent.rendering import render
from student_agent.training import Schedule
from student_agent.vocabulary import learn_vocabulary
from tests.models import EXAMPLES, word_tokenizer
from tests.small import small_knowledge
from tests.student_agent.parts import WORDS, teach


@pytest.fixture(scope="module")
def byte_pairs() -> Tokenizer:
    return AutoTokenizer.from_pretrained(EXAMPLES / "student")


def words() -> Tokenizer:
    return word_tokenizer(WORDS)


def with_start() -> Tokenizer:
    """A tokenizer that puts a mark before every text."""
    tokenizer = words()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<eos> $A", special_tokens=[("<eos>", tokenizer.eos_token_id)]
    )
    return tokenizer


def probes(knowledge: Knowledge, count: int = 20) -> Probes:
    unroller = Unroller(knowledge, [(a + b) % 3 for a in range(3) for b in range(3)])
    return unroller.unroll(knowledge.templates[0], count, np.random.default_rng(0))


def joined() -> Knowledge:
    """The same knowledge, written without any space."""
    return replace(small_knowledge(), leads=("", ""))


def spelled(*symbols: str) -> Knowledge:
    """The same knowledge with other strings for its symbols."""
    return replace(small_knowledge(), symbols=symbols)


@pytest.mark.parametrize("which", ["words", "byte pairs", "start mark"])
def test_every_element_has_the_token_that_spells_it(which: str, byte_pairs: Tokenizer) -> None:
    tokenizer = {"words": words(), "byte pairs": byte_pairs, "start mark": with_start()}[which]
    knowledge = small_knowledge()
    drawn = probes(knowledge)
    (part,) = render(knowledge, tokenizer, drawn)
    assert part.last.tolist() == [[place + (which == "start mark") for place in range(5)]] * 20
    assert part.first.tolist() == part.last.tolist()
    for row, ids, places in zip(part.rows, part.ids, part.last, strict=True):
        said = [tokenizer.decode([int(ids[place])]).strip() for place in places]
        assert said == [knowledge.symbols[symbol] for symbol in drawn.symbols[row]]


def test_chains_of_unequal_length_come_in_parts_that_cover_all(byte_pairs: Tokenizer) -> None:
    knowledge = spelled("0", "que", "cat", "+", "=")
    drawn = probes(knowledge, 40)
    parts = list(render(knowledge, byte_pairs, drawn))
    assert len({part.ids.shape[1] for part in parts}) == len(parts) > 1
    assert sorted(row for part in parts for row in part.rows.tolist()) == list(range(40))


def test_a_symbol_of_several_tokens_has_a_first_and_a_last(byte_pairs: Tokenizer) -> None:
    knowledge = spelled("0", "que", "2", "+", "=")
    drawn = probes(knowledge, 40)
    for part in render(knowledge, byte_pairs, drawn):
        assert ((part.last > part.first) == (drawn.symbols[part.rows] == 1)).all()
        for row, ids, first, last in zip(part.rows, part.ids, part.first, part.last, strict=True):
            spans = [ids[a : b + 1].tolist() for a, b in zip(first, last, strict=True)]
            said = [byte_pairs.decode(span).strip() for span in spans]
            assert said == [knowledge.symbols[symbol] for symbol in drawn.symbols[row]]


def test_every_symbol_is_tried_however_many_there_are(byte_pairs: Tokenizer) -> None:
    from tests.small import next_knowledge

    knowledge = next_knowledge(tuple(f"{n}" for n in range(90)))
    found = learn_vocabulary(knowledge, byte_pairs, 0)
    assert set(knowledge.anchor_strings.tolist()) <= set(found.decided)


def test_symbols_that_one_token_joins_have_no_place() -> None:
    (part,) = render(joined(), words(), probes(joined()))
    assert (part.last == -1).all()


def test_a_word_that_the_student_does_not_know_has_no_place() -> None:
    knowledge = spelled("0", "1", "two", "+", "=")
    drawn = probes(knowledge)
    (part,) = render(knowledge, words(), drawn)
    assert ((part.last < 0) == (drawn.symbols == 2)).all()


def test_one_symbol_may_have_two_tokens_and_both_are_learned(byte_pairs: Tokenizer) -> None:
    found = learn_vocabulary(small_knowledge(), byte_pairs, 0)
    for symbol in range(3):
        first, spaced = (tuple(byte_pairs(text)["input_ids"]) for text in (str(symbol), f" {symbol}"))
        assert set(found.tokens[symbol]) == {first, spaced}
        assert set(found.decided[symbol]) == {spaced}
    assert (found.usable, found.share) == ((0,), 1.0)


def two_templates(support: int, other: int) -> Knowledge:
    """`small_knowledge` and the same template again without spaces, with a decision of its own."""
    small = small_knowledge()
    elements = small.templates[0].elements.copy()
    elements[:, 2] = 0
    elements[4, 1] = 1
    return replace(
        small,
        templates=(Template(small.templates[0].elements, support), Template(elements, other)),
        decisions=np.concatenate([small.decisions] * 2),
    )


def test_templates_that_the_tokenizer_cannot_follow_are_left_out_by_their_share() -> None:
    found = learn_vocabulary(two_templates(75, 25), words(), 0)
    assert found.usable == (0,)
    assert found.share == pytest.approx(0.75)


def test_alignment_refuses_a_tokenizer_that_follows_too_little_and_names_the_share(student: LanguageModel) -> None:
    with pytest.raises(AlignmentRefused, match=r"0\.25 of the packet's chains"):
        teach(student, two_templates(25, 75), Schedule(steps=1))
    with pytest.raises(AlignmentRefused, match=r"0\.00 of the packet's chains"):
        teach(student, joined(), Schedule(steps=1))


def test_alignment_refuses_symbols_that_the_student_cannot_tell_apart(student: LanguageModel) -> None:
    lower = LanguageModel(student.model, words(), student.device, student.directory)
    lower.tokenizer.backend_tokenizer.normalizer = Lowercase()
    with pytest.raises(AlignmentRefused, match="tell apart"):
        teach(lower, spelled("0", "P", "p", "+", "="), Schedule(steps=1))
