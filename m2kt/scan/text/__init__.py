"""Texts in a packet: manifest fields, symbols, leads, the literal parts of templates; and what must not stand in them.

Whatever reads a packet's texts later (a page, a log, a language model that summarises it) must not be told what to do
by them, and no secret or person may travel in them. Every reader here takes time linear in the text.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise

from m2kt.packet import Packet, PacketKind
from m2kt.packet.knowledge import Element
from m2kt.packet.static import is_static
from m2kt.scan.check import Subject, view
from m2kt.scan.text.concealed import concealments
from m2kt.scan.text.injection import injections
from m2kt.scan.text.learned import ORDERED, learned
from m2kt.scan.text.normal import plain, readings
from m2kt.scan.text.personal import PERSONAL, personal
from m2kt.scan.text.secrets import GIVEN, UNKNOWN_FORM, secrets
from m2kt.scan.verdict import Finding, Weight

MAX_CHARS = 1 << 20
"""Of all texts together. A packet that says more is refused: nobody could review it."""
MAX_REPORTED = 20
PLAIN = 2
"""Readings that are the text itself: as it stands, and without what nobody sees."""
JOINED = ", joined"
EVERYTHING = f"fields{JOINED}"
"""Of which a number means nothing: settings and symbols that follow one another look like one."""
COUNTED = 10
"""Strings that count (0, 1, 2, ...), from which on they are no digits of somebody's number."""
LEAST_WHOLE = 2
READERS: tuple[tuple[Callable[[str], Iterator[str]], Weight], ...] = (
    (secrets, Weight.FAULT),
    (personal, Weight.SUSPICION),
    (injections, Weight.SUSPICION),
)


def texts(subject: Subject) -> Iterator[Finding]:
    """No secret, no person's data and no instruction stands in the packet's texts, plain, disguised or split."""
    found = list(texts_of(subject.packet))
    if sum(len(text) for _, text in found) > MAX_CHARS:
        yield Finding("texts", f"they have more than {MAX_CHARS} characters")
        return
    found += joins(found)
    told: dict[tuple[str, str], Finding] = {}
    for where, text in found:
        for what, weight in said(text, joined=True) if where.endswith(JOINED) else hits(text):
            if where != EVERYTHING or weight is Weight.FAULT or what not in PERSONAL:
                told.setdefault((where, what), Finding(where, what, weight))
    yield from list(told.values())[:MAX_REPORTED]


def hits(text: str) -> Iterator[tuple[str, Weight]]:
    """That a text is in a disguise, and what the readers find in it and in all that it may be a disguise of."""
    yield from ((what, Weight.SUSPICION) for what in concealments(text))
    yield from said(text)


def said(text: str, joined: bool = False) -> Iterator[tuple[str, Weight]]:
    """What the readers find in a text, in whatever disguise, which is no finding here. Of fields that were ``joined``
    only forms and orders count: a list of names exposes nobody, and put together it looks drawn. What a vocabulary has
    beside ``key`` by chance is for reviewers: it refuses no packet."""
    whole = _is_whole(text)
    for number, reading in enumerate(readings(text)):
        for reader, weight in READERS:
            for what in reader(reading):
                if what != UNKNOWN_FORM or not (joined or (whole and number >= PLAIN)):
                    yield what, Weight.SUSPICION if joined and what == GIVEN else weight
        for what in learned(reading, deciphered=number >= PLAIN):
            if not joined or what == ORDERED:
                yield what, Weight.SUSPICION


def _is_whole(text: str) -> bool:
    """Whether words stand in the text as it is: putting those together makes nothing but runs that look drawn."""
    return len(re.findall(r"(?<!\S)[^\W\d_]{4,}(?=[.,:;!?]?(?:\s|$))", plain(text))) >= LEAST_WHOLE


def texts_of(packet: Packet) -> Iterator[tuple[str, str]]:
    """Every text in a packet, and where it stands; no more of them once they are longer than ``MAX_CHARS`` together, so
    that a few long symbols in millions of a template's elements fill no memory."""
    left = MAX_CHARS
    for where, text in _all_texts(packet):
        yield where, text
        left -= len(text)
        if left < 0:
            return


def _all_texts(packet: Packet) -> Iterator[tuple[str, str]]:
    manifest = packet.manifest
    teacher, domain = manifest.teacher, manifest.domain
    yield "name", manifest.name
    yield "licence", manifest.licence
    yield "domain", domain.name
    yield "teacher", " ".join((teacher.name, teacher.family, teacher.base_family))
    settings = (f"{name} {value}" for name, value in manifest.extraction.settings.items())
    yield "extraction", " ; ".join((manifest.extraction.operator, *settings))
    for name, strings in (("symbols", manifest.symbols), ("leads", manifest.leads)):
        yield from ((name, each) for each in strings)
    if manifest.kind in (PacketKind.KNOWLEDGE, PacketKind.AGGREGATE) and not is_static(packet.tensors):
        yield from _templates(packet)


def joins(found: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """What a text may have been before it was split over fields: those of one name, with spaces between and without, or
    all of them with spaces, in their order and in the opposite one. Templates are long, and are joined once. That they
    had to be joined is no disguise."""
    kinds: dict[str, list[str]] = {}
    for where, text in found:
        if where != "groundings":  # they say symbols again
            kinds.setdefault(where.split()[0], []).append(text)
    if templates := kinds.pop("template", None):
        yield f"template{JOINED}", " ".join(templates)
    kinds = {name: _uncounted(_uncounted(strings, 1), -1) for name, strings in kinds.items()}
    for name, strings in kinds.items():
        for order in (strings, strings[::-1]) if len(strings) > 1 else ():
            yield from ((f"{name}{JOINED}", between.join(order)) for between in (" ", ""))
    everything = [text for each in kinds.values() for text in each]
    yield from ((EVERYTHING, " ".join(order)) for order in (everything, everything[::-1]))


def _uncounted(strings: Sequence[str], step: int) -> list[str]:
    """The strings with each long count among them, upwards or downwards, cut to its ends: 998, 999 and 1000 would be a
    telephone number."""

    def place(it: tuple[int, str]) -> tuple[bool, int]:
        at, each = it[0], it[1].strip()
        number = each.isdecimal() and len(each) <= COUNTED
        return number, int(each) - step * at if number else at

    runs = ([each for _, each in run] for _, run in groupby(enumerate(strings), place))
    return [each for run in runs for each in (run if len(run) < COUNTED else (run[0], "…", run[-1]))]


def _templates(packet: Packet) -> Iterator[tuple[str, str]]:
    """Every template as it would be written, with a gap wherever the teacher or the prompt fills something in; and the
    strings of each concept's grounding, one concept after another."""
    knowledge = view(packet)
    for number, template in enumerate(knowledge.templates):
        said, size = list[str](), 0
        for kind, argument, lead, _ in template.elements.tolist():
            said.append(knowledge.leads[lead] + (knowledge.symbols[argument] if kind == Element.LITERAL else "…"))
            size += len(said[-1])
            if size > MAX_CHARS:
                break
        yield f"template {number}", "".join(said)
    rows = {tuple(row) for row in knowledge.groundings.tolist() if any(a != b for a, b in pairwise(row))}
    for row in sorted(rows):
        yield "groundings", " ".join(knowledge.symbols[each] for each in row if each >= 0)
