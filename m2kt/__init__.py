"""M2KT: signed knowledge packets that let one trained model teach another.

The names below load on first use, so that ``import m2kt`` stays fast and never loads torch.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_EXPORTS = {
    "Packet": "m2kt.packet",
    "read_packet": "m2kt.packet",
    "verify_packet": "m2kt.signing",
    "sign_packet": "m2kt.signing",
    "Client": "m2kt.client",
    "M2KTError": "m2kt.errors",
}

__all__ = [*_EXPORTS, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'm2kt' has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)
