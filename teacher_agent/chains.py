"""The teacher's own chains on unlabelled prompts, cut into units of text.

A *unit* is one token's text: its symbol (the text without leading white space) and its lead (that white space). Units
are what leaves the teacher's tokenizer behind: templates and groundings are made of them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from m2kt.errors import DomainError
from m2kt.neural.decode import context, write_rows
from m2kt.neural.models import LanguageModel, Tokenizer

REPLACEMENT = "�"  # a byte-level token that is not text by itself
PIECES = 1 << 16
"""Most texts of token pairs that are remembered."""
UNKNOWN = -1
"""A string that is not among the numbered ones."""


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
    """Numbers strings in the order of their first use. Closed ones take no further string in: it is `UNKNOWN`."""

    def __init__(self, closed: Sequence[str] | None = None) -> None:
        self._ids = {text: number for number, text in enumerate(closed or ())}
        self._open = closed is None

    def __call__(self, text: str) -> int:
        return self._ids.setdefault(text, len(self._ids)) if self._open else self._ids.get(text, UNKNOWN)

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

    Prompts that the teacher cannot read, chains without an end mark within ``max_new_tokens``, and chains with bytes
    that are no text, are left out and counted.
    """
    symbols, leads = Strings(), Strings()
    scribe = Scribe(lm, max_new_tokens, symbols, leads)
    chains = tuple(scribe.write(list(prompts), on_progress))
    return Corpus(chains, symbols.all(), leads.all(), scribe.asked, scribe.tokens_written, scribe.lost)


class Scribe:
    """Writes the teacher's chains, block by block, and counts what it cost and what was lost."""

    def __init__(self, lm: LanguageModel, max_new_tokens: int, symbols: Strings, leads: Strings) -> None:
        self.asked, self.tokens_written, self.lost = 0, 0, Counter[str]()
        self._lm, self._longest = lm, max_new_tokens
        self._cutter = Cutter(lm.tokenizer, symbols, leads)

    def write(
        self, prompts: Sequence[str], on_progress: Callable[[int, int], None] = lambda done, total: None
    ) -> list[Chain]:
        """The chains of ``prompts``."""
        self.asked += len(prompts)
        rows = self._readable(prompts)
        ends = set(self._lm.end_ids)
        chains = []
        for prompt, continuation in zip(rows, write_rows(self._lm, rows, self._longest, on_progress), strict=True):
            self.tokens_written += len(continuation)
            if not continuation or continuation[-1] not in ends:
                self.lost["unfinished"] += 1
                continue
            chain = self._cutter.cut(prompt, continuation[:-1])
            if chain is None:
                self.lost["unreadable"] += 1
            else:
                chains.append(chain)
        return chains

    def _readable(self, prompts: Sequence[str]) -> list[list[int]]:
        """Token ids of the prompts that the teacher can read; the others are lost, each for a reason."""
        if wrong := [each for each in prompts if not isinstance(each, str)]:
            raise DomainError(f"the domain's probes hold {wrong[0]!r}, which is no text", hint="Mend the domain.")
        if not prompts:
            return []
        rows: list[list[int]] = self._lm.tokenizer(list(prompts))["input_ids"]
        ends, unknown, most = set(self._lm.end_ids), self._lm.tokenizer.unk_token_id, context(self._lm)
        kept = []
        for framed in rows:
            row = framed[:-1] if len(framed) > 1 and framed[-1] in ends else framed
            if not row:
                self.lost["empty prompts"] += 1
            elif unknown is not None and unknown in row:
                self.lost["prompts with unknown tokens"] += 1
            elif most is not None and len(row) >= most:
                self.lost["prompts longer than the context"] += 1
            else:
                kept.append(row)
        return kept


class Cutter:
    """Cuts token ids into units with the help of the tokenizer's own decoder."""

    def __init__(self, tokenizer: Tokenizer, symbols: Strings, leads: Strings) -> None:
        self._symbols, self._leads = symbols, leads
        self._special = set(tokenizer.all_special_ids)
        self._piece = lru_cache(maxsize=PIECES)(self._decode_piece)
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
