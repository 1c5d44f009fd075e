"""Omega_safe's soft part (eq. 17-18): symbols, groundings and texts that a classifier takes for harmful."""

from collections.abc import Iterator

from m2kt.scan.check import Subject
from m2kt.scan.harm import scores
from m2kt.scan.text import MAX_CHARS, MAX_REPORTED, texts_of
from m2kt.scan.verdict import Finding, Weight

SHOWN = 60
"""Characters of a harmful text that the evidence repeats."""


def harmful(subject: Subject) -> Iterator[Finding]:
    """Nothing in the packet reads like an insult, a threat or a slight of a whole group."""
    limit, where = subject.policy.thresholds.harm, dict[str, str]()
    for place, text in texts_of(subject.packet):
        where.setdefault(text, place)
    if sum(map(len, where)) > MAX_CHARS:
        return  # `texts` refuses it
    found = sorted(zip(scores(list(where)).tolist(), where, strict=True), reverse=True)
    for score, text in found[:MAX_REPORTED]:
        if score > limit:
            yield Finding(where[text], f"{text[:SHOWN]!r} reads as harmful ({score:.2f})", Weight.SUSPICION)
