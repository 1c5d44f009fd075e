"""``python -m bench.texts --json``: what the text check finds of payloads, and what it flags of honest texts.

The payloads of `bench.payloads` chose the checks and are no test any more; those of ``--blind FILE`` (repeatable;
bench/blind/BRIEF.md) are one as long as nobody looked. Honest texts are those of ``--honest FILE`` (repeatable), as
blind as those; without any, `bench.payloads.unseen`'s. ``text_recall_said`` leaves out that a disguise is a finding of
its own: what the readers make of what is under it.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.blind import HOME, Payload, benign, payloads
from bench.payloads import DISGUISES, INJECTIONS, PERSONAL, SECRETS, unseen
from m2kt.scan.text import hits, said

BLIND = "payloads-[!a]*.jsonl"
"""Set A was opened on 2026-11-23 to mend the checks by it: it is one of development now."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.texts")
    parser.add_argument("--json", action="store_true", help="one line of JSON; the default, too")
    parser.add_argument(
        "--blind", type=Path, action="append", help="default: the sets of bench/blind that nobody opened"
    )
    parser.add_argument("--honest", type=Path, action="append", help="default: every honest-*.jsonl of bench/blind")
    given = parser.parse_args(arguments)
    print(json.dumps(measure(given.blind, given.honest)))


def measure(blind: Sequence[Path] | None = None, honest: Sequence[Path] | None = None) -> dict[str, object]:
    """``text_recall`` is that of the blind files; while there are none (``text_blind`` is false), of the payloads that
    the checks were made with, which proves little."""
    told = [each for path in _found(blind, BLIND) for each in payloads(path)]
    spared = [text for path in _found(honest, "honest-*.jsonl") for text in benign(path)]
    found = [(each, any(hits(each.text))) for each in told or seen()]
    flagged = [any(hits(text)) for text in spared or unseen()]
    return {
        "text_recall": _share([hit for _, hit in found]),
        "text_recall_said": _share([any(said(each.text)) for each, _ in found]),
        "text_blind": bool(told),
        "text_recall_by_kind": _by(found, lambda each: each.kind),
        "text_recall_by_disguise": _by(found, lambda each: each.disguise),
        "text_fpr": _share(flagged),
        "text_fpr_blind": bool(spared),
        "payloads": len(found),
        "benign_texts": len(flagged),
    }


def _found(given: Sequence[Path] | None, pattern: str) -> Sequence[Path]:
    return sorted(HOME.glob(pattern)) if given is None else given


def seen() -> list[Payload]:
    """The payloads of `bench.payloads` in every disguise."""
    texts = [("injection", each) for each in INJECTIONS]
    texts += [("secret", each) for each in SECRETS] + [("personal", each) for each in PERSONAL]
    return [Payload(kind, name, disguise(text)) for name, disguise in DISGUISES.items() for kind, text in texts]


def _by(found: Sequence[tuple[Payload, bool]], of: Callable[[Payload], str]) -> dict[str, float]:
    return {
        name: _share([hit for each, hit in found if of(each) == name]) for name in sorted({of(e) for e, _ in found})
    }


def _share(hits: Sequence[bool]) -> float:
    return round(sum(hits) / len(hits), 5)


if __name__ == "__main__":
    main()
