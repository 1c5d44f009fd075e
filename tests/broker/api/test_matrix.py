"""Routes x roles x projects, generated from what the routes say in OpenAPI."""

import time
from hashlib import sha256
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends

from bench import matrix, roles
from broker import api, dashboard
from broker.models import Role
from broker.services.agents import Principal
from broker.web import declared, guard
from broker.web.deps import CallerDep, SessionDep, allow, anyone
from m2kt.signing.http import new_nonce, sign_request


@pytest.fixture
def send(http):
    def call(method, path, key, body):
        request = http.build_request(method, path, content=body, headers={"Content-Type": "application/json"})
        if key is not None:
            host = {"Host": request.headers["Host"]}
            digest, at = sha256(body).digest(), int(time.time())
            request.headers.update(sign_request(method, str(request.url), host, digest, key, at, new_nonce()))
        answer = http.send(request)
        return matrix.answer_of(answer.status_code, answer.text)

    return call


def test_every_route_says_who_may_call_it_and_whose_the_things_in_its_path_are():
    """What the failure names is to be added to the route that it names."""
    assert declared.undeclared([*api.routers, *dashboard.routers]) == []


def test_the_matrix_knows_what_the_guard_knows():
    """One list is what the broker does, the other what it is tried with."""
    assert set(matrix.GUARDED) == set(guard.GUARDED)
    assert set(matrix.FREE) == set(guard.FREE)


def test_the_table_in_the_docs_is_that_of_the_routes():
    now = roles.PAGE.read_text()
    assert roles.page(now) == now, "run `python -m bench.roles --write`, and commit docs/agents.md"


@pytest.mark.timeout(600)
def test_nobody_gets_further_than_the_routes_say(app, client_of, keys, send):
    found = matrix.routes(app.openapi())
    assert len(found) >= 40
    assert matrix.run(found, matrix.build(client_of, keys.admin), send) == []


def test_a_route_that_says_nothing_is_named_with_what_to_add():
    router = APIRouter()

    @router.post("/v1/things/{thing}/burn")
    def burn(thing: str, caller: CallerDep) -> str:
        return thing

    missing = declared.undeclared([router])
    assert any("POST /v1/things/{thing}/burn (burn)" in each and "Depends(allow(Role" in each for each in missing)
    assert any("'things' to GUARDED in broker/web/guard.py" in each for each in missing)
    document = {"paths": {"/v1/things/{thing}/burn": {"post": {}}}}
    with pytest.raises(LookupError, match=r"(?s)does not say who may call it.*targets"):
        matrix.routes(document)


def test_several_declarations_of_one_route_hold_together():
    router = APIRouter(dependencies=[Depends(anyone("for all"))])
    both = Annotated[Principal, Depends(allow(Role.ADMIN, Role.TEACHER))]

    @router.post("/v1/x", dependencies=[Depends(allow(Role.ADMIN, Role.STUDENT))])
    def x(caller: both) -> str:
        return caller.name

    ((_, _, rule),) = declared._declared([router])
    assert rule is not None
    assert rule.roles == {Role.ADMIN}


def _holes():
    """Routes that let in more than they say, each in its own way."""
    router = APIRouter(prefix="/v1")

    @router.get("/packets/{packet_id}/hole")
    def unguarded(packet_id: str, session: SessionDep) -> str:
        return packet_id

    @router.post("/jobs/{job_id}/hole")
    def any_signature(job_id: str, caller: CallerDep) -> str:
        return caller.name

    return router


def test_the_matrix_notices_a_route_that_lets_in_more_than_it_says(app, client_of, keys, send):
    """A check that cannot fail is none."""
    app.include_router(_holes())
    document = app.openapi()
    for path in ("/v1/packets/{packet_id}/hole", "/v1/jobs/{job_id}/hole"):
        for operation in document["paths"][path].values():
            operation["x-m2kt-roles"] = ["student"]
    found = [each for each in matrix.routes(document) if each.path.endswith("/hole")]
    faults = matrix.run(found, matrix.build(client_of, keys.admin), send)
    assert any("GET /v1/packets/{packet_id}/hole by nobody: 200" in each for each in faults)
    assert any("GET /v1/packets/{packet_id}/hole by student-beta: 200" in each for each in faults)
    assert any("POST /v1/jobs/{job_id}/hole by teacher-alpha: 200" in each for each in faults)
    assert any("POST /v1/jobs/{job_id}/hole by student-beta: 200" in each for each in faults)
