"""What routes say about who may call them, read from their dependencies: for OpenAPI, and for the test that no route
says nothing."""

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from broker.web import guard
from broker.web.access import Allowed, AllowedUpload, Anyone, Rule
from broker.web.people import SignedIn
from broker.web.problems import documented

ROLES, WHY = "x-m2kt-roles", "x-m2kt-why"
ANYONE = "anyone"
_HOW = (
    "Declare who may call it: a parameter `caller: Annotated[Principal, Depends(allow(Role...))]` or "
    "`scope: Annotated[Scope, Depends(anyone('why nobody has to sign'))]` (or `dependencies=[Depends(...)]`), both of "
    "broker.web.deps."
)


def install(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Have ``/openapi.json`` say of every operation which roles may call it (``x-m2kt-roles``)."""
    rules = {(method, route.path_format): found for method, route, found in _declared(routers)}
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        for path, item in document["paths"].items():
            for method, operation in item.items():
                rule = rules.get((method.upper(), path))
                operation |= _shown(rule)
                operation["responses"] = _refusals(rule, path) | operation["responses"]
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def undeclared(routers: Iterable[APIRouter]) -> list[str]:
    """What is missing where, each with what to add: routes that do not say who may call them, and things in paths of
    which nobody has said whose they are."""
    missing = []
    for method, route, found in _declared(routers):
        if found is None:
            missing.append(f"{method} {route.path} ({route.name}): {_HOW}")
        for part, name in guard.parameters(route.path):
            if part not in guard.GUARDED and part not in guard.FREE:
                missing.append(
                    f"{method} {route.path}: whose is `{name}`? Add {part!r} to GUARDED in broker/web/guard.py, with "
                    "how to find its project; or to FREE, with why it belongs to none."
                )
    return missing


def _declared(routers: Iterable[APIRouter]) -> Iterator[tuple[str, APIRoute, Rule | None]]:
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                found = _joined([*_rules(route.dependant)])
                yield from ((method, route, found) for method in sorted(route.methods or ()))


def _rules(dependant: Dependant) -> Iterator[Rule]:
    if isinstance(dependant.call, Allowed | AllowedUpload | Anyone | SignedIn):
        yield dependant.call.rule
    for each in dependant.dependencies:
        yield from _rules(each)


def _joined(rules: list[Rule]) -> Rule | None:
    """All of them hold: the roles that each of them names."""
    if not rules:
        return None
    named = [each.roles for each in rules if each.roles is not None]
    return Rule(frozenset.intersection(*named)) if named else rules[0]


def _refusals(rule: Rule | None, path: str) -> dict[str, Any]:
    """The problems with which the declared dependency itself may answer."""
    if rule is None:
        return {}
    signed = {401, 403, 408, 409, 429} if rule.signable or rule.roles is not None else set()
    hidden = {404} if any(part in guard.GUARDED for part, _ in guard.parameters(path)) else set()
    found = {str(status): documented(status)[status] for status in sorted(signed | hidden)}
    return {status: {name: it for name, it in each.items() if name != "model"} for status, each in found.items()}


def _shown(rule: Rule | None) -> dict[str, Any]:
    if rule is None:
        return {}
    return {ROLES: [ANYONE], WHY: rule.why} if rule.roles is None else {ROLES: sorted(map(str, rule.roles))}
