"""The bytes of a model, without the libraries that load models: importing those takes seconds."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn


def weights_sha256(model: nn.Module) -> str:
    """SHA-256 over names, dtypes, shapes and bytes of all parameters and buffers, in name order.

    Independent of the file format, so that a re-saved model keeps its digest.
    """
    return tensors_sha256(model.state_dict())


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """The same of any named tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}\0{tensor.dtype}\0{list(tensor.shape)}\0".encode())
        digest.update(raw_bytes(tensor))
    return "sha256:" + digest.hexdigest()


def raw_bytes(tensor: Tensor) -> bytes:
    """The tensor's bytes in C order; works for bfloat16, which numpy lacks."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
