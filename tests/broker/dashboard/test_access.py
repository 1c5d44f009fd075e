"""Every page with everybody who may come along: no route is left out, because the list is that of the routes."""

import re

import pytest

from broker import dashboard
from broker.models import PersonRole, Role
from broker.services import agents, enrolments, jobs
from broker.services.agents import Principal
from broker.web.people import SignedIn
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate
from tests.broker.conftest import make_packet

ROLES = [each.value for each in PersonRole]
OPEN = {("GET", "/sign-in"), ("POST", "/sign-in")}
STREAMS = ("/jobs/{job_id}/live",)
"""Their answer ends when the job does; the job here has ended."""


def rule(route):
    for each in [route.dependant, *route.dependant.dependencies]:
        if isinstance(each.call, SignedIn):
            return each.call
    return None


ROUTES = [
    (method, route.path, rule(route))
    for router in dashboard.routers
    for route in router.routes
    for method in sorted(route.methods)
]


@pytest.fixture
def things(session, keys, client_of, run_log):
    """One of each sort, in the project alpha."""
    teacher, gone = generate(), generate()
    agents.register(session, keys.broker, "teacher-alpha", Role.TEACHER, teacher.public_key(), project="alpha")
    agents.register(session, keys.broker, "agent-alpha", Role.STUDENT, gone.public_key(), project="alpha")
    root = Principal.of("root", Role.ADMIN, keys.admin.public_key())
    token, _ = enrolments.make(session, root, Role.STUDENT, "alpha", None, enrolments.timedelta(minutes=5))
    session.commit()
    client = client_of(teacher)
    packet = client.publish(sign_packet(make_packet("alpha/secret"), teacher))
    job = client.submit_job("noop", {"mark": "alpha-spec"}, not_before="2100-01-01T00:00:00Z")
    client.cancel_job(job["id"])
    jobs.get(session, job["id"])
    run_log()
    return {
        "packets": packet["packet_id"],
        "concepts": "0",
        "statements": "1",
        "maps": "states",
        "graphs": "0",
        "heat-maps": "0",
        "alignments": "1",
        "jobs": job["id"],
        "agents": "agent-alpha",
        "enrolments": str(token.id),
        "accounts": "viewer-alpha",
    }


def filled(path, things):
    return re.sub(r"/([\w-]+)/{\w+}", lambda found: f"/{found[1]}/{things[found[1]]}", path)


def test_every_page_says_who_may_look():
    said = {(method, path) for method, path, rule in ROUTES if rule is not None}
    assert {(method, path) for method, path, _ in ROUTES} - said == OPEN
    assert len(ROUTES) > 25


def test_nobody_sees_anything_without_signing_in(http, things):
    for method, path, _ in ROUTES:
        if (method, path) in OPEN:
            continue
        headers = {"Origin": str(http.base_url).rstrip("/")} if method == "POST" else {}
        answer = http.request(method, filled(path, things), headers=headers)
        assert answer.status_code == (303 if method == "GET" else 401), (method, path)
        assert "alpha/secret" not in answer.text
        if method == "GET":
            assert answer.headers["location"].startswith("/sign-in?next=")


def test_roles_get_as_far_as_the_pages_say(browse, things):
    order = [each for each in ROUTES if each[0] == "GET"] + [each for each in ROUTES if each[0] == "POST"]
    browsers = {role: browse(role, "alpha") for role in ROLES}
    for method, path, rule in order:
        if rule is None:
            continue
        for role in ROLES:
            if method == "POST" and PersonRole(role).may(rule.least):
                continue  # what they change is the business of other tests
            answer = browsers[role].http.request(method, filled(path, things), **sent(method, browsers[role]))
            allowed = PersonRole(role).may(rule.least)
            seen = f"{method} {path} by {role}: {answer.status_code}"
            assert (answer.status_code == 403) != allowed, seen
            assert answer.status_code < 500, seen


def sent(method, browser):
    if method == "GET":
        return {}
    return {"data": {"csrf": browser.csrf}, "headers": {"Origin": "http://broker.test"}}


def test_another_projects_things_are_not_there(browse, things):
    stranger = browse("admin", "beta")
    for method, path, rule in ROUTES:
        if rule is None or path == "/sign-out":
            continue
        answer = stranger.http.request(method, filled(path, things), **sent(method, stranger))
        for mark in ("alpha/secret", "alpha-spec", "teacher-alpha"):
            assert mark not in answer.text, (method, path)
        if "{" in path:
            assert answer.status_code == 404, (method, path, answer.status_code)


def test_agents_of_every_project_are_seen_and_not_steered_from_one(browse, session, keys, things):
    agents.register(session, keys.broker, "wide", Role.WORKER, generate().public_key())
    session.commit()
    operator = browse("operator", "alpha")
    assert operator.get("/agents/wide").status_code == 200
    assert operator.post("/agents/wide/drain").status_code == 404
