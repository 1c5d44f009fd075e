"""One seed of one setting: a row of figures, the same arms for every setting."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bench.bikd import arms, images, probe
from bench.bikd.arms import Setting
from bench.bikd.augment import Affine
from bench.bikd.images import Images
from bench.bikd.students import Student
from m2kt.exchange import RoundPlan, draws
from m2kt.neural.exchange import Peer, Round, run_local
from m2kt.neural.samples import View

TEST_SEED = 20251022
"""Splits off the test images, the same for all seeds: settings were chosen on other images."""
COPIES = 4
"""Views of every held-out image."""

Row = dict[str, Any]
Arm = Callable[[list[Peer], RoundPlan], list[Round]]
ARMS: Mapping[str, tuple[float, Arm]] = {
    "alone": (1.0, arms.alone),
    "exchange": (1.0, run_local),
    "no_task": (0.0, run_local),
    "no_stop": (1.0, lambda peers, plan: arms.joint(peers, plan, stop_gradient=False)),
}
"""Arms by name: weight of the task loss, and how the peers are trained."""


@dataclass(frozen=True)
class Parts:
    """A seed's images: what each peer has, what all share, what measures them (bare, and in views like training's)."""

    own: list[Images]
    shared: Images
    bare: Images
    views: Images
    classes: tuple[str, ...]


def run_seed(setting: Setting, seed: int, wanted: Sequence[str], held_out: str = "test") -> Row:
    """Figures of one seed: ``before`` and every wanted arm, for each peer; ``held_out`` is ``val`` or ``test``."""
    parts = parts_of(setting, seed, held_out)
    students = arms.students_of(setting, parts.own, seed, len(parts.classes))
    samples = arms.samples_of(setting, parts.shared, parts.classes)
    row: Row = {"seed": seed, "peers": arms.names(setting), "before": _measure(list(students.values()), parts)}
    for name in wanted:
        task_weight, train = ARMS[name]
        plan = arms.plan_of(setting, seed, task_weight)
        peers = arms.peers_of(setting, students, samples, plan)
        rounds = train(peers, plan)
        row[name] = _measure([peer.model for peer in peers], parts)  # type: ignore[misc]  # they are Students
        if rounds:
            row[name] |= {"shares": arms.shares(rounds), "confidences": arms.deciles(rounds)}
    return row


def parts_of(setting: Setting, seed: int, held_out: str) -> Parts:
    """Test images are the same for all seeds; the others are drawn anew for each."""
    if setting.images == "textures":
        return _mosaics(setting, seed, held_out)
    everything = {"digits": images.digits, "mnist": images.mnist}[setting.images]()
    halves = images.split(everything, {"test": len(everything) // 3, "pool": -1}, TEST_SEED)
    own = {f"own{place}": size for place, size in enumerate(setting.own)} if setting.apart else {}
    found = images.split(halves["pool"], {"val": 200, "shared": setting.shared, **own}, seed)
    bare = found["val"] if held_out == "val" else halves["test"]
    return Parts(
        [found[name] for name in own] or _own_parts(setting, found["shared"], seed),
        found["shared"],
        bare,
        views_of(bare, setting.augment),
        images.CLASSES,
    )


def _own_parts(setting: Setting, shared: Images, seed: int) -> list[Images]:
    """For every peer its own random part of the shared set."""
    sizes = enumerate(setting.own)
    return [images.split(shared, {"own": size}, 1000 * seed + place)["own"] for place, size in sizes]


def _mosaics(setting: Setting, seed: int, held_out: str) -> Parts:
    """Dense parts: every peer's mosaics are cut from the training regions, the held-out ones from others."""
    own = [images.mosaics(size, 1000 * seed + place, "train") for place, size in enumerate(setting.own)]
    bare = images.mosaics(200, TEST_SEED, held_out)
    shared = images.mosaics(setting.shared, 1000 * seed + 500, "train")
    return Parts(own, shared, bare, bare, images.TEXTURES)


def views_of(bare: Images, augment: Affine | None) -> Images:
    """Held-out images as training sees its own: each in a few fixed views."""
    if augment is None:
        return bare
    made = [_augmented(bare, augment, copy) for copy in range(COPIES)]
    return Images(torch.cat([each.inputs for each in made]), torch.cat([each.labels for each in made]))


def _augmented(bare: Images, augment: Affine, copy: int) -> View:
    places = np.arange(len(bare))[:, None], np.arange(augment.draws)
    numbers = draws.uniforms(TEST_SEED, draws.Purpose.AUGMENTATION, copy, *places)
    return augment(View(bare.inputs, bare.labels), torch.from_numpy(numbers))


def _measure(students: Sequence[Student], parts: Parts) -> Row:
    found: Row = {
        "views": [round(arms.accuracy(each, parts.views), 5) for each in students],
        "bare": [round(arms.accuracy(each, parts.bare), 5) for each in students],
    }
    if parts.bare.labels.dim() == 1:
        found["turns"] = [round(probe.turns(each, parts.shared, parts.bare), 5) for each in students]
    return found
