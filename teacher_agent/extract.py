"""The extraction operator E(T): from a teacher and unlabelled probes to the knowledge of a packet (eq. 9-10).

1. The teacher writes its own chains on the domain's prompts (chains.py).
2. Symbols are sorted into kinds and chains into shapes, from the chains alone (kinds.py, shapes.py).
3. Causal token swaps find the roles of every decision (roles.py); saliency and attention go beside them (maps.py).
4. Role slots are matched across shapes, which gives the decision classes (slots.py).
5. Every decision state is shown to one of three operators, which makes concepts of them: attribution (concepts.py),
   clustering (clustering.py) or a concept bottleneck (bottleneck.py).
6. The unembedding rows of the symbols that decisions bring up become the anchors (assembly.py).

Steps 1 to 4 hold the chains of the first ``surveyed`` probes in memory; all further probes stream through step 5 block
by block (stream.py), so that memory does not grow with them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from m2kt.domains import Domain
from m2kt.errors import ExtractionRefused
from m2kt.neural.models import LanguageModel
from m2kt.packet.knowledge import Knowledge
from teacher_agent.agreement import MARGIN, Agreement
from teacher_agent.assembly import anchors_of
from teacher_agent.assembly import assemble as assemble
from teacher_agent.chains import Corpus, write_chains
from teacher_agent.concepts import Concepts, gather
from teacher_agent.kinds import symbol_kinds
from teacher_agent.operators import operator_of
from teacher_agent.roles import Roles, find_roles, margin, usable
from teacher_agent.settings import Settings as Settings
from teacher_agent.shapes import Shape, find_shapes
from teacher_agent.slots import match_decisions
from teacher_agent.soundness import accuracy, require_above_chance, require_finite
from teacher_agent.stream import Tally, stream
from teacher_agent.survey import Survey as Survey

OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Extraction:
    """What was found, how much of the teacher's behaviour it covers, and what it cost."""

    knowledge: Knowledge
    coverage: dict[str, float]
    queries: int  # forward passes of the teacher, one per sequence, plus one per token it wrote


def extract(lm: LanguageModel, domain: Domain, settings: Settings, on_progress: OnProgress) -> Extraction:
    """Run the six steps; `ExtractionRefused` when the packet would keep less than ``settings.floor`` of the chains, of
    the decisions in them or of the concepts' symbols, or when the teacher is at chance, unless ``settings.force``."""
    operator = operator_of(lm, settings)
    found = survey(lm, domain, settings, on_progress)
    agreement = Agreement()
    gather(
        lm,
        found.shapes,
        found.decisions,
        lambda done, total: on_progress("states become concepts", done, total),
        operator,
        agreement,
    )
    rest = islice(domain.probes(settings.seed, settings.probes), settings.surveyed, None)
    later = stream(lm, rest, settings, found, operator, agreement, on_progress)
    _require_knowledge(agreement, settings)
    concepts = operator.concepts(settings.least_support, settings.most_concepts)
    coverage = {**_coverage(lm, found, later, agreement, concepts, settings), **found.judged}
    for share, what in (("chains", "chains"), ("decisions", "decisions"), ("symbols", "concepts' symbols")):
        _require(coverage[share], what, settings, found.corpus)
    queries = found.queries + sum(len(each.tokens) for each in found.shapes) + later.queries
    return Extraction(assemble(lm, found, concepts), coverage, queries)


def survey(lm: LanguageModel, domain: Domain, settings: Settings, on_progress: OnProgress) -> Survey:
    """Steps 1 to 4."""
    prompts = list(islice(domain.probes(settings.seed, settings.probes), settings.surveyed))
    require_finite(lm, prompts)
    corpus = write_chains(
        lm, prompts, settings.max_new_tokens, lambda done, total: on_progress("teacher writes chains", done, total)
    )
    if not corpus.chains:
        raise ExtractionRefused(
            f"the teacher finished none of {corpus.asked} chains ({dict(corpus.lost)})",
            hint="Raise max_new_tokens, or look whether the teacher knows this domain's prompts.",
        )
    judged = accuracy(lm, domain, corpus.chains)
    require_above_chance(judged, settings.force)
    kinds = symbol_kinds(corpus.chains, len(corpus.symbols))
    found = [each for each in find_shapes(corpus.chains, kinds, settings.least_chains) if each.decisions]
    shapes, roles, queries = _roles(lm, found, settings, on_progress)
    shaped, chains = (sum(len(each.tokens) for each in some) for some in (found, shapes))
    _require(chains / max(corpus.asked, 1), "chains", settings, corpus, _unclear(shaped, chains, settings))
    decisions = match_decisions(shapes, roles)
    return Survey(corpus, kinds, shapes, roles, decisions, queries + corpus.tokens_written, shaped, judged)


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


def _unclear(shaped: int, chains: int, settings: Settings) -> str:
    """What to say of chains that have a shape and no clear roles."""
    if shaped == chains:
        return ""
    most = settings.swap.most_roles
    return f"; in {shaped - chains} chains a decision depends on nothing or on more than {most} symbols, as guesses do"


def _require(share: float, what: str, settings: Settings, corpus: Corpus, more: str = "") -> None:
    if share < settings.floor and not (settings.force and share):
        raise ExtractionRefused(
            f"the packet would cover {share:.2f} of the teacher's {what}, below the floor of {settings.floor} "
            f"({len(corpus.chains)} of {corpus.asked} chains readable, lost: {dict(corpus.lost)}{more})"
        )


def _require_knowledge(agreement: Agreement, settings: Settings) -> None:
    alike, chance = agreement.shares()
    if alike <= chance + MARGIN and not settings.force:
        raise ExtractionRefused(
            f"the teacher is at chance: it decides alike in {alike:.2f} of the pairs with equal roles, and would by "
            f"guessing in {chance:.2f}",
            hint="Take a teacher that knows the domain, or force the build (--force) if guesses are what you want.",
        )


def _coverage(
    lm: LanguageModel, found: Survey, later: Tally, agreement: Agreement, concepts: Concepts, settings: Settings
) -> dict[str, float]:
    """Shares of what was asked that each step could still explain; how the teacher agrees with itself; how clear the
    roles were; and how much of what the groundings say the operator's vectors still say."""
    margins = [margin(role, shape, settings.swap) for role, shape in zip(found.roles, found.shapes, strict=True)]
    asked = found.corpus.asked + later.asked
    explained = sum(len(each.tokens) for each in found.shapes)
    alike, chance = agreement.shares()
    return {
        "readable": (len(found.corpus.chains) + later.readable) / asked,
        "shaped": found.shaped / found.corpus.asked,
        "chains": (explained + later.matched) / asked,
        "decisions": concepts.covered / concepts.seen,
        "symbols": _symbols_kept(lm, found, concepts),
        "vectors": len(np.unique(concepts.centroids, axis=0)) / len(concepts.keys),
        "agreement": alike,
        "agreement_by_chance": chance,
        "weakest_role": min(weakest for weakest, _ in margins),
        "strongest_other": max(strongest for _, strongest in margins),
    }


def _symbols_kept(lm: LanguageModel, found: Survey, concepts: Concepts) -> float:
    """Share of concepts whose vector says the symbol that the mean of the grounding's own states says."""
    _, rows, bias = anchors_of(lm, found.shapes, found.decisions)
    said, meant = ((each @ rows.T + bias).argmax(1) for each in (concepts.centroids, concepts.own))
    return float((said == meant).mean())
