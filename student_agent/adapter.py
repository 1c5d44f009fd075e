"""LoRA matrices beside a student's own weights (Hu et al. 2021, through peft): what a packet is consolidated into.

The student's matrices are never written. Adapters are put beside them switched off, and are on only while a student
that has taken them speaks; with them off every layer computes what it always did, bit for bit.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from m2kt.errors import NotInstalled
from m2kt.neural.models import LanguageModel
from m2kt.neural.weights import tensors_sha256

BASE, LORA = ".base_layer", "lora_"


@dataclass(frozen=True)
class Adapter:
    """One adapter that stands beside the student's weights, by its name there."""

    name: str
    rank: int
    alpha: int

    def tensors(self, lm: LanguageModel) -> dict[str, Tensor]:
        """Its matrices, named without the adapter's name."""
        mark = f".{self.name}."
        return {
            name.replace(mark, "."): tensor
            for name, tensor in lm.model.state_dict().items()
            if mark in name and LORA in name
        }

    def fill(self, lm: LanguageModel, tensors: dict[str, Tensor]) -> None:
        """Take in matrices that `tensors` gave; `ValueError` when they are not this student's."""
        own = self.tensors(lm)
        if own.keys() != tensors.keys() or any(own[name].shape != tensors[name].shape for name in own):
            raise ValueError("its matrices do not fit the student's")
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(tensors[name])


def attach(lm: LanguageModel, name: str, rank: int, alpha: int) -> Adapter:
    """A fresh adapter, which changes nothing yet, beside every matrix of the student but those of its tokens."""
    peft = _peft()
    config = peft.LoraConfig(r=rank, lora_alpha=alpha, target_modules=_targets(lm), fan_in_fan_out=_turned(lm))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Already found a `peft_config`")  # several packets: several adapters
        peft.inject_adapter_in_model(config, lm.model, adapter_name=name)
    _switch(lm, ())
    lm.model.to(lm.device)
    return Adapter(name, rank, alpha)


def detach(lm: LanguageModel, adapter: Adapter) -> None:
    """Take an adapter away."""
    for layer in _layers(lm):
        layer.delete_adapter(adapter.name)
    del lm.model.peft_config[adapter.name]


@contextmanager
def speaking(lm: LanguageModel, adapters: Sequence[Adapter]) -> Iterator[None]:
    """Meanwhile these adapters, and no others, are on."""
    if not adapters:
        yield
        return
    _switch(lm, [each.name for each in adapters])
    try:
        yield
    finally:
        _switch(lm, ())


def core_sha256(lm: LanguageModel) -> str:
    """Digest of the student's own weights (`weights_sha256`), whatever stands beside them."""
    own = {name.replace(BASE, ""): each for name, each in lm.model.state_dict().items() if LORA not in name}
    return tensors_sha256(own)


def _switch(lm: LanguageModel, names: Sequence[str]) -> None:
    for layer in _layers(lm):
        if names:
            layer.set_adapter(list(names))
        layer.enable_adapters(bool(names))


def _layers(lm: LanguageModel) -> list[Any]:
    layer = _peft().tuners.tuners_utils.BaseTunerLayer
    return [each for each in lm.model.modules() if isinstance(each, layer)]


READ_ONLY = {"out_proj", "conv1d"}
"""Layers of Mamba whose weights its kernels read past their own forward pass: nothing beside them would be seen."""


def _targets(lm: LanguageModel) -> list[str]:
    """Every linear layer but the head."""
    past = READ_ONLY if "mamba" in lm.model.config.model_type else set()
    found = []
    for name, module in lm.model.named_modules():
        own = name.removesuffix(BASE)
        if (
            isinstance(module, nn.Linear | Conv1D)
            and module is not lm.head
            and LORA not in name
            and own.rpartition(".")[2] not in past
        ):
            found.append(own)
    return found


def _turned(lm: LanguageModel) -> bool:
    """Whether the student's matrices are stored the other way round, as those of GPT-2."""
    return any(isinstance(each, Conv1D) for each in lm.model.modules())


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise NotInstalled(
            "consolidation needs the library peft", hint="Install it: pip install 'm2kt[lora]'."
        ) from error
    return peft
