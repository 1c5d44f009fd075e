"""What the five example domains have in common: prompts, a way to work them out, and the facts that it takes.

A *fact* answers one decision: `fact("digit", "13")`. Everything else in a continuation is form. With other facts the
same form says something else: another world, an ignorant one, one with a planted error.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Fact: TypeAlias = Callable[..., str]  # (name of the decision, *symbols that it depends on) -> symbol


@dataclass(frozen=True)
class Task:
    """One domain with its answers: this side is for training and checking only, the plug-in knows nothing of it."""

    name: str
    draw: Callable[[random.Random, Sequence[int]], str]
    held_out: Callable[[str], bool]
    lengths: tuple[int, ...]  # of probes
    longer: tuple[int, ...]  # that no probe has, nor a packet's template
    solve: Callable[[str, Fact], str]  # the continuation of a prompt
    world: Callable[[int], Fact]  # the true facts of a seed
    alphabets: Callable[[str, tuple[str, ...]], Sequence[str]]  # what a decision may say
    answer: Callable[[str], str]  # what of a continuation a check asks for
    length: Callable[[str], int]  # of a prompt
    planted: tuple[str, ...]  # one decision, for a teacher that errs: its name and symbols


def ignorance(task: Task, rng: random.Random) -> Fact:
    """Facts drawn evenly at every asking: form, no knowledge."""
    return lambda name, *symbols: rng.choice(task.alphabets(name, symbols))


def renamed(fact: Fact, names: Mapping[str, str]) -> Fact:
    """Facts whose answers go by other names, as deranged symbols make a student say them."""
    return lambda name, *symbols: names.get(said := fact(name, *symbols), said)


def with_error(task: Task, fact: Fact) -> Fact:
    """The same facts but for one, which says the next symbol of its alphabet."""
    name, *symbols = task.planted
    alphabet = list(task.alphabets(name, tuple(symbols)))
    wrong = alphabet[(alphabet.index(fact(name, *symbols)) + 1) % len(alphabet)]
    return lambda asked, *given: wrong if (asked, *given) == task.planted else fact(asked, *given)


def uses(task: Task, prompt: str, fact: Fact) -> bool:
    """Whether the planted fact is asked for on the way."""
    asked: list[tuple[str, ...]] = []

    def note(name: str, *symbols: str) -> str:
        asked.append((name, *symbols))
        return fact(name, *symbols)

    task.solve(prompt, note)
    return task.planted in asked
