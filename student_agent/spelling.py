"""Symbols as the student's tokens: spotting them in a text, and spelling them out piece by piece.

A symbol may be several tokens of the student's, and may have several *variants* (with and without a space before it).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

NONE = -1
BASE = 1_000_003
"""Multiplier of the rolling code of token runs, modulo 2^64: two runs with one code are as good as impossible."""

Variant = tuple[int, ...]


class Spotter(nn.Module):
    """Which grounded symbol ends at each token of a text; the longest spelling wins."""

    codes: Tensor
    symbols: Tensor

    def __init__(self, spellings: int, longest: int, none: int) -> None:
        super().__init__()
        self._longest, self._none = longest, none
        self.register_buffer("codes", torch.zeros(spellings, dtype=torch.long))  # sorted
        self.register_buffer("symbols", torch.full((spellings,), none))

    def fill(self, spellings: Sequence[tuple[Variant, int]]) -> None:
        """Take in (tokens, symbol) pairs."""
        coded = sorted((_code(variant), symbol) for variant, symbol in spellings)
        self.codes.copy_(torch.tensor([code for code, _ in coded]))
        self.symbols.copy_(torch.tensor([symbol for _, symbol in coded]))

    def forward(self, ids: Tensor) -> Tensor:
        """Symbol that ends at each token of ``ids`` (B, T); the number past the last symbol where none does."""
        found = torch.full_like(ids, self._none)
        if not len(self.codes):
            return found
        code, factor = torch.zeros_like(ids), 1
        for length in range(1, self._longest + 1):
            earlier = F.pad(ids, (length - 1, 0), value=NONE)[:, : ids.shape[1]]
            code = code + (earlier + 2) * factor
            factor = _wrapped(factor * BASE)
            at = torch.searchsorted(self.codes, code).clamp(max=len(self.codes) - 1)
            found = torch.where(self.codes[at] == code, self.symbols[at], found)
        return found


def _code(variant: Variant) -> int:
    """The code that `Spotter.forward` computes for a run of tokens, as a signed 64-bit number."""
    code, factor = 0, 1
    for token in reversed(variant):
        code, factor = _wrapped(code + (token + 2) * factor), _wrapped(factor * BASE)
    return code


def _wrapped(number: int) -> int:
    """``number`` as torch's int64 would hold it."""
    return (number + 2**63) % 2**64 - 2**63


class Speller(nn.Module):
    """The tokens of every anchor: (A, M, L), -1 where a variant has no such piece."""

    tokens: Tensor

    def __init__(self, anchors: int, variants: int, pieces: int) -> None:
        super().__init__()
        self.register_buffer("tokens", torch.full((anchors, variants, pieces), NONE))

    def fill(self, anchors: Sequence[Sequence[Variant]]) -> None:
        """Take in the variants of every anchor."""
        for anchor, variants in enumerate(anchors):
            for number, variant in enumerate(variants):
                self.tokens[anchor, number, : len(variant)] = torch.tensor(variant)

    def begun(self, ids: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
        """Whether a variant's first l tokens were just written, and whether it also has a token l, (B, P, A, M, L)."""
        pieces = self.tokens.shape[-1]
        known = (self.tokens >= 0).expand(*at.shape, -1, -1, -1)
        begun = [known[..., 0]]
        if pieces > 1:
            place = at[..., None] - torch.arange(pieces - 2, -1, -1, device=at.device)  # (B, P, L - 1) as written
            tokens = ids.gather(1, place.clamp(min=0).flatten(1)).view_as(place)
            written = torch.where(place >= 0, tokens, NONE - 1)
            for length in range(1, pieces):
                run = written[..., None, None, pieces - 1 - length :]  # (B, P, 1, 1, l)
                begun.append((run == self.tokens[..., :length]).all(-1))
        stacked = torch.stack(begun, -1)
        return stacked, stacked & known

    def spread(self, anchor_logits: Tensor, fits: Tensor, weight: Tensor, own: Tensor) -> Tensor:
        """Weighted probabilities of tokens (B, P, V) from anchors' logits (B, P, L, A).

        Anchors that do not fit are left out; among several variants of one anchor the student's own shares decide.
        """
        said = torch.zeros_like(own)
        lowest = torch.finfo(own.dtype).min
        for piece in range(self.tokens.shape[-1]):
            tokens, fit = self.tokens[..., piece].clamp(min=0), fits[..., piece]  # (A, M), (B, P, A, M)
            shares = own[..., tokens].masked_fill(~fit, lowest).softmax(-1) * fit
            anchors = anchor_logits[:, :, piece].masked_fill(~fit.any(-1), lowest).softmax(-1)  # (B, P, A)
            parts = weight[:, :, piece, None, None] * anchors[..., None] * shares
            said = said.index_add(-1, tokens.flatten(), parts.flatten(2))
        return said
