"""What the safety scan finds and what it flags: attacks on, and honest packets of, a teacher it was not tuned on.

`python -m bench.scan --json` judges teacher B by the thresholds that stand in `m2kt.scan.policy`;
`python -m bench.scan --freeze --honest 120` prints those that teacher A's honest packets give. Nothing of the class
``direction`` was looked at when they were chosen. ``--world FOLDER`` judges the teachers of another world, which
`python -m examples.models.make --seed N --out FOLDER --only teacher --bare` (and ``second``) makes. Of world-11's
honest packets one thing was, long ago: their logit margins were flagged while classes were pooled, so that margins are
taken within a class. That world is no untouched test; one of a new seed is, once.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from bench import planting, texts
from bench.harvest import Harvest
from bench.smuggle import smuggled
from bench.traits import LOWER, UPPER, frozen
from m2kt.packet import Packet
from m2kt.packet.controls import decoded
from m2kt.packet.knowledge import Knowledge
from m2kt.scan import Outcome, Policy, scan
from m2kt.scan.check import view
from m2kt.scan.drift import Grounding, grounding_of, readings
from m2kt.scan.policy import DomainRules
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate

MODELS = Path(__file__).parent.parent / "examples" / "models"
TEACHER_A, TEACHER_B, SECOND = MODELS / "teacher", MODELS / "world-11" / "teacher", MODELS / "world-11" / "second"
PROBES = 3000
CANARY = 60
FLAGGED = (Outcome.FAIL, Outcome.SUSPICIOUS)
KEY = generate()


@dataclass(frozen=True)
class Against:
    """What packets of one run are compared with."""

    policy: Policy
    references: tuple[Packet, ...]
    covered: frozenset[Grounding] | None
    """Groundings that some reference speaks of; flips are drawn from them. None: from all."""


Case = tuple[bytes, Against]


def flagged(data: bytes, against: Against) -> bool:
    """Whether any check stops at the packet. An error is no finding: it raises."""
    verdict = scan(data, against.policy, against.references)
    broken = [each for each in verdict.checks if each.outcome is Outcome.ERROR]
    if broken:
        raise RuntimeError(f"checks broke: {broken}")
    return any(each.outcome in FLAGGED for each in verdict.checks)


@dataclass(frozen=True)
class Trial:
    """Teacher B, what is known of it, and how many packets of each sort are made."""

    harvest: Harvest
    rng: np.random.Generator
    alone: Against
    earlier: Against
    second: Against
    canary: Against

    @classmethod
    def of(cls, teacher: Path, second: Path, seed: int) -> "Trial":
        rng = np.random.default_rng(seed)
        harvest, other = Harvest.of(teacher, PROBES), Harvest.of(second, PROBES)
        before = harvest.packet(harvest.knowledge(rng), "0.9.0")
        elsewhere = other.packet(other.graph, "0.1.0")
        facts = _facts(harvest.graph, rng)
        policy = Policy()
        knowing = replace(policy, domains={"chains": DomainRules(canary=facts)})
        return cls(
            harvest,
            rng,
            Against(policy, (), None),
            Against(policy, (before,), _covered(before)),
            Against(policy, (elsewhere,), _covered(elsewhere)),
            Against(knowing, (), frozenset(grounding for grounding, _ in facts)),
        )

    def honest(self) -> Iterator[Case]:
        """Held against everything at once: what any one of the checks flags is a false alarm."""
        everything = replace(self.canary, references=self.earlier.references + self.second.references)
        while True:
            yield self._bytes(self.harvest.knowledge(self.rng)), everything

    def attacked(self, attack: planting.Attack) -> Iterator[Case]:
        while True:
            yield self._bytes(attack(self.harvest.knowledge(self.rng), self.rng)), self.alone

    def smuggling(self) -> Iterator[Case]:
        while True:
            packet = self.harvest.packet(self.harvest.knowledge(self.rng))
            yield smuggled(packet, self.rng.uniform(0.06, 0.5), self.rng), self.alone

    def flipped(self, against: Against) -> Iterator[Case]:
        while True:
            knowledge = self.harvest.knowledge(self.rng)
            rows = _rows(knowledge, against.covered)
            yield self._bytes(planting.flips(knowledge, self.rng, rows)), against

    def _bytes(self, knowledge: Knowledge) -> bytes:
        return sign_packet(self.harvest.packet(knowledge), KEY)

    def classes(self) -> dict[str, Iterator[Case]]:
        """Every class that leaves evidence."""
        planted = {name: self.attacked(each) for name, each in {**planting.TUNED, **planting.UNSEEN}.items()}
        known = {"earlier": self.earlier, "second": self.second, "canary": self.canary}
        flips = {f"flips_against_{name}": self.flipped(each) for name, each in known.items()}
        return {**planted, "covert": self.smuggling(), **flips}


def _facts(knowledge: Knowledge, rng: np.random.Generator) -> tuple[tuple[Grounding, str], ...]:
    """What the operator of a broker knows for sure about the domain: some of the teacher's facts."""
    found = [(grounding, *answers) for grounding, answers in sorted(readings(knowledge).items()) if len(answers) == 1]
    chosen = rng.choice(len(found), CANARY, replace=False)
    return tuple((found[each][0], str(found[each][1])) for each in chosen.tolist())


def _covered(packet: Packet) -> frozenset[Grounding]:
    return frozenset(readings(view(packet)))


def _rows(knowledge: Knowledge, covered: frozenset[Grounding] | None) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    count = len(decoded(knowledge))
    known = [row for row in range(count) if covered is None or grounding_of(knowledge, row) in covered]
    return np.array(known, np.intp)


def share(cases: Iterator[Case], count: int) -> float:
    """Share of ``count`` packets that are flagged."""
    return sum(flagged(*next(cases)) for _ in range(count)) / count


def throughput(packet: bytes, rounds: int = 5) -> float:
    """Bytes per second of the scan over those of SHA-256, on the same packet."""
    return _seconds(lambda: sha256(packet).digest(), rounds) / _seconds(lambda: scan(packet), rounds)


def _seconds(work: Callable[[], object], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


def measure(
    honest: int, attacks: int, seed: int, teacher: Path = TEACHER_B, second: Path = SECOND
) -> dict[str, object]:
    """Recall by class, the share of honest packets flagged, and what cannot be found."""
    trial = Trial.of(teacher, second, seed)
    recall = {name: share(cases, attacks) for name, cases in trial.classes().items()}
    sample = next(trial.honest())[0]
    return {
        "recall_min": min(recall.values()),
        "recall_by_class": recall,
        "fpr": share(trial.honest(), honest),
        "undetectable_flips_flagged": share(trial.flipped(trial.alone), attacks),
        "honest": honest,
        "attacks_per_class": attacks,
        **texts.measure(),
        "scan_vs_sha256": round(throughput(sample), 6),
        "bytes": len(sample),
    }


def freeze(count: int, seed: int) -> dict[str, float]:
    """The thresholds that teacher A's honest packets give."""
    harvest, rng = Harvest.of(TEACHER_A, PROBES), np.random.default_rng(seed)
    found = frozen(harvest.knowledge(rng) for _ in range(count))
    return {name: getattr(found, name) for name in (*UPPER, *LOWER)}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one line of JSON; the default, too")
    parser.add_argument("--freeze", action="store_true", help="print the thresholds of teacher A instead")
    parser.add_argument("--honest", type=int, default=200)
    parser.add_argument("--attacks", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--world", type=Path, help="a folder with teacher/ and second/ to judge instead of world-11")
    given = parser.parse_args(arguments)
    if given.freeze:
        print(json.dumps(freeze(given.honest, given.seed)))
    else:
        world = given.world or TEACHER_B.parent
        print(json.dumps(measure(given.honest, given.attacks, given.seed, world / "teacher", world / "second")))


if __name__ == "__main__":
    main()
