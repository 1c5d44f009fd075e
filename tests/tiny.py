"""Tiny untrained models of several families, made from configuration: for tests that need a model but no skill."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from examples.models.vocabulary import byte_pairs, word_level

WIDTH, LAYERS, HEADS, POSITIONS = 16, 3, 2, 64

LINES = (
    "3 + 4 = 7 and 7 is odd",
    "1 + 1 = 2 and 2 is even",
    "the cat sat on the mat",
    "on the mat sat the cat",
)
PROMPTS = ("3 + 4 =", "1 + 1", "the cat sat on the", "on", "2 is", "the mat sat on the cat")

_COMMON = {
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 2 * WIDTH,
    "max_position_embeddings": POSITIONS,
}
# Some families write their sizes differently. Wide weights: untrained logits should differ by more than rounding.
_LLAMA_LIKE = {**_COMMON, "num_key_value_heads": 1, "head_dim": 8, "initializer_range": 0.4}


@dataclass(frozen=True)
class Family:
    """How to make one: model, configuration, sizes, and its tokenizer."""

    model: Callable[[Any], Any]
    config: Callable[..., Any]
    sizes: Mapping[str, object]
    tokenizer: Callable[[tuple[str, ...]], Any] = byte_pairs


FAMILIES: Mapping[str, Family] = {
    "llama": Family(LlamaForCausalLM, LlamaConfig, _LLAMA_LIKE, word_level),
    "gpt2": Family(
        GPT2LMHeadModel,
        GPT2Config,
        {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "n_positions": POSITIONS, "initializer_range": 0.4},
    ),
    "gpt-neox": Family(GPTNeoXForCausalLM, GPTNeoXConfig, {**_COMMON, "initializer_range": 0.4}),
    "qwen3": Family(Qwen3ForCausalLM, Qwen3Config, {**_LLAMA_LIKE, "tie_word_embeddings": True}, word_level),
    "phi": Family(PhiForCausalLM, PhiConfig, {**_COMMON, "initializer_range": 0.4}),  # its head has a bias
    "mamba": Family(
        MambaForCausalLM,
        MambaConfig,
        {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "state_size": 4, "initializer_range": 0.4},
    ),
}


def make_model(family: str, directory: Path, seed: int = 0, dtype: torch.dtype = torch.float32) -> Path:
    """Write an untrained model and its tokenizer as a Hugging Face directory."""
    recipe = FAMILIES[family]
    tokenizer = recipe.tokenizer(LINES)
    end = tokenizer.eos_token_id
    marks = {"bos_token_id": None, "eos_token_id": end, "pad_token_id": tokenizer.pad_token_id}
    config = recipe.config(vocab_size=len(tokenizer), **recipe.sizes, **marks)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = recipe.model(config)
        randomize_biases(model)
    model.to(dtype).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def randomize_biases(model: torch.nn.Module) -> None:
    """Untrained biases are zero, and what is zero can be forgotten without a test seeing it."""
    for name, tensor in model.named_parameters():
        if name.endswith(".bias"):
            torch.nn.init.normal_(tensor, std=0.1)
