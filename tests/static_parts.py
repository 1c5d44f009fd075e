"""A task without steps on tiny untrained models: which half of a small vocabulary two words are of."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from m2kt.neural.encoders import ModuleEncoder
from m2kt.signing.keys import generate, write_private, write_public
from tests.models import tiny_student, word_tokenizer

WORDS = tuple(f"w{number}" for number in range(24))
HALVES = (WORDS[:12], WORDS[12:])
NAMES = ("low", "high")


def labelled() -> list[tuple[str, str]]:
    """Pairs of words of one half, in a fixed shuffled order, each with the half's name."""
    pairs = [(f"{a} {b}", name) for half, name in zip(HALVES, NAMES, strict=True) for a in half for b in half if a != b]
    return [pairs[row] for row in np.random.default_rng(0).permutation(len(pairs))]


def write_task(root: Path) -> Path:
    """Two models of different families, the files of the task, and a key, in ``root``."""
    tiny_student(root / "teacher", WORDS, seed=1)
    tiny_bert(root / "student")
    pairs = labelled()
    (root / "labelled.tsv").write_text("".join(f"{text}\t{name}\n" for text, name in pairs[:80]))
    (root / "probes.txt").write_text("# no labels here\n" + "".join(f"{text}\n" for text, _ in pairs[70:200]))
    (root / "test.tsv").write_text("".join(f"{text}\t{name}\n" for text, name in pairs[200:]))
    (root / "set.txt").write_text("\n".join(f"{a} {b}" for a in WORDS for b in WORDS[::3] if a != b))
    key = generate()
    write_private(root / "key.pem", key)
    write_public(root / "key.pub", key.public_key())
    return root


def tiny_bert(directory: Path) -> None:
    """An untrained encoder that reads `WORDS`, as a Hugging Face directory."""
    tokenizer = word_tokenizer(WORDS)
    tokenizer.add_special_tokens({"pad_token": "<eos>"})
    torch.manual_seed(2)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.4,
    )
    BertModel(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def image_encoder(settings: dict[str, int]) -> ModuleEncoder:
    """A plain torch module for images: what `--encoder tests.static_parts:image_encoder` names."""
    torch.manual_seed(settings.get("seed", 0))
    side = settings.get("side", 8)
    body = nn.Sequential(nn.Flatten(), nn.Linear(side * side, settings.get("width", 24)), nn.Tanh())

    def prepare(images: np.ndarray) -> Tensor:
        return torch.from_numpy(np.asarray(images, np.float32) / 255)

    return ModuleEncoder(body, body, prepare, "tiny-images")
