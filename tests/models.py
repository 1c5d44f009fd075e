"""The example models, and tiny untrained students for tests that need a model but no skill."""

from pathlib import Path

import torch
from tokenizers import Tokenizer as RawTokenizer
from tokenizers import models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "models"


def tiny_student(directory: Path, words: tuple[str, ...], width: int = 32, seed: int = 0) -> Path:
    """An untrained GPT-2 of two layers that reads ``words``, as a Hugging Face directory."""
    vocabulary = {word: number for number, word in enumerate(("<unk>", "<eos>", *words))}
    raw = RawTokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))  # noqa: S106 - a token of text, not a secret
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>", eos_token="<eos>")  # noqa: S106
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=len(vocabulary), n_positions=64, n_embd=width, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=1
    )
    GPT2LMHeadModel(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory
