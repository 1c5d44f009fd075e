"""Loading Hugging Face directories, and the digests that name them."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from m2kt.errors import ModelError
from m2kt.neural.weights import raw_bytes as raw_bytes
from m2kt.neural.weights import weights_sha256 as weights_sha256

Tokenizer = Any
"""A fast tokenizer of transformers; its class is generated and has no useful type."""


DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass
class Budget:
    """Most tokens of one forward pass; None until the device was asked. It only ever shrinks (`forward.in_batches`)."""

    tokens: int | None = None


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model in evaluation mode, its tokenizer, and where both live."""

    model: Any
    tokenizer: Tokenizer
    device: torch.device
    directory: Path
    stored_sha256: str | None = None
    """Digest of the weights as they are stored, where they were cast when they were loaded."""
    budget: Budget = field(default_factory=Budget, compare=False)

    @property
    def sha256(self) -> str:
        """Digest of the weights as the directory holds them: what a manifest names, whatever they are computed in."""
        return self.stored_sha256 or weights_sha256(self.model)

    @property
    def head(self) -> nn.Linear:
        """The unembedding, ``[V, d]`` weights."""
        head = self.model.get_output_embeddings()
        assert isinstance(head, nn.Linear)
        return head

    @property
    def end_ids(self) -> list[int]:
        """Token ids that end a text."""
        ends = self.model.generation_config.eos_token_id
        ends = [ends] if isinstance(ends, int) else list(ends or [])
        own = self.tokenizer.eos_token_id
        return sorted({*ends, *([] if own is None else [own])})


def pick_device(name: str = "auto") -> torch.device:
    """``auto`` is CUDA when present, else the CPU; other names are torch's. `ModelError` for one that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # fails on torch's `meta` too, which computes nothing
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"no device {name!r} here: {reason}", hint="Use --device cpu, or --device auto.") from error
    return device


def pick_dtype(name: str, device: torch.device) -> torch.dtype | None:
    """``stored`` (None) keeps what the directory holds; ``auto`` does too, save that float32 becomes bfloat16 on a GPU
    that computes it; else one of `DTYPES`."""
    if name in ("stored", "auto"):
        half = name == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if half else None
    if name not in DTYPES:
        raise ModelError(f"no dtype {name!r}", hint=f"Take one of auto, stored, {', '.join(DTYPES)}.")
    return DTYPES[name]


def load(directory: str | Path, device: torch.device | None = None, dtype: torch.dtype | None = None) -> LanguageModel:
    """Load a local directory, and cast it when ``dtype`` says so; `ModelError` says what it lacks."""
    path = Path(directory)
    _check_files(path)
    device = device or torch.device("cpu")
    model, tokenizer = _read(path)
    if not tokenizer.is_fast:
        raise ModelError(f"the tokenizer of {path} gives no character offsets", hint="Add its tokenizer.json.")
    model.train(False)
    model.requires_grad_(False)
    stored = None
    if dtype is not None and model.dtype.itemsize > dtype.itemsize:
        stored = weights_sha256(model)
        nn.Module.to(model, dtype)
    nn.Module.to(model, device)
    return LanguageModel(model, tokenizer, device, path, stored)


def _check_files(path: Path) -> None:
    if not path.is_dir():
        raise ModelError(f"there is no directory {path}")
    if not (path / "config.json").is_file():
        raise ModelError(f"{path} is not a Hugging Face model directory: it has no config.json")
    if not list(path.glob("*.safetensors")):
        raise ModelError(f"{path} holds no .safetensors weights; pickled weights are not read")
    if not (path / "tokenizer.json").is_file():
        raise ModelError(f"{path} has no tokenizer.json")


def _read(path: Path) -> tuple[Any, Tokenizer]:
    """Model and tokenizer. Code that a directory brings along never runs, and nobody is asked whether it may."""
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            path, **local, use_safetensors=True, dtype="auto", output_loading_info=True
        )
        tokenizer = AutoTokenizer.from_pretrained(path, **local)
    except Exception as error:  # transformers raises anything here: OSError, KeyError, safetensors' own, ...
        raise ModelError(f"{path} could not be loaded: {type(error).__name__}: {error}") from error
    model, found = loaded
    if missing := sorted(found["missing_keys"]):  # transformers would fill them with random numbers
        raise ModelError(f"the weights of {path} lack {len(missing)} tensors, such as {missing[0]}")
    return model, tokenizer


def tokenizer_sha256(directory: Path) -> str:
    """SHA-256 of the tokenizer's file."""
    path = directory / "tokenizer.json"
    if not path.is_file():
        raise ModelError(f"{directory} has no tokenizer.json")
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def parameter_count(model: nn.Module) -> int:
    """Number of trained scalars; a tied matrix counts once."""
    return sum(each.numel() for each in model.parameters())


def set_threads(count: int | None) -> None:
    """Bound torch's CPU threads; ``None`` leaves the machine's default."""
    if count:
        torch.set_num_threads(count)


def offline() -> None:
    """Never let a library reach for a hub, since models are local directories, nor draw bars of its own."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers types it not
