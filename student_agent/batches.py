"""Batches for training: synthetic probes as the student's tokens, with everything that is due in them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from m2kt.neural.models import LanguageModel
from m2kt.packet.knowledge import UNUSED, Knowledge, Template
from student_agent.probes import Unroller, decision_positions
from student_agent.projection import Projection
from student_agent.rendering import Rendered, render
from student_agent.vocabulary import Vocabulary, needed_elements, short

NOTHING = -1


@dataclass(frozen=True)
class Batch:
    """N chains of T tokens with Q things due: every piece (token) of every decision. Places are token indices."""

    ids: Tensor  # (N, T)
    at: Tensor  # (N, Q) the position that decides: the token before the piece
    tokens: Tensor  # (N, Q) the piece
    dues: Tensor  # (N, Q) class c and piece l as c * L + l, -1 for a piece that this spelling does not have
    classes: Tensor  # (Q,)
    roles: Tensor  # (N, Q, R) places of the roles, -1 unused


class Prober:
    """Draws batches: random templates, random symbols, decisions read from the packet."""

    def __init__(self, lm: LanguageModel, knowledge: Knowledge, vocabulary: Vocabulary, projection: Projection) -> None:
        self._lm, self._knowledge, self._usable = lm, knowledge, vocabulary.usable
        self._unroller = Unroller(knowledge, projection.answers)
        self._pieces = projection.anchors.pieces

    def draw(self, templates: int, count: int, rng: np.random.Generator) -> Iterator[Batch]:
        """About ``count`` chains of each of ``templates`` templates, of those whose decisions all find a concept."""
        drawn = 0
        for number in rng.permutation(self._usable):
            if drawn == templates:
                return
            batches = list(self._of(self._knowledge.templates[number], count, rng))
            drawn += bool(batches)
            yield from batches

    def survey(self, count: int, rng: np.random.Generator) -> Iterator[Batch]:
        """About ``count`` chains of every template."""
        return self.draw(len(self._usable), count, rng)

    def _of(self, template: Template, count: int, rng: np.random.Generator) -> Iterator[Batch]:
        probes = self._unroller.unroll(template, count, rng)
        if len(probes.symbols) == 0:
            return
        needed, positions = needed_elements(self._knowledge, template), decision_positions(template)
        for part in render(self._knowledge, self._lm.tokenizer, probes):
            kept = part.only(short(part, needed))
            if len(kept.rows):
                yield self._batch(kept, self._knowledge.decisions[template.elements[positions, 1]], positions)

    def _batch(self, part: Rendered, decisions: NDArray[np.int32], positions: list[int]) -> Batch:
        """``decisions`` (D, 1 + R) are the rows behind the elements at ``positions``."""
        first, last = part.first[:, positions], part.last[:, positions]  # (N, D)
        place = first[..., None] + np.arange(self._pieces)  # (N, D, L)
        real = place <= last[..., None]
        place = np.where(real, place, first[..., None])
        due = decisions[:, :1] * self._pieces + np.arange(self._pieces)  # (D, L)
        roles = part.last[:, decisions[:, 1:].ravel()].reshape(len(part.rows), *decisions[:, 1:].shape)
        roles = np.where(decisions[None, :, 1:] == UNUSED, NOTHING, roles)
        tokens = torch.from_numpy(place.reshape(len(part.rows), -1))
        return Batch(
            ids=part.ids,
            at=tokens - 1,
            tokens=torch.gather(part.ids, 1, tokens),
            dues=torch.from_numpy(np.where(real, due, NOTHING).reshape(len(part.rows), -1).astype(np.int64)),
            classes=torch.from_numpy(decisions[:, 0].astype(np.int64)).repeat_interleave(self._pieces),
            roles=torch.from_numpy(roles.repeat(self._pieces, axis=1)),
        )
