"""Probes beyond the survey: written, matched to the shapes that are known, shown to the operator, and let go."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from m2kt.neural.models import LanguageModel
from teacher_agent.agreement import Agreement
from teacher_agent.chains import UNKNOWN, Chain, Scribe, Strings
from teacher_agent.concepts import Collector, gather_rows
from teacher_agent.settings import Settings
from teacher_agent.shapes import Key, Shape, key_of
from teacher_agent.survey import Survey

BLOCK = 2_048
"""Probes in memory at a time."""


@dataclass
class Tally:
    """What became of the probes that streamed."""

    asked: int = 0
    readable: int = 0
    matched: int = 0
    queries: int = 0


def stream(
    lm: LanguageModel,
    prompts: Iterable[str],
    settings: Settings,
    found: Survey,
    operator: Collector,
    agreement: Agreement,
    on_progress: Callable[[str, int, int], None],
) -> Tally:
    """Show the decision states of all ``prompts`` to ``operator``; chains of no known shape are left out."""
    tally, total = Tally(), max(0, settings.probes - settings.surveyed)
    symbols, leads = Strings(found.corpus.symbols), Strings(found.corpus.leads)
    scribe = Scribe(lm, settings.max_new_tokens, symbols, leads)
    numbers = {_key(shape, found): number for number, shape in enumerate(found.shapes)}
    for block in _blocks(prompts):
        chains = scribe.write(block)
        for number, alike in _by_shape(chains, numbers, found).items():
            shape = found.shapes[number]
            here = [each for each in found.decisions if each.shape == number]
            tokens, said = np.array([each.tokens for each in alike]), np.array([each.symbols for each in alike])
            gather_rows(lm, shape, here, tokens, said, operator, agreement)
            tally.matched += len(alike)
        tally.asked, tally.readable = scribe.asked, tally.readable + len(chains)
        on_progress("further probes stream", tally.asked, total)
    tally.queries = scribe.tokens_written + tally.matched
    return tally


def _blocks(prompts: Iterable[str]) -> Iterator[list[str]]:
    source = iter(prompts)
    while block := list(islice(source, BLOCK)):
        yield block


def _by_shape(chains: Sequence[Chain], numbers: dict[Key, int], found: Survey) -> dict[int, list[Chain]]:
    alike: dict[int, list[Chain]] = defaultdict(list)
    for chain in chains:
        if UNKNOWN not in chain.symbols:
            number = numbers.get(key_of(chain, len(chain.symbols), found.kinds))
            if number is not None:
                alike[number].append(chain)
    return alike


def _key(shape: Shape, found: Survey) -> Key:
    """How every chain of a shape is built, read from its first."""
    tokens, symbols = (tuple(rows[0].tolist()) for rows in (shape.tokens, shape.symbols))
    one = Chain(tokens, tuple(shape.places.tolist()), symbols, tuple(shape.leads.tolist()), shape.prompt)
    return key_of(one, len(symbols), found.kinds)
