"""One domain and one seed, all columns from one run: ``python -m bench.te.domain`` (spec on stdin, one JSON line)."""

import json
import os
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from bench.te import kd
from bench.te.judging import Sealed, accuracy, general_perplexity, opened, report_half, seal
from bench.te.packets import derangement, knowledge_of
from bench.te.planting import inherits
from bench.te.settings import DRAWN, FULL, MODELS, QUICK, REPORT, Size, kd_of
from bench.te.stages import Row, Scene, align_all, domain_of, make_scene, teach
from examples.models.tasks import ignorance, renamed
from m2kt.neural.models import offline, set_threads
from m2kt.packet import Packet
from student_agent.checks import Check
from student_agent.verify import read_sentences


def main() -> int:
    spec = json.loads(sys.stdin.read())
    offline()
    set_threads(1)
    size = QUICK if spec["quick"] else FULL
    print(json.dumps(run(spec["domain"], spec["seed"], size, Path(spec["root"]), Path(spec["models"]))))
    return 0


def run(domain: str, seed: int, size: Size, root: Path, models: Path) -> Row:
    """Extract, align, seal, judge, and the baseline."""
    began = _spent()
    scene = make_scene(domain, seed, size, root / f"{domain}-{seed}", models)
    packet, extraction = teach(scene.teacher, domain_of(domain), scene.size, seed)
    row: Row = {"domain": domain, "seed": seed, "report": REPORT}
    row |= {"extraction": extraction, "ledger": dict(packet.manifest.ledger)}
    names = (*size.controls, *size.comparisons)
    row["alignment"] = learned = align_all(scene, packet, names)
    sealed = seal(scene.task, scene.fact, scene.root / "sealed", size.items, size.long_items, seed)
    row |= judged(scene, sealed, learned)
    row["deranged_obeyed"] = _obeyed(scene, packet, learned)
    if domain in size.planted:
        row["planted"] = inherits(scene)
    row["kd"] = _baseline(scene, sealed, learned)
    return {**row, "cpu_s": round(_spent() - began, 1)}


def _spent() -> float:
    """Processor seconds of this process and of the children that have ended."""
    times = os.times()
    return sum((times.user, times.system, times.children_user, times.children_system))


def judged(scene: Scene, sealed: Sealed, learned: Row) -> Row:
    """Teacher, untaught student and every memory on the report half; the far items for those that teach."""
    near, far = report_half(sealed.near), report_half(sealed.far)
    texts = read_sentences(MODELS / "general.txt")
    memories = {name: opened(scene.student, each["memory"]) for name, each in learned.items() if "memory" in each}
    taught = memories.get("packet")
    untaught = accuracy(scene.student, near)
    right = {name: accuracy(scene.student, near, each) for name, each in memories.items()}
    rows, draws = averaged({name: right.get(name) for name in learned}, untaught)
    return {
        "items": len(near),
        "far_items": len(far),
        "teacher": accuracy(scene.teacher, near),
        "untaught": untaught,
        "chance": guessing(scene, near),
        "rows": rows,
        "draws": draws,
        "far": {
            "teacher": accuracy(scene.teacher, far),
            "untaught": accuracy(scene.student, far),
            "packet": accuracy(scene.student, far, taught) if taught else None,
        },
        "perplexity": [general_perplexity(scene.student, texts, each) for each in (None, taught)],
    }


def averaged(right: Mapping[str, float | None], untaught: float) -> tuple[Row, Row]:
    """Accuracies by packet, those of controls of which several were drawn averaged; and all draws of these. A draw that
    was refused leaves the student untaught; None where all were."""
    rows = dict(right)
    draws: Row = {}
    for name in DRAWN:
        found = [rows.pop(each) for each in list(rows) if each == name or each.startswith(f"{name}-")]
        if found:
            draws[name] = found
            given = [untaught if each is None else each for each in found]
            rows[name] = None if all(each is None for each in found) else mean(given)
    return rows, draws


def guessing(scene: Scene, checks: Sequence[Check]) -> float:
    """Accuracy of the right form with facts drawn evenly: chance."""
    fact = ignorance(scene.task, random.Random(scene.seed))
    right = [scene.task.answer(scene.task.solve(each.prompt, fact)) == each.answer for each in checks]
    return sum(right) / len(right)


def _obeyed(scene: Scene, packet: Packet, learned: Row) -> float | None:
    """Accuracy of the student with deranged symbols on the answers that *they* give."""
    if "memory" not in learned.get("deranged", {}):
        return None
    fact = renamed(scene.fact, derangement(knowledge_of(packet)))
    sealed = seal(scene.task, fact, scene.root / "deranged-sealed", scene.size.items, 2, scene.seed)
    return accuracy(scene.student, report_half(sealed.near), opened(scene.student, learned["deranged"]["memory"]))


def _baseline(scene: Scene, sealed: Sealed, learned: Row) -> Row:
    """The baseline's figures, and the FLOPs of both to the same accuracy on validation."""
    size, budget = scene.size, kd_of(scene.task.name, scene.size)
    found = kd.baseline(scene.teacher, scene.student, scene.task, scene.fact, budget, size.validation, scene.seed)
    near = report_half(sealed.near)
    taught = opened(scene.student, learned["packet"]["memory"])
    wanted = kd.validation_accuracy(scene.student, taught, scene.task, scene.fact, size.validation, scene.seed)
    return {
        "outputs": found.outputs,
        "rate": found.rate,
        "epochs": round(found.epochs, 2),
        "looks": found.fixed.looks,
        "accuracy": accuracy(found.fixed.best, near),
        "plateau": accuracy(found.plateau.best, near),
        "wanted": wanted,
        "flops_to_same": kd.flops_to(found, wanted, budget.batch),
    }


if __name__ == "__main__":
    sys.exit(main())
