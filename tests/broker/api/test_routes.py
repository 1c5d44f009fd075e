"""The OpenAPI document against the application, route by route."""

import re

import pytest
from fastapi.routing import APIRoute

from broker import api
from m2kt.errors import catalogue


@pytest.fixture(scope="module")
def document(settings):
    from broker.main import create_app

    return create_app(settings).openapi()


def every(document):
    return [(path, method, each) for path, item in document["paths"].items() for method, each in item.items()]


def test_every_route_of_the_api_is_in_the_document(document):
    routes = {
        (route.path, method.lower())
        for router in api.routers
        for route in router.routes
        if isinstance(route, APIRoute) and route.include_in_schema
        for method in route.methods
    }
    told = {(path, method) for path, method, _ in every(document)}
    assert {(re.sub(r":\w+}", "}", path), method) for path, method in routes} == told


def test_every_operation_has_a_summary_a_tag_or_an_excuse_and_a_success(document):
    for path, method, operation in every(document):
        assert operation["description"].strip(), (path, method)
        assert operation["tags"], (path, method)
        assert [each for each in operation["responses"] if each < "300"], (path, method)


def test_every_problem_lists_its_types_and_every_type_is_in_the_catalogue(document):
    known = {f"urn:m2kt:error:{each.code}" for each in catalogue()}
    for path, method, operation in every(document):
        for status, answer in operation["responses"].items():
            if status >= "400":
                types = set(answer["x-problem-types"])
                assert types, (path, method, status)
                assert types <= known, (path, method, status)


def test_signed_routes_document_who_may_call_how_fast_and_how_slowly(document):
    for path, method, operation in every(document):
        answers = operation["responses"]
        assert ("401" in answers) == ("429" in answers), (path, method)
        if "401" in answers:
            assert "WWW-Authenticate" in answers["401"]["headers"], (path, method)
            assert "Retry-After" in answers["429"]["headers"], (path, method)
            assert "RateLimit" in answers["429"]["headers"], (path, method)


def test_every_body_has_a_media_type_and_every_text_parameter_a_limit(document):
    for path, method, operation in every(document):
        if "requestBody" in operation:
            assert operation["requestBody"]["content"], (path, method)
        for parameter in operation.get("parameters", []):
            schemas = parameter["schema"].get("anyOf", [parameter["schema"]])
            for schema in schemas:
                if schema.get("type") == "string":
                    closed = {"pattern", "maxLength", "enum", "format", "const"} & set(schema)
                    headers_of_http = parameter["in"] == "header"
                    assert closed or headers_of_http, (path, method, parameter["name"])


def test_answers_that_create_say_where(document):
    for path, method, operation in every(document):
        created = operation["responses"].get("201")
        if created is not None and method == "post" and not path.endswith("/complete"):
            assert "Location" in created.get("headers", {}) or path in WITHOUT_ADDRESS, (path, method)


WITHOUT_ADDRESS = {
    "/v1/accounts",
    "/v1/agents",
    "/v1/enrol",
    "/v1/enrolments",
    "/v1/exchanges/{exchange_id}/rounds/{number}/complaints/{accused}",
    "/v1/jobs",
    "/v1/packets/{packet_id}/outcomes",
    "/v1/packets/{packet_id}/reviews",
    "/v1/session",
}
"""What has no route of its own to read it back, or says its address in the body (part of others' routes)."""
