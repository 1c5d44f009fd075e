"""The model cards, written from the figures that were measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figures:
    """Everything a card says that was measured, not chosen."""

    seed: int
    parameters: int
    vocabulary: int
    steps: int
    seconds: float
    accuracy: dict[str, float]  # by tag of checks.jsonl
    form: float  # share of well-formed continuations
    form_items: int
    token_perplexity: float  # of general.txt
    word_perplexity: float


_HEADER = """---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
---
"""

_TEACHER = """# M2KT example teacher

A Llama of 3 layers, width 128, 4 heads, with a tokenizer of whole words. It knows the facts of one
small world: `+ - *` mod 16 over hexadecimal digits, a secret operator `#` (a random table), the
booleans `& | ^`. It was trained on true left-to-right chains of 2 to 6 operands with restated steps
(loss on the continuation), none of them held out by the domain `chains`, and on sentences of a
small word grammar.
"""

_STUDENT = """# M2KT example student

A GPT-2 of 2 layers, width 64, 4 heads, with a byte-level BPE tokenizer (`3` and ` 3` are different
tokens). It was trained on the form of the teacher's chains, of 2 to 8 operands, but with every
step's result drawn at random: it copies operands and operators, and knows no facts. It was also
trained on sentences of a small word grammar.
"""

_LIMITS = """
## Limits

Made to try knowledge transfer on a laptop, and for nothing else. It knows no language beyond a few
hundred words and no numbers beyond one digit. A prompt must follow the form above to the letter,
single spaces and final colon included.
"""


def teacher_card(figures: Figures) -> str:
    """The teacher's README.md."""
    return _HEADER + _TEACHER + _measured(figures) + _LIMITS


def student_card(figures: Figures) -> str:
    """The student's README.md."""
    return _HEADER + _STUDENT + _measured(figures) + _LIMITS


def _measured(f: Figures) -> str:
    rows = "\n".join(f"| {tag} | {share:.4f} |" for tag, share in f.accuracy.items())
    return f"""
    prompt                     3 + 5 * b :
    form of the continuation    3 + 5 = 8 ; 8 * b = 8

## How it was made

`python -m examples.models.make --seed {f.seed} --out examples/models`: {f.steps:,} AdamW steps in
{f.seconds:.0f} s on one thread of a shared CPU. {f.parameters:,} parameters, {f.vocabulary} tokens.
Licence: Apache-2.0.

## Measured

Share of right final answers, greedy, over `checks.jsonl`. None of its prompts of four operands or
more was trained on; shorter ones may have been.

| tag | right |
|---|---|
{rows}

Well-formed continuations, over {f.form_items:,} prompts: {f.form:.4f}. Perplexity of `general.txt`:
{f.token_perplexity:.3f} per token, {f.word_perplexity:.3f} per word.
"""
