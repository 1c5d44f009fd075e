"""The OpenAPI document is complete enough to be held to it."""

import re

from broker.models import Role


def test_every_route_documents_its_problems_as_problem_json(app):
    document = app.openapi()
    assert document["openapi"].startswith("3.1")
    for path, item in document["paths"].items():
        for method, operation in item.items():
            problems = {status: each for status, each in operation["responses"].items() if status >= "400"}
            assert problems or path == "/healthz", (method, path)
            for each in problems.values():
                schema = each["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}, (method, path)


def test_every_reference_resolves_and_every_path_parameter_is_declared(app):
    document = app.openapi()
    names = set(document["components"]["schemas"])
    assert set(re.findall(r"#/components/schemas/(\w+)", str(document))) <= names
    for path, item in document["paths"].items():
        for operation in item.values():
            declared = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
            assert declared == {name.split(":")[0] for name in re.findall(r"{([^}]+)}", path)}


def test_operations_have_distinct_ids(app):
    ids = [each["operationId"] for item in app.openapi()["paths"].values() for each in item.values()]
    assert len(ids) == len(set(ids))


def test_signed_routes_say_so(app):
    for path, item in app.openapi()["paths"].items():
        for method, operation in item.items():
            if path != "/v1/enrol" and (method == "post" or path.endswith("/content")):
                assert {"401", "403", "409"} <= set(operation["responses"]), (method, path)


def test_every_operation_says_who_may_call_it_and_why_if_that_is_everybody(app):
    for path, item in app.openapi()["paths"].items():
        for method, operation in item.items():
            roles = operation["x-m2kt-roles"]
            assert set(roles) <= {*map(str, Role), "anyone"}, (method, path)
            assert (roles == ["anyone"]) == bool(operation.get("x-m2kt-why")), (method, path)
