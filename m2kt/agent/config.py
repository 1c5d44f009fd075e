"""A daemon's configuration: a TOML file, with the command line's options over it, checked field by field."""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from m2kt.errors import UsageError

Config = TypeVar("Config")


def configure(kind: type[Config], file: Path | None, options: Mapping[str, Any]) -> Config:
    """``kind`` (a dataclass) from the file's values, with those of ``options`` that are not None in their place.

    Relative paths in the file are relative to the file. `UsageError` names the field that is missing, unknown or no
    such thing.
    """
    told = {**_read(file), **{name: each for name, each in options.items() if each is not None}}
    hints = get_type_hints(kind)
    if unknown := sorted(set(told) - set(hints)):
        raise UsageError(f"{file}: unknown {', '.join(unknown)}; there are {', '.join(sorted(hints))}")
    required = [each.name for each in fields(kind) if each.default is each.default_factory is MISSING]  # type: ignore[arg-type]
    if missing := [name for name in required if name not in told]:
        raise UsageError(
            f"missing: {', '.join(missing)}", hint=f"Give --{missing[0]}, or write it into the file of --config."
        )
    return kind(**{name: _typed(name, value, hints[name]) for name, value in told.items()})


def _read(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        with file.open("rb") as stream:
            found = tomllib.load(stream)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}", hint="Name a TOML file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not TOML: {error}", hint="docs/daemons.md has an example.") from error
    return {name.replace("-", "_"): _Told(each, file.absolute().parent) for name, each in found.items()}


class _Told:
    """A value from a file, and where the file lies."""

    def __init__(self, value: Any, folder: Path) -> None:
        self.value, self.folder = value, folder


def _typed(name: str, value: Any, hint: Any) -> Any:
    folder = Path()
    if isinstance(value, _Told):
        value, folder = value.value, value.folder
    choices = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    for each in choices:
        found = _as(value, each, folder)
        if found is not None:
            return found
    wanted = " or ".join(getattr(each, "__name__", str(each)) for each in choices if each is not type(None))
    raise UsageError(f"{name} must be {wanted}, not {value!r}")


def _as(value: Any, kind: Any, folder: Path) -> Any:
    """``value`` as ``kind``, or None when it is none."""
    origin = get_origin(kind) or kind
    if origin is Path:
        return folder / value if isinstance(value, str | Path) and str(value) else None
    if origin is float:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if origin is int and isinstance(value, bool):
        return None
    if origin is tuple:
        return (
            tuple(value) if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value) else None
        )
    return value if isinstance(value, origin) else None
