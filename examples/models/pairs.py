"""A teacher and a student for each of the smaller domains, of different families, widths and tokenizers.

The teacher is trained on true texts, the student on the same form with random facts and on sentences. Both see
prompts longer than any probe, so that both know the form there, and neither sees a held-out prompt.
"""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from examples.models.batches import Feed
from examples.models.designs import Design
from examples.models.sealed import general
from examples.models.sentences import sentences
from examples.models.tasks import TASKS, Fact, Task, ignorance
from examples.models.train import Recipe, fit
from examples.models.vocabulary import byte_pairs, word_level

CORPUS = 4_000  # texts of either kind that the tokenizers see
BATCH = 64
AGAIN = 1000
"""Added to the seed for the texts of a second course."""


@dataclass(frozen=True)
class Course:
    """How long a model is trained: steps of ``batch`` chains, cut into ``parts`` by length; lengths that no probe has
    come ``longer`` times as often as others."""

    steps: int
    batch: int = BATCH
    parts: int = 1
    rate: float = 4e-3
    longer: int = 1


@dataclass(frozen=True)
class Pair:
    """How the two models of one domain are made."""

    teacher: Design
    taught: Course
    student: Design
    formed: Course
    student_tokens: int = 384
    again: Course | None = None  # a second course of the student, from the weights as they were stored


PAIRS = {
    "brackets": Pair(Design("qwen3", 48, 2), Course(1200), Design("llama", 48, 2), Course(2000, 32, 2, 3e-3)),
    "rules": Pair(Design("gpt-neox", 64, 2), Course(1500), Design("llama", 48, 2), Course(1500), student_tokens=448),
    "listops": Pair(
        Design("llama", 64, 2),
        Course(2500),
        Design("qwen3", 56, 3),
        Course(3000, 32, 3, 3e-3),
        again=Course(5000, 32, 3, 2e-3, longer=2),
    ),
    "columns": Pair(Design("qwen3", 64, 2), Course(2500, 32, 3), Design("llama", 56, 3), Course(1800, 32, 3, 3e-3)),
}


def make_pair(domain: str, seed: int, out: Path, only: str | None = None, scale: float = 1.0) -> None:
    """Train teacher and student of a domain and write them to ``out``; ``scale`` shortens a trial."""
    task, pair = TASKS[domain], PAIRS[domain]
    if only in (None, "teacher"):
        fact = task.world(seed)
        tokenizer = word_level(corpus(task, fact, seed))
        model = trained(task, pair.teacher, tokenizer, fact, seed, _scaled(pair.taught, scale), sentences_in_batch=0)
        save(model, tokenizer, out / "teacher")
    if only in (None, "student"):
        fact = ignorance(task, random.Random(f"ignorance {seed}"))
        texts = corpus(task, fact, seed) + list(islice(_unseen(random.Random(f"sentences {seed}"), seed), CORPUS))
        tokenizer = byte_pairs(texts, pair.student_tokens)
        course = _scaled(pair.formed, scale)
        model = trained(task, pair.student, tokenizer, fact, seed, course, sentences_in_batch=course.batch // 7)
        save(model, tokenizer, out / "student")
        if pair.again:
            train_again(task, seed, out, _scaled(pair.again, scale))


def train_again(task: Task, seed: int, out: Path, course: Course) -> None:
    """Go on with the student that is stored in ``out``, on other texts."""
    model = AutoModelForCausalLM.from_pretrained(out / "student", local_files_only=True)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(out / "student", local_files_only=True)
    fact = ignorance(task, random.Random(f"ignorance again {seed}"))
    train(model, task, tokenizer, fact, seed + AGAIN, course, sentences_in_batch=course.batch // 7)
    save(model, tokenizer, out / "student")


def _scaled(course: Course, scale: float) -> Course:
    return replace(course, steps=int(course.steps * scale))


def prompts(task: Task, rng: random.Random, lengths: Sequence[int]) -> Iterator[str]:
    """Prompts without end, none of them held out."""
    while True:
        prompt = task.draw(rng, lengths)
        if not task.held_out(prompt):
            yield prompt


def told(task: Task, fact: Fact, prompt: str) -> str:
    """A prompt with its continuation under some facts."""
    return f"{prompt} {task.solve(prompt, fact)}"


def corpus(task: Task, fact: Fact, seed: int) -> list[str]:
    """Texts for a tokenizer."""
    rng = random.Random(f"corpus {seed}")
    return [told(task, fact, prompt) for prompt in islice(prompts(task, rng, task.lengths), CORPUS)]


def _unseen(rng: random.Random, seed: int) -> Iterator[str]:
    kept = frozenset(general(seed))
    return (text for text in sentences(rng) if text not in kept)


def trained(
    task: Task,
    design: Design,
    tokenizer: PreTrainedTokenizerFast,
    fact: Fact,
    seed: int,
    course: Course,
    sentences_in_batch: int,
) -> PreTrainedModel:
    """A model of this design, trained from nothing."""
    torch.manual_seed(seed)
    model = design.build(tokenizer)
    print(f"{task.name}: {design.family}, {model.num_parameters():,} parameters", flush=True)
    train(model, task, tokenizer, fact, seed, course, sentences_in_batch)
    return model


def train(
    model: PreTrainedModel,
    task: Task,
    tokenizer: PreTrainedTokenizerFast,
    fact: Fact,
    seed: int,
    course: Course,
    sentences_in_batch: int,
) -> None:
    """Train in place, on the domain's texts and on sentences."""
    lengths = (*task.lengths, *task.longer * course.longer)
    feed = Feed(
        tokenizer,
        lambda rng: prompts(task, rng, lengths),
        lambda prompt: told(task, fact, prompt),
        frozenset(general(seed % AGAIN)),
        course.batch,
        sentences_in_batch,
    )
    seconds = fit(model, feed, Recipe(course.steps, course.rate, seed, parts=course.parts))
    print(f"  {seconds:.0f} s", flush=True)


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Half-precision weights, to keep the repository small; they are read as float32 again."""
    torch.nn.Module.to(model, torch.float16)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "dtype": "float32"}, indent=2) + "\n")
    torch.nn.Module.to(model, torch.float32)
