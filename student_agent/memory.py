"""The attention-based CAL: a concept memory beside a frozen student.

At every position the memory guesses which decision is due (or none), points to the tokens that fill its role slots, and
weighs every concept by how surely those tokens are its grounding. The weighted value is read through the student's own
head and mixed into the student's distribution by the total weight. Where nothing matches, the total weight is near zero
and the student speaks for itself; without the memory it is, bit for bit, the student.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

EPSILON = 1e-9
DISTANCES = 64
"""Relative distances told apart by the pointers' bias; farther ones share the last."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a memory: K concepts, R slots, H pointers (one per class and slot), A anchors, G grounded symbols."""

    states: int  # width of the student's layers side by side
    width: int  # d_S
    vocabulary: int
    concepts: int
    slots: int
    classes: int
    pointers: int
    anchors: int
    variants: int  # most tokens of one anchor
    symbols: int  # G
    key: int = 32


@dataclass(frozen=True)
class Readout:
    """What the memory says at P positions of B texts of T tokens."""

    class_logits: Tensor  # (B, P, C + 1), the last is "no decision"
    pointers: Tensor  # (B, P, H, T) attention over the text
    weight: Tensor  # (B, P) total weight of the memory, in [0, 1]
    anchor_logits: Tensor  # (B, P, A) the read-out through the student's head


class ConceptMemory(nn.Module):
    """Trained: keys, queries, distances, classes. Fixed: everything that came from packet and student (buffers)."""

    values: Tensor
    grounded: Tensor
    pointer_of: Tensor
    classes: Tensor
    symbol_of: Tensor
    anchor_tokens: Tensor
    head: Tensor
    head_bias: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.key = nn.Linear(shape.states, shape.key, bias=False)
        self.query = nn.Linear(shape.states, shape.pointers * shape.key, bias=False)
        self.distance = nn.Parameter(torch.zeros(shape.pointers, DISTANCES))
        self.classify = nn.Sequential(nn.Linear(shape.states, 64), nn.GELU(), nn.Linear(64, shape.classes + 1))
        self.register_buffer("values", torch.zeros(shape.concepts, shape.width))
        self.register_buffer("grounded", torch.zeros(shape.concepts, shape.slots, dtype=torch.long))  # G: unused
        self.register_buffer("pointer_of", torch.zeros(shape.concepts, shape.slots, dtype=torch.long))  # H: unused
        self.register_buffer("classes", torch.zeros(shape.concepts, dtype=torch.long))
        self.register_buffer("symbol_of", torch.zeros(shape.vocabulary, dtype=torch.long))  # G: not a symbol
        self.register_buffer("anchor_tokens", torch.zeros(shape.anchors, shape.variants, dtype=torch.long))  # -1: none
        self.register_buffer("head", torch.zeros(shape.anchors, shape.width))
        self.register_buffer("head_bias", torch.zeros(shape.anchors))

    def forward(self, states: Tensor, ids: Tensor, at: Tensor) -> Readout:
        """Read at positions ``at`` (B, P) of texts ``ids`` (B, T) with layer states (B, T, states)."""
        here = torch.gather(states, 1, at[..., None].expand(-1, -1, states.shape[-1]))  # (B, P, states)
        class_logits = self.classify(here)
        pointers = self._point(here, states, at)
        scores = class_logits.log_softmax(-1)[..., self.classes] + self._match(pointers, ids)  # (B, P, K)
        weights = scores.exp()
        total = weights.sum(-1)
        value = weights @ self.values / (total[..., None] + EPSILON)  # (B, P, d_S)
        return Readout(class_logits, pointers, total.clamp(max=1 - EPSILON), F.linear(value, self.head, self.head_bias))

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
        member = F.one_hot(self.symbol_of[ids], self.shape.symbols + 1).to(pointers.dtype)  # (B, T, G + 1)
        seen = torch.einsum("bpht,btg->bphg", pointers, member)[..., : self.shape.symbols]
        logs = (seen + EPSILON).log()
        logs = F.pad(logs, (0, 1, 0, 1))  # an unused slot weighs 1: log 0 at pointer H, symbol G
        matched = [logs[:, :, self.pointer_of[:, slot], self.grounded[:, slot]] for slot in range(self.shape.slots)]
        return torch.stack(matched).sum(0)

    def mix(self, readout: Readout, logits: Tensor) -> Tensor:
        """The student's log-probabilities (B, P, V) with the memory mixed in by its weight."""
        own = logits.log_softmax(-1)
        said = self._spread(readout.anchor_logits.log_softmax(-1), own)  # (B, P, V)
        weight = readout.weight[..., None]
        return torch.logaddexp(own + torch.log1p(-weight), said + (weight + EPSILON).log())

    def _spread(self, anchors: Tensor, own: Tensor) -> Tensor:
        """Anchors' log-probabilities as tokens'; among several tokens of one anchor the student's own shares decide."""
        known = self.anchor_tokens >= 0  # (A, M)
        tokens = self.anchor_tokens.clamp(min=0)
        shares = own[..., tokens].masked_fill(~known, float("-inf")).log_softmax(-1)  # (B, P, A, M)
        said = torch.full_like(own, float("-inf"))
        return said.index_copy(-1, tokens[known], (anchors[..., None] + shares)[..., known])


def trained_parameters(memory: ConceptMemory) -> int:
    """Number of scalars that alignment trains."""
    return sum(each.numel() for each in memory.parameters())


def pad_tokens(tokens: Sequence[Sequence[int]]) -> Tensor:
    """Rows of token ids as one table, -1 at the right."""
    width = max(len(row) for row in tokens)
    return torch.tensor([[*row, *[-1] * (width - len(row))] for row in tokens])
