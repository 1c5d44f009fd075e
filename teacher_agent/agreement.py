"""Does the teacher know what it decides? Told without labels: by whether it agrees with itself.

Of two decisions of one class with the same symbols in their role slots, a teacher that knows decides both alike,
however the rest of the chain reads; one that guesses decides them alike as often as any two decisions of that class.
Both shares are over pairs, which no small number of members biases. (Whether what it knows is *true* no test without
labels can say.)
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

MARGIN = 0.05
"""How far above chance a share must be to be above chance (the protocol's definition)."""

Key = tuple[int, tuple[int, ...]]


@dataclass
class Agreement:
    """Counts of what was decided, by grounding: as many as there are facts, however many probes."""

    decided: dict[Key, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, keys: Sequence[Key], symbols: Sequence[int]) -> None:
        for key, symbol in zip(keys, symbols, strict=True):
            self.decided[key][symbol] += 1

    def shares(self) -> tuple[float, float]:
        """Share of pairs that agree, and how many would by chance. (1, 0) where nothing was seen twice."""
        classes: dict[int, Counter[int]] = defaultdict(Counter)
        pairs: Counter[int] = Counter()
        alike = 0
        for (number, _), counter in self.decided.items():
            classes[number].update(counter)
            same, all_pairs = _pairs(counter)
            alike, pairs[number] = alike + same, pairs[number] + all_pairs
        total = sum(pairs.values())
        if not total:
            return 1.0, 0.0
        chance = {number: same / max(every, 1) for number, (same, every) in _by_class(classes).items()}
        return alike / total, sum(chance[number] * count for number, count in pairs.items()) / total


def _by_class(classes: dict[int, Counter[int]]) -> dict[int, tuple[int, int]]:
    return {number: _pairs(counter) for number, counter in classes.items()}


def _pairs(counter: Counter[int]) -> tuple[int, int]:
    """Ordered pairs that are equal, and all of them."""
    total = sum(counter.values())
    return sum(count * (count - 1) for count in counter.values()), total * (total - 1)
