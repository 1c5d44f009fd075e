"""The teacher's own chains on unlabelled prompts, cut into units of text.

A *unit* is one token's text: its symbol (the text without leading white space) and its lead (that white space). Units
are what leaves the teacher's tokenizer behind: templates and groundings are made of them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from m2kt.neural.decode import write
from m2kt.neural.models import LanguageModel, Tokenizer

REPLACEMENT = "�"  # a byte-level token that is not text by itself


@dataclass(frozen=True)
class Chain:
    """One prompt and its continuation. L units; ``places`` are their indices among the tokens."""

    tokens: tuple[int, ...]
    places: tuple[int, ...]  # (L,)
    symbols: tuple[int, ...]  # (L,)
    leads: tuple[int, ...]  # (L,)
    prompt: int  # units that belong to the prompt


@dataclass(frozen=True)
class Corpus:
    """All chains of one extraction, the strings they are made of, and how many prompts gave none."""

    chains: tuple[Chain, ...]
    symbols: tuple[str, ...]
    leads: tuple[str, ...]
    asked: int
    tokens_written: int
    lost: Counter[str]


class Strings:
    """Numbers strings in the order of their first use."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self._ids.setdefault(text, len(self._ids))

    def all(self) -> tuple[str, ...]:
        """The strings by number."""
        return tuple(self._ids)


def write_chains(
    lm: LanguageModel,
    prompts: Iterable[str],
    max_new_tokens: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Corpus:
    """Let the teacher continue every prompt greedily and cut what it wrote into units.

    Chains without an end mark within ``max_new_tokens``, or with bytes that are no text, are left out and counted.
    """
    asked = list(prompts)
    symbols, leads, lost = Strings(), Strings(), Counter[str]()
    cutter = Cutter(lm.tokenizer, symbols, leads)
    ends = set(lm.end_ids)
    chains, written = [], 0
    for prompt, continuation in write(lm, asked, max_new_tokens, on_progress):
        written += len(continuation)
        if not continuation or continuation[-1] not in ends:
            lost["unfinished"] += 1
            continue
        chain = cutter.cut(prompt, continuation[:-1])
        if chain is None:
            lost["unreadable"] += 1
        else:
            chains.append(chain)
    return Corpus(tuple(chains), symbols.all(), leads.all(), len(asked), written, lost)


class Cutter:
    """Cuts token ids into units with the help of the tokenizer's own decoder."""

    def __init__(self, tokenizer: Tokenizer, symbols: Strings, leads: Strings) -> None:
        self._symbols, self._leads = symbols, leads
        self._special = set(tokenizer.all_special_ids)
        self._piece = lru_cache(maxsize=None)(self._decode_piece)
        self._tokenizer = tokenizer

    def cut(self, prompt: Sequence[int], continuation: Sequence[int]) -> Chain | None:
        """Units of a chain, or None when some token is no text by itself or either part is empty."""
        tokens = [*prompt, *continuation]
        places = [place for place, token in enumerate(tokens) if token not in self._special]
        pieces = [
            self._piece(tokens[before] if before is not None else None, tokens[place])
            for before, place in zip([None, *places], places, strict=False)
        ]
        prompt_units = sum(place < len(prompt) for place in places)
        if any(not piece or REPLACEMENT in piece for piece in pieces) or not 0 < prompt_units < len(places):
            return None
        split = [_split(piece) for piece in pieces]
        return Chain(
            tuple(tokens),
            tuple(places),
            tuple(self._symbols(symbol) for _, symbol in split),
            tuple(self._leads(lead) for lead, _ in split),
            prompt_units,
        )

    def _decode_piece(self, before: int | None, token: int) -> str:
        """The text that ``token`` adds after ``before``; two tokens decide it, since decoders join with spaces."""
        if before is None:
            return self._decode([token])
        return self._decode([before, token])[len(self._decode([before])) :]

    def _decode(self, tokens: list[int]) -> str:
        text: str = self._tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
        return text


def _split(piece: str) -> tuple[str, str]:
    """(lead, symbol); white space alone is a symbol of its own."""
    symbol = piece.lstrip()
    return (piece[: len(piece) - len(symbol)], symbol) if symbol else ("", piece)
