"""The attention-based CAL: a concept memory beside a frozen student.

At every position the memory guesses which decision is due (or none, or which token of one that is being spelled out),
points to the tokens that fill its role slots, and weighs every concept by how surely those tokens are its grounding.
The weighted value is read through the student's own head and mixed into the student's distribution by the total weight.
Where nothing matches, the total weight is near zero and the student speaks for itself; without the memory it is, bit
for bit, the student.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from student_agent.spelling import Speller, Spotter
from student_agent.window import Window

EPSILON = 1e-9
MOST = 1 - 1e-6
"""Highest weight of a memory: below 1 in float32 too, so that no token's probability (or gradient) is lost in log 0."""
DISTANCES = 64
"""Relative distances told apart by the pointers' bias; farther ones share the last."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a memory: K concepts, R slots, H pointers (one per class and slot), A anchors, G grounded symbols.

    An anchor has at most M ``variants``, each of at most L ``pieces`` (tokens); ``spellings`` and ``longest`` are the
    same for the grounded symbols.
    """

    states: int  # width of the student's layers side by side
    width: int  # d_S
    concepts: int
    slots: int
    classes: int
    pointers: int
    anchors: int
    variants: int
    pieces: int
    symbols: int  # G
    spellings: int
    longest: int
    key: int = 32
    window: int = 0  # last tokens that tell what is due; 0: only the student's states do
    known: int = 0  # tokens that the window tells apart
    pairs: int = 0  # neighbours in windows that probes had

    @property
    def dues(self) -> int:
        """What can be due at a position: each piece of each class's decision, or nothing (the last)."""
        return self.classes * self.pieces + 1


@dataclass(frozen=True)
class Readout:
    """What the memory says at P positions of B texts of T tokens, for each of the L pieces of a decision."""

    due_logits: Tensor  # (B, P, C * L + 1): class c, piece l at c * L + l; the last is "no decision"
    pointers: Tensor  # (B, P, H, T) attention over the text
    weight: Tensor  # (B, P, L) weight of the memory, in [0, 1] together
    anchor_logits: Tensor  # (B, P, L, A) the read-out through the student's head
    fits: Tensor  # (B, P, A, M, L) whether a variant continues what was written with its piece l


class ConceptMemory(nn.Module):
    """Trained: keys, queries, distances, dues. Fixed: everything that came from packet and student (buffers)."""

    values: Tensor
    grounded: Tensor
    pointer_of: Tensor
    classes: Tensor
    head: Tensor
    head_bias: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.key = nn.Linear(shape.states, shape.key, bias=False)
        self.query = nn.Linear(shape.states, shape.pointers * shape.key, bias=False)
        self.distance = nn.Parameter(torch.zeros(shape.pointers, DISTANCES))
        self.classify = nn.Sequential(nn.Linear(shape.states, 64), nn.GELU(), nn.Linear(64, shape.dues))
        self.window = Window(shape.window, shape.known, shape.dues, shape.pairs) if shape.window else None
        self.spotter = Spotter(shape.spellings, shape.longest, shape.symbols)
        self.speller = Speller(shape.anchors, shape.variants, shape.pieces)
        self.register_buffer("values", torch.zeros(shape.concepts, shape.width))
        self.register_buffer("grounded", torch.zeros(shape.concepts, shape.slots, dtype=torch.long))  # G: unused
        self.register_buffer("pointer_of", torch.zeros(shape.concepts, shape.slots, dtype=torch.long))  # H: unused
        self.register_buffer("classes", torch.zeros(shape.concepts, dtype=torch.long))
        self.register_buffer("head", torch.zeros(shape.anchors, shape.width))
        self.register_buffer("head_bias", torch.zeros(shape.anchors))

    def forward(self, states: Tensor, ids: Tensor, at: Tensor) -> Readout:
        """Read at positions ``at`` (B, P) of texts ``ids`` (B, T) with layer states (B, T, states)."""
        here = torch.gather(states, 1, at[..., None].expand(-1, -1, states.shape[-1]))  # (B, P, states)
        due_logits = self.due(here, ids, at)
        pointers = self._point(here, states, at)
        weights = (self._dues(due_logits) + self._match(pointers, ids)[:, :, None]).exp()  # (B, P, L, K)
        total = weights.sum(-1)  # (B, P, L)
        value = weights @ self.values / (total[..., None] + EPSILON)  # (B, P, L, d_S)
        anchor_logits = F.linear(value, self.head, self.head_bias)
        begun, fits = self.speller.begun(ids, at)
        total = total * _going_on(anchor_logits, begun, fits)
        scale = MOST / total.sum(-1, keepdim=True).clamp(min=MOST)
        return Readout(due_logits, pointers, total * scale, anchor_logits, fits)

    def due(self, here: Tensor, ids: Tensor, at: Tensor) -> Tensor:
        """Logits of what is due at positions ``at`` (B, P), whose states are ``here`` (B, P, states): by the last
        tokens where probes had such, by the states in a wording that no probe had."""
        by_states: Tensor = self.classify(here)
        if self.window is None:
            return by_states
        told, by_tokens = self.window(ids, at)
        return torch.where(told[..., None], by_tokens, by_states)

    def look_at(self, window: Window) -> None:
        """From now on the last tokens tell what is due, where probes had such."""
        self.window = window.requires_grad_(False)
        self.shape = replace(self.shape, window=window.tokens, known=len(window.known), pairs=len(window.seen))

    def _dues(self, due_logits: Tensor) -> Tensor:
        """Log-probability that piece l of concept i's class is due, (B, P, L, K)."""
        logs = due_logits.log_softmax(-1)[..., :-1]
        by_class = logs.reshape(*logs.shape[:-1], self.shape.classes, self.shape.pieces)
        due: Tensor = by_class[..., self.classes, :].transpose(-1, -2)
        return due

    def _point(self, here: Tensor, states: Tensor, at: Tensor) -> Tensor:
        """Attention of every pointer over the text so far, (B, P, H, T)."""
        batch, positions = at.shape
        query = self.query(here).view(batch, positions, self.shape.pointers, self.shape.key)
        scores = torch.einsum("bphk,btk->bpht", query, self.key(states)) * self.shape.key**-0.5
        back = at[..., None] - torch.arange(states.shape[1], device=at.device)  # (B, P, T)
        scores = scores + self.distance[:, back.clamp(0, DISTANCES - 1)].permute(1, 2, 0, 3)
        attention: Tensor = scores.masked_fill(back[:, :, None] < 0, float("-inf")).softmax(-1)
        return attention

    def _match(self, pointers: Tensor, ids: Tensor) -> Tensor:
        """Log weight with which the pointed-at tokens are each concept's grounding, (B, P, K)."""
        member = F.one_hot(self.spotter(ids), self.shape.symbols + 1).to(pointers.dtype)  # (B, T, G + 1)
        seen = torch.einsum("bpht,btg->bphg", pointers, member)[..., : self.shape.symbols]
        logs = (seen + EPSILON).log()
        logs = F.pad(logs, (0, 1, 0, 1))  # an unused slot weighs 1: log 0 at pointer H, symbol G
        matched = [logs[:, :, self.pointer_of[:, slot], self.grounded[:, slot]] for slot in range(self.shape.slots)]
        return torch.stack(matched).sum(0)

    def mix(self, readout: Readout, logits: Tensor) -> Tensor:
        """The student's log-probabilities (B, P, V) with the memory mixed in by its weight."""
        own = logits.log_softmax(-1)
        said = self.speller.spread(readout.anchor_logits, readout.fits, readout.weight, own)  # (B, P, V)
        silent = torch.log1p(-readout.weight.sum(-1, keepdim=True))
        return torch.logaddexp(own + silent, (said + EPSILON * EPSILON).log())


def _going_on(anchor_logits: Tensor, begun: Tensor, fits: Tensor) -> Tensor:
    """How sure it is that there is a next piece, (B, P, L): of the anchors that were begun, one may end here."""
    chances = anchor_logits.softmax(-1).transpose(-1, -2)  # (B, P, A, L)
    return (chances * fits.any(3)).sum(2) / ((chances * begun.any(3)).sum(2) + EPSILON)


def trained_parameters(memory: ConceptMemory) -> int:
    """Number of scalars that alignment trains."""
    return sum(each.numel() for each in memory.parameters())
