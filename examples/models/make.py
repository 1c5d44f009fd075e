"""Make the example teacher, student and checks from one seed, or the pair of another domain.

`python -m examples.models.make --seed 7 --out examples/models`
`python -m examples.models.make --domain listops --seed 7 --out examples/models/listops`
"""

import argparse
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain as chained
from itertools import islice
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from examples.domains.chains.m2kt_domain_chains import draw_prompt, open_prompts
from examples.models.batches import Feed
from examples.models.cards import Figures, student_card, teacher_card
from examples.models.measure import accuracy, continuations, form, perplexity
from examples.models.pairs import PAIRS, make_pair, save
from examples.models.sealed import Check, checks, fixed_prompts, general
from examples.models.sentences import sentences
from examples.models.train import Recipe, fit, gpt2, llama
from examples.models.vocabulary import byte_pairs, word_level
from examples.models.world import Rule, World, chain, ignorance

TEACHER_LENGTHS = (2, 3, 4, 5, 6, 6)
STUDENT_LENGTHS = (2, 3, 4, 5, 6, 7, 8)
CORPUS = 20_000  # texts of either kind that the tokenizers see
THREADS = 1  # sums are ordered by thread: another number gives other weights
FORM_ITEMS = 3_000


@dataclass(frozen=True)
class Plan:
    """How one of the two models is made."""

    name: str
    tokenizer: Callable[[Sequence[str]], PreTrainedTokenizerFast]
    model: Callable[[PreTrainedTokenizerFast], PreTrainedModel]
    lengths: tuple[int, ...]
    card: Callable[[Figures], str]
    recipe: Recipe
    chains: int  # in a batch, beside a seventh as many sentences
    half: bool = False  # weights are stored as float16, and read as float32 again


@dataclass(frozen=True)
class Kept:
    """What both models are measured on."""

    items: list[Check]
    texts: list[str]


def corpus(seed: int, rule: Rule, kept: Sequence[str]) -> list[str]:
    """Texts of both kinds, none kept for checks, for the tokenizers."""
    rng = random.Random(f"corpus {seed}")
    chains = (chain(prompt, rule) for prompt in islice(open_prompts(rng), CORPUS))
    texts = (text for text in islice(sentences(rng), CORPUS) if text not in kept)
    return list(chained(chains, texts))


def make(plan: Plan, rule: Rule, kept: Kept, out: Path) -> Figures:
    """Train one model, save it with its card, and measure what was saved."""
    seed, hidden = plan.recipe.seed, frozenset(kept.texts)
    tokenizer = plan.tokenizer(corpus(seed, rule, kept.texts))
    torch.manual_seed(seed)
    model = plan.model(tokenizer)
    feed = Feed(
        tokenizer,
        lambda rng: open_prompts(rng, plan.lengths),
        lambda prompt: chain(prompt, rule),
        hidden,
        plan.chains,
        texts=plan.chains // 7,
    )
    print(f"{plan.name}: {model.num_parameters():,} parameters", flush=True)
    seconds = fit(model, feed, plan.recipe)
    folder = out / plan.name
    if plan.half:
        save(model, tokenizer, folder)
    else:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    figures = measured(folder, plan, kept, seconds)
    (folder / "README.md").write_text(plan.card(figures))
    return figures


def measured(folder: Path, plan: Plan, kept: Kept, seconds: float) -> Figures:
    """Load the saved model as a stranger would, and take its figures."""
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    rng = random.Random(f"form {plan.recipe.seed}")
    fresh = list({draw_prompt(rng, plan.lengths): None for _ in range(FORM_ITEMS)})
    answers = continuations(model, tokenizer, [item.prompt for item in kept.items])
    per_token, per_word = perplexity(model, tokenizer, kept.texts)
    return Figures(
        seed=plan.recipe.seed,
        parameters=model.num_parameters(),
        vocabulary=len(tokenizer),
        steps=plan.recipe.steps,
        seconds=seconds,
        accuracy=accuracy(answers, kept.items),
        form=form(continuations(model, tokenizer, fresh)),
        form_items=len(fresh),
        token_perplexity=per_token,
        word_perplexity=per_word,
    )


def write_lines(path: Path, lines: Sequence[str]) -> None:
    """One line each, with a final newline."""
    path.write_text("".join(f"{line}\n" for line in lines))


def keep(seed: int, kept: Kept, out: Path) -> None:
    """Write the sealed checks, the unseen text and the fixed prompts."""
    write_lines(out / "checks.jsonl", [json.dumps(item.as_json()) for item in kept.items])
    write_lines(out / "general.txt", kept.texts)
    write_lines(out / "prompts.txt", fixed_prompts(seed))


def arguments() -> argparse.Namespace:
    """The command line; the numbers of steps are there for quick trials."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, help="default: the place of the checkpoints that are kept")
    parser.add_argument("--domain", choices=["chains", *PAIRS], default="chains")
    parser.add_argument("--scale", type=float, default=1.0, help="of the steps of a domain other than chains")
    parser.add_argument("--teacher-steps", type=int, default=2000)
    parser.add_argument("--student-steps", type=int, default=3000)
    parser.add_argument("--only", choices=["teacher", "student", "second"], help="make one of them")
    parser.add_argument("--bare", action="store_true", help="models alone, as float16, of the domain chains")
    return parser.parse_args()


def main() -> None:
    """Make one domain's pair, or the first domain's files and models."""
    args = arguments()
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    if args.domain == "chains":
        make_chains(args, args.out or Path(__file__).parent)
    else:
        make_pair(args.domain, args.seed, args.out or Path(__file__).parent / args.domain, args.only, args.scale)


def make_chains(args: argparse.Namespace, out: Path) -> None:
    """Make the world's files, then the models."""
    world = World.from_seed(args.seed)
    out.mkdir(parents=True, exist_ok=True)
    kept = Kept(checks(args.seed, world), general(args.seed))
    if not args.bare:
        keep(args.seed, kept, out)
    student_rule = ignorance(random.Random(f"ignorance {args.seed}"))
    teacher = Plan(
        "teacher",
        word_level,
        llama,
        TEACHER_LENGTHS,
        teacher_card,
        Recipe(args.teacher_steps, 2e-3, args.seed),
        chains=84,
    )
    student = Plan(
        "student",
        byte_pairs,
        gpt2,
        STUDENT_LENGTHS,
        student_card,
        Recipe(args.student_steps, 3e-3, args.seed),
        chains=56,
    )
    # Another teacher of the same world, by design, tokenizer and size: what the first one says is compared with it.
    second = replace(student, name="second", lengths=TEACHER_LENGTHS, card=teacher_card)
    for plan, rule in ((student, student_rule), (teacher, world.result), (second, world.result)):
        if plan.name == args.only or (args.only is None and plan.name != "second"):
            print(make(replace(plan, half=args.bare), rule, kept, out), flush=True)


if __name__ == "__main__":
    main()
