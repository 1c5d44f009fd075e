"""Alignment must learn from the packet alone: no domain package and no teacher can be imported in its process."""

import sys
from collections.abc import Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from m2kt.domains import packages
from m2kt.errors import AlignmentRefused


class _Refuse(MetaPathFinder):
    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.split(".")[0] in self._names:
            raise ImportError(f"{fullname} may not be imported while a student aligns a packet")
        return None


def isolate(more: Iterable[str] = ("teacher_agent", "broker")) -> frozenset[str]:
    """From now on refuse every domain package and ``more``; `AlignmentRefused` when one is loaded already."""
    names = frozenset({*packages(), *more})
    loaded = sorted(name for name in names if name in sys.modules)
    if loaded:
        raise AlignmentRefused(f"this process already holds {', '.join(loaded)}: what it learns would prove nothing")
    sys.meta_path.insert(0, _Refuse(names))
    return names
