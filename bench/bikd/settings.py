"""The settings that are reported, and how each was chosen.

All were chosen on validation images with seeds from 100 on (docs/experiments.md has what was tried); reported seeds
start at 0 and are measured on test images that no choice was made with.
"""

from dataclasses import dataclass, replace

from bench.bikd.arms import Setting
from bench.bikd.augment import Affine

AUGMENT = Affine(degrees=20, scale=0.2, shift=0.2, noise=0.8, side=8)
MAIN = Setting(
    images="digits",
    designs=("conv", "mlp"),
    shared=100,
    own=(500, 60),
    pretraining=(300, 100),
    rounds=200,
    rate=1e-3,
    augment=AUGMENT,
)
SATURATED = Setting(
    images="digits",
    designs=("conv", "mlp"),
    shared=400,
    own=(250, 250),
    pretraining=(300, 300),
    rounds=200,
    rate=1e-3,
    apart=False,
)
DENSE = Setting(
    images="textures",
    designs=("conv", "mixer"),
    shared=150,
    own=(300, 60),
    pretraining=(150, 80),
    rounds=100,
    rate=2e-3,
    batch=16,
)
SHORT = ("alone", "exchange")
FULL = ("alone", "exchange", "no_task")


@dataclass(frozen=True)
class Experiment:
    """A setting, its arms and how many seeds it gets. ``says`` is what its row in the table means."""

    says: str
    setting: Setting
    seeds: int
    arms: tuple[str, ...] = SHORT


EXPERIMENTS = {
    "main": Experiment("digits, ConvNet and MLP, augmented", MAIN, 24, FULL),
    "saturated": Experiment("digits, the same designs, nothing augmented, fitted before", SATURATED, 8),
    "same-design": Experiment(
        "digits, MLP and MLP", replace(MAIN, designs=("mlp", "mlp")), 12, ("alone", "exchange", "no_stop")
    ),
    "dense": Experiment(
        "texture mosaics, ConvNet and Mixer, one mask a pixel", DENSE, 6, ("alone", "exchange", "no_task")
    ),
    "three": Experiment(
        "digits, K = 3: ConvNet, MLP, ViT",
        replace(MAIN, designs=("conv", "mlp", "vit"), own=(500, 60, 60), pretraining=(500, 100, 100)),
        5,
    ),
    "four": Experiment(
        "digits, K = 4: ConvNet, MLP, ViT, Mixer",
        replace(MAIN, designs=("conv", "mlp", "vit", "mixer"), own=(500, 60, 60, 60), pretraining=(500, 100, 100, 100)),
        5,
    ),
    "same-convs": Experiment("digits, ConvNet and ConvNet", replace(MAIN, designs=("conv", "conv")), 6),
    "same-data": Experiment(
        "digits, ConvNet and MLP, each pretrained on a part of the shared 400, augmented",
        replace(MAIN, shared=400, own=(250, 250), pretraining=(150, 150), rounds=150, apart=False),
        6,
    ),
    "mnist": Experiment(
        "MNIST at 14x14, ConvNet and MLP",
        replace(MAIN, images="mnist", augment=replace(AUGMENT, side=14), own=(1500, 100), shared=200),
        5,
    ),
}
