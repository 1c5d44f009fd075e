"""Small models of clearly different designs, tens of thousands of parameters, for square images of one channel.

Each gives logits (N, C), or with ``dense`` one decision a pixel, (N, C, S, S).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention


class ConvNet(nn.Module):
    """A residual network: locality and weight sharing built in."""

    def __init__(self, side: int, classes: int, width: int = 8, dense: bool = False) -> None:
        super().__init__()
        self.dense = dense
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=1 if dense else 2, padding=1)
        self.second = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.norms = nn.ModuleList([nn.GroupNorm(4, width), nn.GroupNorm(4, 2 * width)])
        self.head = nn.Conv2d(2 * width, classes, 1) if dense else nn.Linear(2 * width * (side // 2) ** 2, classes)

    def features(self, inputs: Tensor) -> Tensor:
        x = F.relu(self.stem(inputs))
        x = F.relu(self.norms[0](x + self.first(x)))
        x = F.relu(self.down(x))
        x = F.relu(self.norms[1](x + self.second(x)))
        return x if self.dense else x.flatten(1)

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.head(self.features(inputs))
        return out


class Patches(nn.Module):
    """What ViT and Mixer share: patches in, and the way out of them."""

    def __init__(self, side: int, classes: int, patch: int, width: int, dense: bool) -> None:
        super().__init__()
        self.dense, self.classes, self.patch, self.grid = dense, classes, patch, side // patch
        self.embed = nn.Linear(patch**2, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes * patch**2) if dense else nn.Linear(width * self.grid**2, classes)

    def tokens(self, inputs: Tensor) -> Tensor:
        """(N, T, width)."""
        n = len(inputs)
        cut = inputs.reshape(n, self.grid, self.patch, self.grid, self.patch).transpose(2, 3)
        out: Tensor = self.embed(cut.reshape(n, self.grid**2, self.patch**2))
        return out

    def mix(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def features(self, inputs: Tensor) -> Tensor:
        x: Tensor = self.norm(self.mix(self.tokens(inputs)))
        return x if self.dense else x.flatten(1)

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.head(self.features(inputs))
        if not self.dense:
            return out
        shape = (len(out), self.grid, self.grid, self.classes, self.patch, self.patch)
        return out.reshape(shape).permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


class ViT(Patches):
    """A vision transformer: content decides which patches meet."""

    def __init__(self, side: int, classes: int, width: int = 16, depth: int = 2, dense: bool = False) -> None:
        super().__init__(side, classes, 2, width, dense)
        self.places = nn.Parameter(0.02 * torch.randn(self.grid**2, width))
        self.blocks = nn.ModuleList([Attention(width) for _ in range(depth)])

    def mix(self, x: Tensor) -> Tensor:
        x = x + self.places
        for block in self.blocks:
            x = block(x)
        return x


class Attention(nn.Module):
    """A pre-norm transformer block of four heads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        n, t, width = x.shape
        q, k, v = self.qkv(self.norms[0](x)).reshape(n, t, 3, 4, width // 4).permute(2, 0, 3, 1, 4)
        # By hand: torch's fused attention is slower on a CPU at sixteen tokens.
        weights = (q @ k.transpose(-1, -2) * (width // 4) ** -0.5).softmax(-1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(n, t, width))
        out: Tensor = x + self.mlp(self.norms[1](x))
        return out


class Mixer(Patches):
    """An MLP-Mixer: fixed weights between places, shared over channels."""

    def __init__(self, side: int, classes: int, width: int = 16, depth: int = 2, dense: bool = False) -> None:
        super().__init__(side, classes, 2, width, dense)
        self.blocks = nn.ModuleList([Mixing(self.grid**2, width) for _ in range(depth)])

    def mix(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class Mixing(nn.Module):
    """Tokens, then channels."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.places = nn.Sequential(nn.Linear(tokens, 2 * tokens), nn.ReLU(), nn.Linear(2 * tokens, tokens))
        self.channels = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.places(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        out: Tensor = x + self.channels(self.norms[1](x))
        return out


class Perceptron(nn.Module):
    """A plain multilayer perceptron: knows nothing of images."""

    def __init__(self, side: int, classes: int, width: int = 64, dense: bool = False) -> None:
        super().__init__()
        assert not dense, "a perceptron has no places"
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(side**2, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.head = nn.Linear(width, classes)

    def features(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.body(inputs)
        return out

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.head(self.features(inputs))
        return out


Student = ConvNet | ViT | Mixer | Perceptron
DESIGNS: dict[str, type[Student]] = {"conv": ConvNet, "vit": ViT, "mixer": Mixer, "mlp": Perceptron}


def make(design: str, side: int, classes: int, seed: int, dense: bool = False) -> Student:
    """A student of ``design``, its weights drawn from ``seed``."""
    torch.manual_seed(seed)
    return DESIGNS[design](side, classes, dense=dense)
