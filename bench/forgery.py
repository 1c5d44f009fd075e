"""Forged packets against both verifiers: ``python -m bench.forgery --json`` prints one line.

``total`` forged packets of which ``refused`` by both; ``valid`` genuine ones of which ``accepted_valid`` by both;
``disagreements``: packets of either sort on which the verdicts are not equal in the sense of docs/packet.md.
``other_rule`` counts those that break several rules of one class, of which the two name different ones.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence

from bench.damage import damaged
from bench.forge import OWN_KEYS
from bench.genuine import genuine
from bench.impostors import impostors
from bench.verdicts import Verdict, by_library, by_standalone

SEED = 4


def judge(packets: Iterable[tuple[bytes, Sequence[str]]]) -> Iterable[tuple[Verdict, Verdict]]:
    """The verdicts of the library and of the stand-alone verifier, each packet once."""
    seen = set()
    for data, keys in packets:
        case = (data, tuple(keys))
        if case not in seen:
            seen.add(case)
            yield by_library(data, keys), by_standalone(data, keys)


def measure(seed: int = SEED) -> dict[str, object]:
    """The figures, and the number of forgeries by the class they were refused in."""
    began = time.perf_counter()
    lies = [*judge((data, OWN_KEYS) for data in damaged(seed)), *judge(impostors(seed))]
    truths = list(judge(genuine(seed)))
    return {
        "total": len(lies),
        "refused": sum(bool(one.refused and other.refused) for one, other in lies),
        "valid": len(truths),
        "accepted_valid": sum(not one.refused and not other.refused for one, other in truths),
        "disagreements": sum(not one.agrees(other) for one, other in (*lies, *truths)),
        "other_rule": sum(one.rule != other.rule for one, other in lies),
        "rules": len({(one.refused, one.rule) for one, _ in lies}),
        "classes": dict(sorted(Counter(one.refused for one, _ in lies).items())),
        "seed": seed,
        "seconds": round(time.perf_counter() - began, 1),
    }


def main() -> int:
    """Exit 1 when a forgery passed, a genuine packet did not, or the verifiers disagreed."""
    found = measure()
    print(json.dumps(found))
    whole = found["refused"] == found["total"] and found["accepted_valid"] == found["valid"]
    return 0 if whole and not found["disagreements"] else 1


if __name__ == "__main__":
    sys.exit(main())
