"""What every job asks of its specification."""

from collections.abc import Sequence
from typing import Any

from m2kt.errors import UsageError


def check_spec(spec: dict[str, Any], required: Sequence[str], optional: Sequence[str]) -> None:
    """`UsageError` for keys that are missing or unknown."""
    missing = [name for name in required if spec.get(name) is None]
    unknown = sorted(set(spec) - {*required, *optional})
    if missing or unknown:
        raise UsageError(f"job specification: missing {missing or 'nothing'}, unknown {unknown or 'nothing'}")
