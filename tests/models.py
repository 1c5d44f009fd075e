"""The example models, and tiny untrained students for tests that need a model but no skill."""

from pathlib import Path

import torch
from tokenizers import Tokenizer as RawTokenizer
from tokenizers import decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "models"


def tiny_student(directory: Path, words: tuple[str, ...], width: int = 32, seed: int = 0) -> Path:
    """An untrained GPT-2 of two layers that reads ``words``, as a Hugging Face directory."""
    return _untrained(directory, word_tokenizer(words), width, seed)


def _untrained(directory: Path, tokenizer: PreTrainedTokenizerFast, width: int, seed: int) -> Path:
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=64, n_embd=width, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=1
    )
    GPT2LMHeadModel(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def word_tokenizer(words: tuple[str, ...]) -> PreTrainedTokenizerFast:
    """A tokenizer of whole words, which reads all others as ``<unk>``."""
    vocabulary = {word: number for number, word in enumerate(("<unk>", "<eos>", *words))}
    raw = RawTokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))  # noqa: S106 - a token of text, not a secret
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw,
        unk_token="<unk>",  # noqa: S106 - a token of text, not a secret
        eos_token="<eos>",  # noqa: S106 - the same
    )


def letter_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer without merges: every letter is a token, and so is the space before a word."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(("<unk>", "<eos>", *letters))}
    raw = RawTokenizer(models.BPE(vocabulary, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw,
        eos_token="<eos>",  # noqa: S106 - a token of text, not a secret
    )


def silent_letters(directory: Path, seed: int = 0) -> Path:
    """A tiny student that reads letter by letter and ends every text at once."""
    return _silenced(_untrained(directory, letter_tokenizer(), 32, seed))


def silent_student(directory: Path, words: tuple[str, ...], seed: int = 0) -> Path:
    """A tiny student that ends every text at once: what it says, a memory has said."""
    return _silenced(tiny_student(directory, words, seed=seed))


def _silenced(directory: Path) -> Path:
    model = GPT2LMHeadModel.from_pretrained(directory)
    with torch.no_grad():
        ends = model.transformer.wte.weight[1]
        model.transformer.ln_f.bias.add_(40 * ends / ends.norm())
    model.save_pretrained(directory)
    return directory
