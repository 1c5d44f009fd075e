"""Peer factories: the plug-ins that give an exchange a model, its optimiser and its samples.

A factory is any callable ``(name, plan, settings) -> m2kt.neural.exchange.Peer``; it is found through the entry-point
group ``m2kt.peers``, or written as ``module:function``. What it makes from equal arguments must be equal.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from m2kt.errors import UsageError
from m2kt.exchange import RoundPlan
from m2kt.neural.exchange import Peer

GROUP = "m2kt.peers"

Factory = Callable[[str, RoundPlan, dict[str, Any]], Peer]


def make_peer(factory: str, name: str, plan: RoundPlan, settings: dict[str, Any]) -> Peer:
    """The peer that a factory makes; `UsageError` says what is wrong with the factory."""
    made = _call(_load(factory), factory, name, plan, settings)
    if not isinstance(made, Peer):
        raise UsageError(f"{factory} made a {type(made).__name__} instead of an m2kt.neural.exchange.Peer")
    if made.name != name or made.plan != plan:
        raise UsageError(f"{factory} made the peer {made.name} instead of {name}, or for another plan")
    return made


def _load(factory: str) -> Factory:
    registered = {each.name: each for each in entry_points(group=GROUP)}
    if factory in registered:
        return _found(factory, registered[factory].load)
    module, colon, attribute = factory.partition(":")
    if not colon or not module or not attribute:
        names = ", ".join(sorted(registered)) or "none"
        raise UsageError(
            f"no peer factory is registered as {factory!r} (registered: {names})",
            hint=f"Write it as module:function, or install a package with an entry point in {GROUP}.",
        )
    return _found(factory, lambda: getattr(import_module(module), attribute))


def _found(factory: str, load: Callable[[], Any]) -> Factory:
    try:
        found = load()
    except Exception as error:  # the plug-in's own code runs here, and may raise anything
        raise UsageError(
            f"the peer factory {factory} does not load: {type(error).__name__}: {error}",
            hint="Look whether its module is on the path (PYTHONPATH) and imports.",
        ) from error
    if not callable(found):
        raise UsageError(f"{factory} is no function")
    made: Factory = found
    return made


def _call(make: Factory, factory: str, name: str, plan: RoundPlan, settings: dict[str, Any]) -> object:
    try:
        return make(name, plan, settings)
    except TypeError as error:
        raise UsageError(f"{factory}(name, plan, settings) does not work: {error}") from error
