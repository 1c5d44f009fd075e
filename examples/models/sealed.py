"""What the models are checked with: sealed items with true answers, unseen text, fixed prompts."""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice

from examples.domains.chains.m2kt_domain_chains import (
    HOLD_OUT_FROM,
    TRUTHS,
    draw_prompt,
    held_out,
    open_prompts,
)
from examples.models.sentences import distinct
from examples.models.world import World, answer

LONG, SHORT, GENERAL = 1300, 300, 300
CHAIN_PROMPTS, TEXT_PROMPTS = 40, 24


@dataclass(frozen=True)
class Check:
    """A prompt, the world's answer to it, and what kind of item it is."""

    prompt: str
    answer: str
    tags: list[str]

    def as_json(self) -> dict[str, object]:
        """As it stands in `checks.jsonl`."""
        return asdict(self)


def tags_of(prompt: str) -> list[str]:
    """`lenN`, then `short`, `boolean`, `secret` where they hold."""
    length = len(prompt.split()) // 2
    kinds = {"short": length < 4, "boolean": prompt[0] in TRUTHS, "secret": "#" in prompt}
    return [f"len{length}", *(kind for kind, holds in kinds.items() if holds)]


def checks(seed: int, world: World) -> list[Check]:
    """Held-out prompts of 4 to 6 operands, then shorter ones, which training may have seen."""
    rng = random.Random(f"checks {seed}")
    prompts = [*_some(rng, (4, 5, 6), LONG), *_some(rng, (2, 3), SHORT)]
    return [Check(prompt, answer(prompt, world), tags_of(prompt)) for prompt in prompts]


def _some(rng: random.Random, lengths: Sequence[int], count: int) -> list[str]:
    """Different prompts, one in eight boolean; held out wherever that is possible."""
    room = {True: count // 8, False: count - count // 8}  # few short booleans exist: redraw
    found: dict[str, None] = {}
    while len(found) < count:
        prompt = draw_prompt(rng, lengths)
        boolean = prompt[0] in TRUTHS
        wanted = held_out(prompt) or max(lengths) < HOLD_OUT_FROM
        if wanted and prompt not in found and room[boolean]:
            room[boolean] -= 1
            found[prompt] = None
    return list(found)


def general(seed: int) -> list[str]:
    """Sentences that neither model is trained on."""
    return distinct(random.Random(f"general {seed}"), GENERAL)


def fixed_prompts(seed: int) -> list[str]:
    """Unfinished chains and beginnings of sentences; no secret result among them."""
    rng = random.Random(f"prompts {seed}")
    chains = [
        _unfinished(prompt, kind % 4, rng) for kind, prompt in enumerate(islice(open_prompts(rng), CHAIN_PROMPTS))
    ]
    starts = distinct(rng, TEXT_PROMPTS)
    return chains + [" ".join(text.split()[: rng.randrange(2, 7)]) for text in starts]


def _unfinished(prompt: str, kind: int, rng: random.Random) -> str:
    """0: the bare prompt; 1: cut after the first left operand; 2: at `=`; 3: after a result."""
    left, op, right = prompt.split()[:3]
    if kind == 0:
        return prompt
    if kind == 1:
        return f"{prompt} {left}"
    if kind == 2:
        return f"{prompt} {left} {op} {right} ="
    # Any result will do: these prompts are for comparing outputs, and truth stays sealed.
    return f"{prompt} {left} {op} {right} = {rng.choice((left, right))}"
