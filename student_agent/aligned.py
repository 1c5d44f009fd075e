"""A student with the memories and adapters of its active packets: what it would say next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from m2kt.neural.decode import by_length, encode, greedy, room
from m2kt.neural.forward import in_batches, layer_states
from m2kt.neural.models import LanguageModel
from student_agent.adapter import Adapter, speaking
from student_agent.memory import ConceptMemory


@dataclass(frozen=True)
class AlignedStudent:
    """A frozen student with zero or more memories and adapters. Without any it is the student, bit for bit."""

    lm: LanguageModel
    memories: tuple[ConceptMemory, ...] = ()
    adapters: tuple[Adapter, ...] = ()

    def next_logits(self, ids: Tensor) -> Tensor:
        """Scores of the next token, (B, V), for texts ``ids`` (B, T)."""
        last = torch.full((len(ids), 1), ids.shape[1] - 1)
        return self.logits(ids, last)[:, 0]

    @torch.inference_mode()
    def logits(self, ids: Tensor, at: Tensor | None = None) -> Tensor:
        """Scores at positions ``at`` (B, P), or everywhere: the student's logits, or log-probabilities once mixed."""
        room(self.lm, ids.shape[1] - 1, 1)  # refuses a text that is longer than the student's context
        ids = ids.to(self.lm.device)
        if not self.memories:
            every = self._own(ids)
            return every if at is None else _take(every, at.to(ids.device))
        at = torch.arange(ids.shape[1]).expand(len(ids), -1) if at is None else at
        at = at.to(ids.device)
        states, logits = layer_states(self.lm, ids)
        mixed = _take(self._own(ids).float() if self.adapters else logits, at)
        for memory in self.memories:
            mixed = memory.mix(memory(states, ids, at), mixed)
        return mixed

    def _own(self, ids: Tensor) -> Tensor:
        """Logits without memories. (These read the bare student's states, which they were trained on.)"""
        with speaking(self.lm, self.adapters):
            logits: Tensor = self.lm.model(input_ids=ids, use_cache=False).logits
        return logits

    def write(self, prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        """Greedy continuations as text, special tokens left out; they end with the student's context at the latest."""
        rows = encode(self.lm, prompts)
        written = [""] * len(rows)
        for indices, ids in by_length(rows):
            longest = room(self.lm, ids.shape[1], max_new_tokens)
            for part, out in in_batches(self.lm, len(indices), ids.shape[1] + longest, self._writing(ids, longest)):
                for index, row in zip(indices[part], out, strict=True):
                    written[index] = self._said(rows[index], row)
        return written

    def _writing(self, ids: Tensor, longest: int) -> Callable[[slice], list[list[int]]]:
        return lambda part: greedy(self.next_logits, ids[part], self.lm.end_ids, longest)

    def _said(self, prompt: list[int], row: list[int]) -> str:
        """The text that ``row`` adds to ``prompt``: decoders put spaces between tokens, so neither is read alone."""
        heard, whole = (
            self.lm.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            for ids in (prompt, [*prompt, *row])
        )
        added: str = whole[len(heard) :]
        return added


def _take(values: Tensor, at: Tensor) -> Tensor:
    return values.gather(1, at[..., None].expand(-1, -1, values.shape[-1]))
