"""Small models of several families, from configuration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

POSITIONS = 160  # tokens of the longest text that some example domain writes, and some more


@dataclass(frozen=True)
class Design:
    """A family of models and how large one of it is."""

    family: str
    width: int
    layers: int
    heads: int = 4

    def build(self, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
        """An untrained model with one row of embeddings for each token."""
        return _FAMILIES[self.family](self, tokenizer)


def _common(design: Design, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": design.width,
        "num_hidden_layers": design.layers,
        "num_attention_heads": design.heads,
        "max_position_embeddings": POSITIONS,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _llama(design: Design, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    return LlamaForCausalLM(
        LlamaConfig(**_common(design, tokenizer), intermediate_size=3 * design.width, tie_word_embeddings=False)
    )


def _qwen3(design: Design, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    return Qwen3ForCausalLM(
        Qwen3Config(
            **_common(design, tokenizer),
            intermediate_size=3 * design.width,
            num_key_value_heads=design.heads,
            head_dim=design.width // design.heads,
            tie_word_embeddings=True,
        )
    )


WHOLE_HEADS: dict[str, Any] = {"rotary_pct": 1.0}
"""Rotary positions in all of a head; the configuration takes it, its signature does not name it."""


def _neox(design: Design, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    return GPTNeoXForCausalLM(
        GPTNeoXConfig(**_common(design, tokenizer), intermediate_size=4 * design.width, **WHOLE_HEADS)
    )


def _gpt2(design: Design, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_positions=POSITIONS,
            n_embd=design.width,
            n_layer=design.layers,
            n_head=design.heads,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


_FAMILIES: dict[str, Callable[[Design, PreTrainedTokenizerFast], PreTrainedModel]] = {
    "llama": _llama,
    "qwen3": _qwen3,
    "gpt-neox": _neox,
    "gpt2": _gpt2,
}
