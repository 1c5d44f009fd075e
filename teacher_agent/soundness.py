"""A look at a teacher before hours are spent on it."""

from collections.abc import Sequence

import torch

from m2kt.errors import ExtractionRefused
from m2kt.neural.forward import forward
from m2kt.neural.models import LanguageModel

PROMPTS = 8


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
