"""Chains without a teacher: what a perfect one would write, for tests of everything that only reads chains."""

import random
from collections.abc import Callable, Sequence

from teacher_agent.chains import Chain, Strings

Write = Callable[[Sequence[str]], Sequence[str]]


def chain(strings: Strings, prompt: Sequence[str], written: Sequence[str]) -> Chain:
    """A chain whose tokens are its symbols."""
    symbols = tuple(strings(each) for each in (*prompt, *written))
    places = tuple(range(len(symbols)))
    return Chain(symbols, places, symbols, (0,) * len(symbols), len(prompt))


def sums(strings: Strings, count: int, lengths: Sequence[int] = (2, 3), base: int = 5, seed: int = 0) -> list[Chain]:
    """``1 + 2 * 3 :`` and its steps modulo ``base``, from left to right, mixed with ``T & F :``."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        boolean = rng.random() < 0.25
        operands, operators = ("TF", "&|") if boolean else ("".join(map(str, range(base))), "+*")
        length = rng.choice(list(lengths))
        words = [rng.choice(operands)]
        for _ in range(length - 1):
            words += [rng.choice(operators), rng.choice(operands)]
        made.append(chain(strings, [*words, ":"], _steps(words, base)))
    return made


PARENTS = {"zed": None, "bim": "zed", "cor": "bim", "dax": "bim", "fep": "cor", "gor": "zed"}


def climbs(strings: Strings, count: int, seed: int = 0) -> list[Chain]:
    """``fep bim ?`` and the way up from the first until the second (yes) or the top (no) is met: how long a chain gets
    and how it ends depends on what is in it."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        low, high = rng.sample(list(PARENTS), 2)
        held, written = low, []
        while held != high and (above := PARENTS[held]):
            written += [held, "is", above, ";"]
            held = above
        made.append(chain(strings, [low, high, "?"], [*written, "yes" if held == high else "no"]))
    return made


def _steps(words: Sequence[str], base: int) -> list[str]:
    held, written = words[0], []
    for place in range(1, len(words), 2):
        result = _apply(held, words[place], words[place + 1], base)
        written += [held, words[place], words[place + 1], "=", result, ";"]
        held = result
    return written[:-1]


def _apply(left: str, operator: str, right: str, base: int) -> str:
    if operator in "&|":
        truths = [left == "T", right == "T"]
        return "T" if (all(truths) if operator == "&" else any(truths)) else "F"
    number = int(left) + int(right) if operator == "+" else int(left) * int(right)
    return str(number % base)
