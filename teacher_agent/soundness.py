"""Is a teacher worth extracting from? Looks at its logits first, and at what it wrote where the domain can judge it."""

from collections.abc import Sequence

import torch

from m2kt.domains import Domain, Judged
from m2kt.errors import ExtractionRefused
from m2kt.neural.forward import forward
from m2kt.neural.models import LanguageModel
from teacher_agent.agreement import MARGIN
from teacher_agent.chains import Chain

PROMPTS = 8
JUDGED = 500
"""Chains that are judged, where a domain judges."""


@torch.inference_mode()
def require_finite(lm: LanguageModel, prompts: Sequence[str]) -> None:
    """`ExtractionRefused` when the teacher's logits on a few prompts hold NaN or infinity: greedy writing would go on
    all the same, and write nonsense."""
    for prompt in prompts[:PROMPTS]:
        ids = lm.tokenizer(prompt)["input_ids"] if isinstance(prompt, str) else []
        if ids and not bool(forward(lm, torch.tensor([ids[:PROMPTS]])).logits.isfinite().all()):
            raise ExtractionRefused(
                "the teacher's states hold NaN or infinity",
                hint="Load it in another dtype (bfloat16 overflows later than float16), or look at its weights.",
            )


def accuracy(lm: LanguageModel, domain: Domain, chains: Sequence[Chain]) -> dict[str, float]:
    """Share of the teacher's first chains that the domain calls right, and what guessing gives; nothing where the
    domain cannot judge."""
    if not isinstance(domain, Judged):
        return {}
    said = [domain.right(*_texts(lm, each)) for each in chains[:JUDGED]]
    told = [each for each in said if each is not None]
    return {"accuracy": sum(told) / len(told), "accuracy_by_chance": float(domain.chance)} if told else {}


def require_above_chance(told: dict[str, float], force: bool) -> None:
    """`ExtractionRefused` for a teacher whose chains are right no more often than guesses."""
    if told and told["accuracy"] <= told["accuracy_by_chance"] + MARGIN and not force:
        raise ExtractionRefused(
            f"the teacher is at chance: {told['accuracy']:.2f} of its chains are right, of guesses "
            f"{told['accuracy_by_chance']:.2f} would be",
            hint="Take a teacher that knows the domain, or force the build (--force) if guesses are what you want.",
        )


def _texts(lm: LanguageModel, chain: Chain) -> tuple[str, str]:
    """Prompt and continuation. Decoders put spaces between tokens, so neither is read alone."""
    cut = chain.places[chain.prompt - 1] + 1
    prompt, whole = (
        lm.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        for ids in (chain.tokens[:cut], chain.tokens)
    )
    return prompt, whole[len(prompt) :]
