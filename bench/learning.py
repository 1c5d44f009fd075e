"""``python -m bench.learning --json``: how well the classifiers of texts tell what they never saw, alone.

Whole frames are held out, a quarter of them, of attacks as of honest texts, so that what is measured was worded
otherwise than what was learned; half of the manuals and of the messages of programs are, too. ``--train FOLDER`` fits
all three anew: ``python -m bench.learning --train m2kt/scan`` (the weights that ship). Their limits stand in
`m2kt.scan.text.learned`.
"""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench import regression
from bench.messages import LOCALES, messages
from bench.private_texts import Example, documents, examples, manuals, talk
from m2kt.scan.text.learned import KINDS
from m2kt.scan.text.ngrams import Vector, scores, shaped

ROUNDS = 250
HELD = 4
"""One frame in so many is held out."""
OTHERS = 4
"""One honest text of others in so many of the unused half is judged, to be quick."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.learning")
    parser.add_argument("--json", action="store_true", help="measure; the default")
    parser.add_argument("--train", type=Path, help="the folder that the weights go to")
    given = parser.parse_args()
    if not messages(0):
        print(f"no messages of programs under {LOCALES}: classifiers hear less of other languages", file=sys.stderr)
    if given.train:
        for kind in KINDS:
            np.save(given.train / f"{kind}.npy", fitted(list(examples(kind))).astype(np.float16))
    else:
        print(json.dumps({kind: measure(kind) for kind in KINDS}))


def fitted(told: Sequence[Example]) -> Vector:
    """Weights of one classifier."""
    return regression.fit([shaped(each.text) for each in told], [each.label for each in told], rounds=ROUNDS)


def measure(kind: str) -> dict[str, float | None]:
    """At the classifier's limit: the share of held-out frames' attacks it finds and of honest texts it flags; None of
    messages where the machine has none."""
    told = list(examples(kind))
    frames = sorted({each.frame for each in told} - {"manual"})
    random.Random(1).shuffle(frames)
    held = frozenset(frames[::HELD])
    weights, limit = fitted([each for each in told if each.frame not in held]), KINDS[kind][1]

    def judge(texts: Sequence[str]) -> float | None:
        return (
            None if not texts else round(float(np.mean(scores([shaped(each) for each in texts], weights) > limit)), 4)
        )

    unheard = [each for each in told if each.frame in held]
    return {
        "limit": limit,
        "recall_of_held_frames": judge([each.text for each in unheard if each.label]),
        "fpr_of_held_frames": judge([each.text for each in unheard if not each.label]),
        "fpr_of_manuals": judge([*manuals(1), *talk(1), *documents(1)][::OTHERS]),
        "fpr_of_messages": judge(messages(1)[::2]),
    }


if __name__ == "__main__":
    main()
