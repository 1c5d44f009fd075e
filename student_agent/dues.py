"""Which decision is due, read off the last few tokens: where these tell, a text's length cannot mislead.

A classifier of the student's states learns with *what* is due also where in a text and in how long a one probes had it,
and on longer chains takes one decision for another (docs/experiments.md). In most forms the last few tokens say what is
due: `; 5 + 8 + 1 =` stands before a sum with a carry, `: 7 + 6 =` before one without. Whether that is so can be tried
on rendered probes. Where it is, the shortest window that tells is looked at, wherever each two neighbours in it stand
as they stood in some probe. Where it is not, and in a wording that no probe had, states are.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from student_agent.batches import Batch, Prober
from student_agent.window import FIRST, HIDDEN, Window

WINDOWS = (4, 8, 16)
"""Tokens looked at; the first that tells is taken."""
STEPS, ROWS, RATE = 400, 1024, 1e-2
SLIPS = 0.001
"""Share of positions that a window may be told wrongly, of those that it was learned from and of fresh ones."""


def learn_window(prober: Prober, dues: int, count: int, seed: int) -> Window | None:
    """The shortest window that tells what is due in ``count`` rendered chains of every template, and in as many fresh
    ones; None where none does."""
    generator = torch.Generator().manual_seed(seed)
    seen, fresh = (list(prober.survey(count, _rng(seed, number))) for number in (1, 2))
    if not seen or not fresh:
        return None
    for tokens in WINDOWS:
        window = _blank(tokens, seen, dues, generator)
        rows, targets = _distinct(window, seen, dues)
        if _contradicting(rows) <= SLIPS * len(rows):
            _fit(window, rows, targets, generator)
            if max(_slips(window, each, dues) for each in (seen, fresh)) <= SLIPS:
                window.have_seen(rows)
                return window
    return None


def due_at(batch: Batch, dues: int) -> Tensor:
    """What is due at every position, (N, T): nothing, save at the pieces of decisions."""
    target = torch.full(batch.ids.shape, dues - 1)
    real = batch.dues >= 0
    rows = torch.arange(len(batch.ids))[:, None].expand_as(batch.at)
    target[rows[real], batch.at[real]] = batch.dues[real]
    return target


def _rng(seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng([seed, number, len(WINDOWS)])  # apart from the schedule's own draws


def _blank(tokens: int, batches: Iterable[Batch], dues: int, generator: torch.Generator) -> Window:
    known = torch.from_numpy(np.unique(torch.cat([each.ids.flatten() for each in batches]).numpy()))
    window = Window(tokens, len(known), dues)
    window.known.copy_(known)
    with torch.no_grad():
        window.table[:, FIRST:] = torch.randn(tokens, len(known), HIDDEN, generator=generator) * 0.1
        window.last.weight.copy_(torch.randn(dues, HIDDEN, generator=generator) * HIDDEN**-0.5)
        window.last.bias.zero_()
    return window


def _windows(window: Window, batches: Iterable[Batch], dues: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Windows (M, W) and what is due there (M,), batch by batch."""
    for batch in batches:
        every = torch.arange(batch.ids.shape[1]).expand(len(batch.ids), -1)
        yield window.numbers(batch.ids, every).flatten(0, 1), due_at(batch, dues).flatten()


def _distinct(window: Window, batches: Iterable[Batch], dues: int) -> tuple[Tensor, Tensor]:
    """Different pairs of a window and what is due, sorted by window."""
    found = [np.unique(torch.column_stack(each).numpy(), axis=0) for each in _windows(window, batches, dues)]
    pairs = torch.from_numpy(np.unique(np.concatenate(found), axis=0))
    return pairs[:, :-1], pairs[:, -1]


def _contradicting(rows: Tensor) -> int:
    """How many windows of sorted ``rows`` are there again, with something else due."""
    return int((rows[1:] == rows[:-1]).all(1).sum())


def _fit(window: Window, rows: Tensor, targets: Tensor, generator: torch.Generator) -> None:
    optimiser = torch.optim.Adam(window.parameters(), RATE)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        chosen = torch.randint(len(rows), (min(ROWS, len(rows)),), generator=generator)
        loss = F.cross_entropy(window.read(rows[chosen]), targets[chosen])
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        decay.step()


@torch.no_grad()
def _slips(window: Window, batches: Iterable[Batch], dues: int) -> float:
    """Share of positions where the likeliest is not what is due."""
    found = [(window.read(rows).argmax(-1) != due).float() for rows, due in _windows(window, batches, dues)]
    return float(torch.cat(found).mean()) if found else 1.0
