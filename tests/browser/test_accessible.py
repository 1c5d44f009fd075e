"""axe-core on every page, in both themes: nothing serious, and no page asks for what its policy forbids."""

import pytest

from bench import browsing
from m2kt.signing import sign_packet
from m2kt.signing.keys import load_private
from tests.broker.conftest import make_packet
from tests.browser.conftest import state_of

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def things(running_stack):
    """A packet, a job that ended, an agent, a channel."""
    teacher = load_private(running_stack.agent("shown-teacher", "teacher"))
    with running_stack.client(teacher) as client, running_stack.client() as admin:
        packet = client.publish(sign_packet(make_packet("shown/chains"), teacher))["packet_id"]
        waiting = client.publish(sign_packet(make_packet("reviewed/shown"), teacher))["packet_id"]
        state_of(admin, packet, "approved")
        state_of(admin, waiting, "quarantined")
        client.move_channel("shown/chains", "stable", version="1.0.0", etag=None)
        job = client.submit_job("noop", {"seconds": 600})["id"]
        admin.make_token("student")
        admin.cancel_job(job)
    return {"packet": packet, "waiting": waiting, "job": job}


PAGES = (
    "/",
    "/packets",
    "/packets/{packet}",
    "/packets/{packet}/concepts/0",
    "/packets/{waiting}/review",
    "/reviews",
    "/jobs",
    "/jobs/{job}",
    "/agents",
    "/agents/shown-teacher",
    "/channels",
    "/keys",
    "/log",
    "/health",
    "/accounts",
    "/account",
    "/jobs/{job}/nothing",
)


def test_no_page_has_a_serious_finding_in_either_theme(visit, things):
    visitor = visit("admin")
    found = [each for path in PAGES for each in browsing.findings(visitor.open(path.format(**things)))]
    assert found == []


def test_the_sign_in_page_has_none_either(chromium, running_stack):
    page = chromium.new_page()
    page.goto(f"{running_stack.url}/packets")
    page.wait_for_url("**/sign-in?next=/packets")
    assert browsing.findings(page) == []
    page.close()
