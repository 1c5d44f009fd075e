"""Any model as one interface: inputs in, one state each out. The two sides of a fit on anchors are both this.

`text_encoder` takes a Hugging Face directory (encoder or causal language model; GGUF with ``gguf_file``),
`ModuleEncoder` a plain torch module. Nothing here knows what the states are for.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from m2kt.errors import ModelError
from m2kt.neural.models import Tokenizer, parameter_count
from m2kt.neural.weights import weights_sha256
from m2kt.packet import Teacher

States = NDArray[np.float32]
Inputs = Sequence[Any] | NDArray[Any]
BATCH = 64
TOKENS = 256
"""Of a text, the rest is not read; fewer where the model has fewer positions."""


class Pool(StrEnum):
    """How the states of a text's tokens become one."""

    MEAN = "mean"
    LAST = "last"
    FIRST = "first"


class Encoder(Protocol):
    """What a model must be able to do: one state for each input, (n, d)."""

    @property
    def sha256(self) -> str:
        """Digest of the weights."""

    @property
    def reading(self) -> str:
        """How a state is read, in words: states read in other ways are other states."""

    def encode(self, inputs: Inputs) -> States:
        """States of the inputs, (n, d), in their order."""

    def describe(self) -> Teacher:
        """The model as a manifest names it."""


@dataclass(frozen=True)
class Reading:
    """``layer``: what comes to this layer (0: the embeddings), -1 the model's last states; ``prompt``: what a text is
    put into, at ``{}``."""

    pool: Pool = Pool.MEAN
    layer: int = -1
    prompt: str = "{}"

    def __str__(self) -> str:
        return f"{self.pool} of layer {self.layer}, prompt {self.prompt!r}"


class _Enough(Exception):
    def __init__(self, states: Tensor) -> None:
        self.states = states


def _enough(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
    raise _Enough(given[0] if given else named["hidden_states"])


@dataclass(frozen=True)
class TextEncoder:
    """A transformer and its tokenizer."""

    model: Any
    tokenizer: Tokenizer
    name: str
    reads: Reading
    tokenizer_sha256: str

    @property
    def sha256(self) -> str:
        return weights_sha256(self.model)

    @property
    def reading(self) -> str:
        return str(self.reads)

    def encode(self, inputs: Inputs) -> States:
        """Texts of like length go together; (n, d)."""
        asked = [self.reads.prompt.replace("{}", each) for each in inputs]
        order = sorted(range(len(asked)), key=lambda row: len(asked[row]))
        found = [
            self._pass([asked[row] for row in order[start : start + BATCH]]) for start in range(0, len(order), BATCH)
        ]
        states = np.empty((len(asked), found[0].shape[1]), np.float32)
        states[order] = np.concatenate(found)
        return states

    @torch.inference_mode()
    def _pass(self, asked: list[str]) -> States:
        most = min(TOKENS, int(getattr(self.model.config, "max_position_embeddings", None) or TOKENS))
        batch = self.tokenizer(asked, return_tensors="pt", padding=True, truncation=True, max_length=most)
        states = self._states(batch["input_ids"], batch["attention_mask"])
        return pooled(states.float(), batch["attention_mask"], self.reads.pool).numpy()

    def _states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, T, d). For a layer inside, the rest of the model is not run."""
        if self.reads.layer == -1:
            last: Tensor = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
            return last
        blocks = max((each for each in self.model.modules() if isinstance(each, nn.ModuleList)), key=len)
        if not 0 <= self.reads.layer < len(blocks):
            raise ModelError(f"{self.name} has the layers 0 to {len(blocks) - 1}, and -1 for its last states")
        stop = blocks[self.reads.layer].register_forward_pre_hook(_enough, with_kwargs=True)
        try:
            self.model(input_ids=ids, attention_mask=mask)
        except _Enough as found:
            return found.states
        finally:
            stop.remove()
        raise ModelError(f"{self.name} never came to its layer {self.reads.layer}")

    def describe(self) -> Teacher:
        family = str(self.model.config.model_type)
        base = str(getattr(self.model.config, "base_family", None) or family)
        return Teacher(self.name, family, base, parameter_count(self.model), self.sha256, self.tokenizer_sha256)


def pooled(states: Tensor, mask: Tensor, pool: Pool) -> Tensor:
    """One state of each row of ``states`` (B, T, d), padded on either side as ``mask`` (B, T) says; (B, d)."""
    if pool == Pool.MEAN:
        weight = mask[..., None].to(states.dtype)
        return (states * weight).sum(1) / weight.sum(1).clamp(min=1)
    places = torch.arange(mask.shape[1]).expand_as(mask)
    here = mask.bool()
    last = places.masked_fill(~here, -1).amax(1)
    first = places.masked_fill(~here, mask.shape[1]).amin(1)
    return states[torch.arange(len(states)), last if pool == Pool.LAST else first]


def text_encoder(
    directory: Path, reading: Reading | None = None, *, gguf_file: str | None = None, gguf_sha256: str | None = None
) -> TextEncoder:
    """Load a local directory; `ModelError` says what is wrong. A GGUF must have the digest that is given for it."""
    if not directory.is_dir():
        raise ModelError(f"there is no directory {directory}")
    if gguf_file is not None:
        _require_digest(directory / gguf_file, gguf_sha256)
    source: dict[str, Any] = {"gguf_file": gguf_file} if gguf_file else {"use_safetensors": True}
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, **local, **({"gguf_file": gguf_file} if gguf_file else {}))
        model: Any = AutoModel.from_pretrained(directory, **local, **source, dtype=torch.float32)
    except Exception as error:  # transformers raises anything here
        raise ModelError(f"{directory} could not be loaded: {type(error).__name__}: {error}") from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.train(False)
    model.requires_grad_(False)
    spelled = hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()
    return TextEncoder(model, tokenizer, directory.name, reading or Reading(), f"sha256:{spelled}")


def file_sha256(path: Path) -> str:
    """``sha256:`` of a file; `ModelError` when it cannot be read."""
    try:
        with path.open("rb") as stream:
            return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error


def _require_digest(path: Path, expected: str | None) -> None:
    found = file_sha256(path)
    if expected is not None and found != expected:
        raise ModelError(
            f"{path.name} is not the file that was asked for: its digest is {found}, not {expected}",
            hint="Fetch it again, or name the digest of the file that you mean.",
        )


@dataclass(frozen=True)
class ModuleEncoder:
    """A torch module; ``features`` gives the states (B, d) of a batch of inputs that ``prepare`` made into a tensor."""

    module: nn.Module
    features: Callable[[Tensor], Tensor]
    prepare: Callable[[Any], Tensor]
    name: str
    reading: str = "features"

    @property
    def sha256(self) -> str:
        return weights_sha256(self.module)

    @torch.inference_mode()
    def encode(self, inputs: Inputs) -> States:
        self.module.train(False)
        return torch.cat([self.features(each).float() for each in self._batches(inputs)]).numpy()

    def _batches(self, inputs: Inputs) -> Iterator[Tensor]:
        for start in range(0, len(inputs), 512):
            yield self.prepare(inputs[start : start + 512])

    def describe(self) -> Teacher:
        family = type(self.module).__name__.lower()
        unread = f"sha256:{hashlib.sha256(b'no tokenizer').hexdigest()}"
        return Teacher(self.name, family, family, parameter_count(self.module), self.sha256, unread)
