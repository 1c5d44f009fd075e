"""What is due at a position, by the last few tokens alone."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

HIDDEN = 64
BEFORE, UNKNOWN, FIRST = 0, 1, 2
"""Rows of the table: no token, the text begins later; a token that no probe has; the first that probes have."""


class Window(nn.Module):
    """Logits of what is due, from the tokens at a position and before it."""

    known: Tensor

    def __init__(self, tokens: int, known: int, dues: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.table = nn.Parameter(torch.zeros(tokens, known + FIRST, HIDDEN))
        self.last = nn.Linear(HIDDEN, dues)
        self.register_buffer("known", torch.zeros(known, dtype=torch.long))  # sorted

    def forward(self, ids: Tensor, at: Tensor) -> Tensor:
        """At positions ``at`` (B, P) of texts ``ids`` (B, T): (B, P, dues)."""
        return self.read(self.numbers(ids, at))

    def numbers(self, ids: Tensor, at: Tensor) -> Tensor:
        """Rows of the table for each place of the window, (B, P, W)."""
        place = at[..., None] - torch.arange(self.tokens, device=at.device)
        tokens = ids.gather(1, place.clamp(min=0).flatten(1)).view_as(place)
        row = torch.searchsorted(self.known, tokens).clamp(max=len(self.known) - 1)
        number = torch.where(self.known[row] == tokens, row + FIRST, UNKNOWN)
        return torch.where(place >= 0, number, BEFORE)

    def read(self, numbers: Tensor) -> Tensor:
        """Logits for windows of such rows, (..., W) to (..., dues)."""
        places = torch.arange(self.tokens, device=numbers.device)
        logits: Tensor = self.last(F.gelu(self.table[places, numbers].sum(-2)))
        return logits
