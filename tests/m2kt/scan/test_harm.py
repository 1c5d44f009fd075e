"""The classifier of harmful texts knows what it was taught, leaves honest packets alone, and gives a penalty."""

from dataclasses import replace

import numpy as np
import pytest

from m2kt.scan import Decision, Outcome, Policy, scan
from m2kt.scan.harm import penalties, scores
from m2kt.scan.policy import Thresholds
from m2kt.scan.text.ngrams import LONGEST, PIECE
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate
from tests.small import packet_of, small_knowledge

WORDS = ("you worthless piece of trash", "kill all immigrants")


def judged(*symbols):
    knowledge = small_knowledge()
    told = replace(knowledge, symbols=(*symbols, *knowledge.symbols[len(symbols) :]))
    verdict = scan(sign_packet(packet_of(told), generate()))
    return {each.name: each for each in verdict.checks}["harmful"], verdict


def test_symbols_that_read_as_harmful_go_to_reviewers():
    found, verdict = judged(*WORDS)
    assert found.outcome is Outcome.SUSPICIOUS
    assert any(WORDS[0][:20] in each for each in found.evidence)
    assert Policy().decide(verdict)[0] is Decision.REVIEW


def test_an_honest_packet_reads_as_harmless():
    assert judged()[0].outcome is Outcome.PASS


def test_disguised_letters_are_read_as_what_they_pass_for():
    plain, disguised = scores(["you worthless trash", "yоu wоrthlеss\u200b trаsh"])
    assert disguised == plain


def test_the_penalty_is_a_number_from_nought_to_one_per_symbol():
    found = penalties(["scum", "3", "+", "", "even", "x" * (3 * LONGEST)])
    assert found.shape == (6,)
    assert ((found >= 0) & (found <= 1)).all()
    assert found[0] == found.max()
    assert penalties([]).shape == (0,)


@pytest.mark.parametrize(
    "symbols",
    [
        (*"0123456789abcdefTF", *"+-*&|^#=:;,.()[]{}<>"),
        ("MAX", "MIN", "MED", "SM", "[MAX", "]", "even", "odd", "zero", "yes", "no", "true", "false", "if", "then"),
        ("red", "green", "blue", "left", "right", "cat", "dog", "pig", "cow", "snake", "worm", "doctor", "patient"),
    ],
)
def test_symbols_of_harmless_domains_are_under_the_limit(symbols):
    assert (penalties(symbols) <= Thresholds().harm).all()


def test_a_long_text_is_as_harmful_as_its_worst_piece():
    chatter = "the bus leaves at nine and comes back at five " * PIECE
    assert scores([WORDS[0]])[0] > 0.9
    assert scores([chatter + WORDS[0] + " " + chatter])[0] > 10 * scores([chatter])[0]


@pytest.mark.nightly
def test_the_weights_follow_from_the_training():
    from bench.harm_texts import training
    from bench.regression import fit
    from m2kt.scan.harm import _weights

    assert np.allclose(fit(*zip(*training(), strict=True)), _weights(), atol=0.02)
