"""Domains: the plug-ins that tell a teacher what to be asked.

A domain is found through the entry-point group ``m2kt.domains``. It gives unlabelled prompts only; it serves the
teacher's side, and alignment runs in a process where no domain package can be imported.
"""

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, runtime_checkable

from m2kt.errors import DomainError

GROUP = "m2kt.domains"


@runtime_checkable
class Domain(Protocol):
    """What a plug-in must offer: a name, a version, and prompts from a seed."""

    name: str
    version: str

    def probes(self, seed: int, count: int) -> Iterator[str]:
        """Yield ``count`` prompts without answers; equal seeds give equal prompts."""
        ...


@runtime_checkable
class Judged(Protocol):
    """What a domain may offer besides, for the teacher's side alone: what it is to be right. Nothing of it travels."""

    chance: float
    """Share of right chains that guessing gives."""

    def right(self, prompt: str, continuation: str) -> bool | None:
        """Whether ``continuation`` is right; None where the domain cannot tell."""
        ...


def registered() -> dict[str, EntryPoint]:
    """Entry points of all installed domains, by name."""
    return {each.name: each for each in entry_points(group=GROUP)}


def load(wanted: str) -> Domain:
    """The domain registered as ``wanted``, a name or ``name@version``; `DomainError` names those that are there, and
    the version that is installed where it is another."""
    name, _, version = wanted.partition("@")
    domain = _load(name)
    if version and domain.version != version:
        raise DomainError(
            f"the domain {name} is installed in version {domain.version}, not {version}",
            hint="Install the version that you name, or name the one that is installed.",
        )
    return domain


def _load(name: str) -> Domain:
    found = registered()
    if name not in found:
        names = ", ".join(sorted(found)) or "none"
        raise DomainError(f"no domain named {name!r} is registered (registered: {names})")
    domain = _import(found[name])
    # A class has what its instances have, but its `probes` would want one more argument.
    if isinstance(domain, type) or not isinstance(domain, Domain) or not _named(domain):
        raise DomainError(f"{found[name].value} is not a domain: it needs name, version and probes(seed, count)")
    return domain


def _import(entry: EntryPoint) -> object:
    try:
        return entry.load()
    except Exception as error:  # the plug-in's own code runs here, and may raise anything
        raise DomainError(
            f"the domain {entry.value} does not load: {type(error).__name__}: {error}",
            hint="Mend or reinstall the package that registers it.",
        ) from error


def _named(domain: Domain) -> bool:
    return isinstance(domain.name, str) and isinstance(domain.version, str)


def packages() -> set[str]:
    """Top-level modules of every installed domain: what an alignment process must not import."""
    return {each.module.split(".")[0] for each in registered().values()}
