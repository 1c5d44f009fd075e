"""The extraction operator E(T): from a teacher and unlabelled probes to the knowledge of a packet (eq. 9-10).

1. The teacher writes its own chains on the domain's prompts (chains.py).
2. Symbols are sorted into kinds and chains into shapes, from the chains alone (kinds.py, shapes.py).
3. Causal token swaps find the roles of every decision (roles.py); saliency and attention go beside them (maps.py).
4. Role slots are matched across shapes, which gives the decision classes (slots.py).
5. States with equal groundings become concepts (concepts.py).
6. The unembedding rows of the symbols that decisions bring up become the anchors.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from m2kt.domains import Domain
from m2kt.errors import ExtractionRefused
from m2kt.neural.models import LanguageModel
from m2kt.packet.knowledge import UNUSED, Element, Knowledge, Template
from teacher_agent.chains import Corpus, write_chains
from teacher_agent.concepts import Concepts, condense, gather
from teacher_agent.kinds import symbol_kinds
from teacher_agent.maps import attention_map, gradient_map
from teacher_agent.roles import Roles, SwapSettings, find_roles, margin, spread_over_elements, usable
from teacher_agent.shapes import NOTHING, Shape, find_shapes
from teacher_agent.slots import Decision, match_decisions

OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Settings:
    """Everything that decides what an extraction finds, apart from teacher and domain."""

    probes: int = 6000
    seed: int = 1
    max_new_tokens: int = 96
    least_chains: int = 40  # of one shape
    least_support: int = 5  # members of one concept
    most_concepts: int = 1100
    swap: SwapSettings = field(default_factory=SwapSettings)
    floor: float = 0.8  # least share of chains, and of decisions in them, that the packet must cover
    mantissa_bits: int = 8  # kept of every float: what is below could hide a message and teaches nothing


@dataclass(frozen=True)
class Extraction:
    """What was found, how much of the teacher's behaviour it covers, and what it cost."""

    knowledge: Knowledge
    coverage: dict[str, float]
    queries: int  # forward passes of the teacher, one per sequence, plus one per token it wrote


@dataclass(frozen=True)
class Survey:
    """What steps 1 to 4 found: the teacher's chains, their shapes, the roles in them, and what is decided where."""

    corpus: Corpus
    shapes: list[Shape]
    roles: list[Roles]
    decisions: list[Decision]
    queries: int


def extract(lm: LanguageModel, domain: Domain, settings: Settings, on_progress: OnProgress) -> Extraction:
    """Run the six steps; `ExtractionRefused` when less than ``settings.floor`` of the chains can be explained."""
    found = survey(lm, domain, settings, on_progress)
    sums = gather(
        lm, found.shapes, found.decisions, lambda done, total: on_progress("states become concepts", done, total)
    )
    concepts = condense(sums, settings.least_support, settings.most_concepts)
    _require(concepts.covered / concepts.seen, "decisions", settings, found.corpus)
    queries = found.queries + sum(len(each.tokens) for each in found.shapes)
    coverage = _coverage(found.corpus, found.shapes, found.roles, concepts, settings)
    return Extraction(assemble(lm, found, concepts), coverage, queries)


def survey(lm: LanguageModel, domain: Domain, settings: Settings, on_progress: OnProgress) -> Survey:
    """Steps 1 to 4."""
    corpus = write_chains(
        lm,
        domain.probes(settings.seed, settings.probes),
        settings.max_new_tokens,
        lambda done, total: on_progress("teacher writes chains", done, total),
    )
    shapes = _shapes(corpus, settings)
    shapes, roles, queries = _roles(lm, shapes, settings, on_progress)
    _require(sum(len(each.tokens) for each in shapes) / max(corpus.asked, 1), "chains", settings, corpus)
    return Survey(corpus, shapes, roles, match_decisions(shapes, roles), queries + corpus.tokens_written)


def _shapes(corpus: Corpus, settings: Settings) -> list[Shape]:
    if not corpus.chains:
        raise ExtractionRefused(
            f"the teacher finished none of {corpus.asked} chains ({dict(corpus.lost)})",
            hint="Raise max_new_tokens, or look whether the teacher knows this domain's prompts.",
        )
    kinds = symbol_kinds(corpus.chains, len(corpus.symbols))
    shapes = find_shapes(corpus.chains, kinds, settings.least_chains)
    return [each for each in shapes if each.decisions]


def _roles(
    lm: LanguageModel, shapes: Sequence[Shape], settings: Settings, on_progress: OnProgress
) -> tuple[list[Shape], list[Roles], int]:
    """Roles of every shape; shapes with a decision that depends on nothing, or on too much, are left out."""
    kept: list[tuple[Shape, Roles]] = []
    queries = 0
    for number, shape in enumerate(shapes):
        roles = find_roles(lm, shape, settings.swap, settings.seed + number)
        queries += roles.queries
        if usable(roles, settings.swap):
            kept.append((shape, roles))
        on_progress("causal token swaps", number + 1, len(shapes))
    return [shape for shape, _ in kept], [roles for _, roles in kept], queries


def _require(share: float, what: str, settings: Settings, corpus: Corpus) -> None:
    if share < settings.floor:
        raise ExtractionRefused(
            f"the packet would cover {share:.2f} of the teacher's {what}, below the floor of {settings.floor} "
            f"({len(corpus.chains)} of {corpus.asked} chains readable, lost: {dict(corpus.lost)})"
        )


def _coverage(
    corpus: Corpus, shapes: Sequence[Shape], roles: Sequence[Roles], concepts: Concepts, settings: Settings
) -> dict[str, float]:
    margins = [margin(role, shape, settings.swap) for role, shape in zip(roles, shapes, strict=True)]
    return {
        "chains": sum(len(each.tokens) for each in shapes) / corpus.asked,
        "decisions": concepts.covered / concepts.seen,
        "weakest_role": min(weakest for weakest, _ in margins),
        "strongest_other": max(strongest for _, strongest in margins),
    }


def assemble(lm: LanguageModel, found: Survey, concepts: Concepts) -> Knowledge:
    """What a packet carries of a survey and the concepts in it."""
    corpus, shapes, roles, decisions = found.corpus, found.shapes, found.roles, found.decisions
    slots = max(len(each.roles) for each in decisions)
    alphabets = _Alphabets(len(corpus.symbols))
    templates = [_template(shape, number, decisions, alphabets) for number, shape in enumerate(shapes)]
    choices = _choices(shapes, decisions, alphabets)
    strings, rows, bias = _anchors(lm, shapes, decisions)
    longest = max(len(each) for each in templates)
    knowledge = Knowledge(
        symbols=corpus.symbols,
        leads=corpus.leads,
        centroids=concepts.centroids.astype(np.float16),
        dispersion=concepts.dispersion,
        support=concepts.support,
        groundings=np.array([_padded(grounding, slots) for _, grounding in concepts.keys], np.int32),
        classes=np.array([number for number, _ in concepts.keys], np.int32),
        anchors=rows.astype(np.float16),
        anchor_bias=bias.astype(np.float32),
        anchor_strings=strings,
        templates=tuple(templates),
        alphabets=alphabets.table(),
        decisions=np.array([(each.decision_class, *_padded(each.roles, slots)) for each in decisions], np.int32),
        swap=_wide([spread_over_elements(s, r.flips) for s, r in zip(shapes, roles, strict=True)], longest),
        gradient=_wide([gradient_map(lm, each) for each in shapes], longest),
        choices=choices,
    )
    maps = [attention_map(lm, each) for each in shapes]
    present = [each for each in maps if each is not None]
    return replace(knowledge, attention=_wide(present, longest)) if len(present) == len(maps) else knowledge


def _padded(values: Sequence[int], width: int) -> list[int]:
    return [*values, *[UNUSED] * (width - len(values))]


def _wide(tables: Sequence[NDArray[np.float64]], width: int) -> NDArray[np.float16]:
    """Stack (D_i, L_i) tables to (D, width), zeros at the right."""
    return np.concatenate([np.pad(each, ((0, 0), (0, width - each.shape[1]))) for each in tables]).astype(np.float16)


class _Alphabets:
    """Distinct sets of symbols that may fill a slot."""

    def __init__(self, symbols: int) -> None:
        self._symbols = symbols
        self._sets: dict[frozenset[int], int] = {}

    def number(self, column: NDArray[np.int64]) -> int:
        """Number of the set of symbols in ``column``; sets within another are that one."""
        return self._sets.setdefault(frozenset(column.tolist()), len(self._sets))

    def table(self) -> NDArray[np.uint8]:
        """One row per set, (n, S)."""
        table = np.zeros((len(self._sets), self._symbols), np.uint8)
        for members, row in self._sets.items():
            table[row, list(members)] = 1
        return table


def _choices(shapes: Sequence[Shape], decisions: Sequence[Decision], alphabets: _Alphabets) -> NDArray[np.int32] | None:
    """Alphabet that keeps a chain in its template where the teacher chooses how to go on; None if it never does."""
    if not any(shape.choices for shape in shapes):
        return None
    rows = []
    for each in decisions:
        shape = shapes[each.shape]
        column = shape.symbols[:, each.position]
        rows.append(alphabets.number(column) if each.position in shape.choices else UNUSED)
    return np.array(rows, np.int32)


def _template(shape: Shape, number: int, decisions: Sequence[Decision], alphabets: _Alphabets) -> Template:
    rows = {each.position: row for row, each in enumerate(decisions) if each.shape == number}
    elements = []
    for position, group in enumerate(shape.groups.tolist()):
        column = shape.pools[position].symbols[:, position]
        if group == NOTHING:
            kind, argument = Element.LITERAL, int(np.bincount(column).argmax())
        elif position in rows:
            kind, argument = Element.DECISION, rows[position]
        elif (root := shape.root(position)) != position:
            kind, argument = Element.COPY, root
        else:
            kind, argument = Element.SLOT, alphabets.number(column)
        elements.append((kind, argument, int(shape.leads[position]), int(position >= shape.prompt)))
    return Template(np.array(elements, np.int32), len(shape.symbols))


def _anchors(
    lm: LanguageModel, shapes: Sequence[Shape], decisions: Sequence[Decision]
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Strings, unembedding rows (A, d) and biases (A,) of every symbol that some decision brings up."""
    tokens: dict[int, Counter[int]] = {}
    for each in decisions:
        shape = shapes[each.shape]
        column = shape.tokens[:, shape.places[each.position]]
        for symbol, token in zip(shape.symbols[:, each.position].tolist(), column.tolist(), strict=True):
            tokens.setdefault(symbol, Counter())[token] += 1
    strings = sorted(tokens)
    chosen = [tokens[symbol].most_common(1)[0][0] for symbol in strings]
    weight = lm.head.weight[chosen].float().cpu().numpy()
    bias = lm.head.bias[chosen].float().cpu().numpy() if lm.head.bias is not None else np.zeros(len(chosen))
    return np.array(strings, np.int32), weight, bias
