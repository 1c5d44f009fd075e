"""The two tokenizers: whole words for the teacher, byte-level BPE for the student."""

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

PAD, END, UNKNOWN = "<pad>", "<eos>", "<unk>"
STUDENT_END, STUDENT_PAD = "<|endoftext|>", "<|pad|>"
STUDENT_VOCABULARY = 512


def word_level(corpus: Iterable[str]) -> PreTrainedTokenizerFast:
    """One token a word; decoding joins with single spaces."""
    core = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    specials = [PAD, END, UNKNOWN]
    core.train_from_iterator(corpus, trainers.WordLevelTrainer(special_tokens=specials))
    return _wrapped(core, pad_token=PAD, eos_token=END, unk_token=UNKNOWN)


def byte_pairs(corpus: Iterable[str], size: int = STUDENT_VOCABULARY) -> PreTrainedTokenizerFast:
    """GPT-2's scheme: a space belongs to the token after it, so `3` and ` 3` differ."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[STUDENT_END, STUDENT_PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(corpus, trainer)
    return _wrapped(core, pad_token=STUDENT_PAD, eos_token=STUDENT_END, unk_token=STUDENT_END)


def _wrapped(core: Tokenizer, **marks: str) -> PreTrainedTokenizerFast:
    # transformers ships its tokenizers' constructors without types.
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core, clean_up_tokenization_spaces=False, **marks
    )
    return tokenizer
