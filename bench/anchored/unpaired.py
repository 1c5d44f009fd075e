"""The unpaired handshake on real images, as an experiment: `python -m bench.anchored.unpaired --json [--seeds 5]`.

Teacher and student see halves of the unlabelled images that have none in common. Concepts are carried by the map that
the handshake found, and the head is trained on samples around them. Accuracies stand beside the paired fit's.
"""

import argparse
import json
import sys

import numpy as np
import torch

from bench.anchored import digits, sources
from bench.anchored.handshake import shake
from m2kt.neural.linear import one_hot, train, tuned
from student_agent.anchoring import fit
from student_agent.head import Direction, drawn, learn
from teacher_agent.static import concepts

CONCEPTS = 100


def row(seed: int) -> dict[str, float]:
    """One seed: the handshake's agreement with itself, and what the student reaches through it and through pairs."""
    parts = digits.split(seed)
    head = tuned(parts.train.teacher, one_hot(parts.train.labels, 10), seed)
    asked = parts.probes.teacher
    knowledge = concepts(asked, head.answers(asked), digits.SYMBOLS, CONCEPTS, seed)
    half = len(asked) // 2  # probes lie image by image, so the halves share none
    found = shake(asked[:half], parts.probes.student[half:], seed)
    rows, said = drawn(knowledge, np.random.default_rng(seed))
    blind = train(found.carry(rows), one_hot(said, 10))
    paired = learn(knowledge, fit(parts.anchors.teacher, parts.anchors.student, seed), Direction.TO_STUDENT, seed)
    test, labels = parts.test.student, parts.test.labels
    return {
        "agreement": round(found.score, 4),
        "agreement_by_chance": round(found.by_chance, 4),
        "unpaired": round(float((blind.answers(test) == labels).mean()), 4),
        "paired": round(float((paired.answers(test) == labels).mean()), 4),
    }


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m bench.anchored.unpaired", description=__doc__.splitlines()[0])
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--seeds", type=int, default=5)
    wanted = arguments.parse_args()
    torch.set_num_threads(1)
    if lacking := sources.missing(sources.VISION):
        print(json.dumps({"skipped": f"{', '.join(lacking)} not installed; next: make extras"}))
        return 0
    rows = [row(seed) for seed in range(1, wanted.seeds + 1)]
    mean = {name: round(float(np.mean([each[name] for each in rows])), 4) for name in rows[0]}
    print(json.dumps({"mean": mean, "rows": rows}, indent=None if wanted.json else 1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
