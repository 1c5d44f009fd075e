"""What is due at a position, by the last few tokens alone."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

HIDDEN = 64
BEFORE, UNKNOWN, FIRST = 0, 1, 2
"""Rows of the table: no token, the text begins later; a token that no probe has; the first that probes have."""


class Window(nn.Module):
    """Logits of what is due, from the tokens at a position and before it, and whether they are to be trusted there."""

    known: Tensor
    seen: Tensor

    def __init__(self, tokens: int, known: int, dues: int, pairs: int = 0) -> None:
        super().__init__()
        self.tokens = tokens
        self.table = nn.Parameter(torch.zeros(tokens, known + FIRST, HIDDEN))
        self.last = nn.Linear(HIDDEN, dues)
        self.register_buffer("known", torch.zeros(known, dtype=torch.long))  # sorted
        self.register_buffer("seen", torch.zeros(pairs, dtype=torch.long))  # sorted, see `_neighbours`

    def forward(self, ids: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
        """At positions ``at`` (B, P) of texts ``ids`` (B, T): whether probes had each two neighbours of the window at
        their places, (B, P), and the logits (B, P, dues), which say nothing elsewhere, in another wording."""
        numbers = self.numbers(ids, at)
        pairs = self._neighbours(numbers).contiguous()
        row = torch.searchsorted(self.seen, pairs).clamp(max=len(self.seen) - 1)
        return (self.seen[row] == pairs).all(-1), self.read(numbers)

    def have_seen(self, numbers: Tensor) -> None:
        """Rows of the table that probes' windows (M, W) have."""
        self.seen = torch.unique(self._neighbours(numbers))

    def _neighbours(self, numbers: Tensor) -> Tensor:
        """One number for each two neighbours and their place, (..., W) to (..., W - 1)."""
        rows = len(self.known) + FIRST
        return (self._places[:-1] * rows + numbers[..., :-1]) * rows + numbers[..., 1:]

    @property
    def _places(self) -> Tensor:
        return torch.arange(self.tokens, device=self.seen.device)

    def numbers(self, ids: Tensor, at: Tensor) -> Tensor:
        """Rows of the table for each place of the window, (B, P, W)."""
        place = at[..., None] - torch.arange(self.tokens, device=at.device)
        tokens = ids.gather(1, place.clamp(min=0).flatten(1)).view_as(place)
        row = torch.searchsorted(self.known, tokens).clamp(max=len(self.known) - 1)
        number = torch.where(self.known[row] == tokens, row + FIRST, UNKNOWN)
        return torch.where(place >= 0, number, BEFORE)

    def read(self, numbers: Tensor) -> Tensor:
        """Logits for windows of such rows, (..., W) to (..., dues)."""
        logits: Tensor = self.last(F.gelu(self.table[self._places, numbers].sum(-2)))
        return logits
