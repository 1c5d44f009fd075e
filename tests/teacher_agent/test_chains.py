"""Chains are cut into units that join to the very text the tokenizer would write."""

import pytest

from m2kt.neural.models import Tokenizer
from teacher_agent.chains import Cutter, Strings

TEXT = "3 + 5 * b : 3 + 5 = 8 ; 8 * b = 8"


@pytest.mark.parametrize("which", ["teacher", "student"])
def test_units_join_to_the_text(example_tokenizer: dict[str, Tokenizer], which: str) -> None:
    tokenizer = example_tokenizer[which]
    symbols, leads = Strings(), Strings()
    ids = tokenizer(TEXT)["input_ids"]
    prompt = len(tokenizer("3 + 5 * b :")["input_ids"])
    chain = Cutter(tokenizer, symbols, leads).cut(ids[:prompt], ids[prompt:])
    assert chain is not None
    assert chain.prompt == 6
    pairs = zip(chain.leads, chain.symbols, strict=True)
    assert "".join(leads.all()[lead] + symbols.all()[symbol] for lead, symbol in pairs) == TEXT


def test_two_tokens_of_one_text_are_one_symbol(example_tokenizer: dict[str, Tokenizer]) -> None:
    tokenizer = example_tokenizer["student"]  # byte pairs: `3` and ` 3` are two tokens
    symbols = Strings()
    ids = tokenizer("3 + 3 : 3")["input_ids"]
    chain = Cutter(tokenizer, symbols, Strings()).cut(ids[:4], ids[4:])
    assert chain is not None
    assert chain.tokens[0] != chain.tokens[2]
    assert chain.symbols[0] == chain.symbols[2] == chain.symbols[4]


def test_bytes_that_are_no_text_make_no_chain(example_tokenizer: dict[str, Tokenizer]) -> None:
    tokenizer = example_tokenizer["student"]
    half = tokenizer("é")["input_ids"][:1]
    assert Cutter(tokenizer, Strings(), Strings()).cut(tokenizer("3 :")["input_ids"], half) is None


def test_a_chain_needs_a_prompt_and_a_continuation(example_tokenizer: dict[str, Tokenizer]) -> None:
    tokenizer = example_tokenizer["teacher"]
    cutter = Cutter(tokenizer, Strings(), Strings())
    assert cutter.cut(tokenizer("3 + 5 :")["input_ids"], []) is None
    assert cutter.cut([], tokenizer("3 + 5 :")["input_ids"]) is None
