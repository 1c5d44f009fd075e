"""What people come for: with a browser, some with the keyboard only, some without scripts."""

import pytest

from m2kt.signing import sign_packet
from m2kt.signing.keys import load_private
from tests.broker.conftest import make_packet
from tests.browser.conftest import state_of
from tests.daemons import until

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def teacher(running_stack):
    return load_private(running_stack.agent("browsed-teacher", "teacher"))


@pytest.fixture
def quarantined(running_stack, teacher, admin):
    """A packet of which the policy wants one reviewer."""

    def one(version):
        with running_stack.client(teacher) as client:
            found = client.publish(sign_packet(make_packet("reviewed/chains", version), teacher))["packet_id"]
        state_of(admin, found, "quarantined")
        return found

    return one


def test_a_quarantined_packet_is_reviewed_with_the_keyboard_only(visit, quarantined, admin):
    packet_id = quarantined("1.0.0")
    visitor = visit("operator")
    page = visitor.open("/")
    visitor.tab_to("Reviews")
    page.keyboard.press("Enter")
    page.wait_for_url("**/reviews")
    visitor.tab_to("Review reviewed/chains@1.0.0")
    page.keyboard.press("Enter")
    page.wait_for_url("**/review")
    visitor.tab_to("Approve")
    page.keyboard.press("Space")
    visitor.tab_to("Reason")
    page.keyboard.type("its checks passed, and I know the teacher")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="approved").wait_for()
    found = admin.show(packet_id)
    assert found["state"] == "approved"
    assert visitor.name in found["reason"]
    said = [each for each in admin.attestations(packet_id) if each["predicate_type"] == "urn:m2kt:review:v1"]
    assert len(said) == 1


def test_a_job_is_watched_and_cancelled(visit, admin):
    job = admin.submit_job("noop", {"seconds": 600})["id"]
    visitor = visit("operator")
    page = visitor.open(f"/jobs/{job}")
    page.get_by_text("Live: this page follows the job.").wait_for()
    page.locator("#now").get_by_text("running").first.wait_for()
    page.get_by_role("button", name="Cancel this job").click()
    page.locator("#now").get_by_text("cancelled", exact=False).first.wait_for()
    page.get_by_role("button", name="Retry it").wait_for()
    assert admin.job(job)["state"] == "cancelled"
    assert f"cancelled by {visitor.name}@dashboard" in page.content()


def test_a_page_that_is_open_follows_what_others_do(visit, admin):
    job = admin.submit_job("noop", {"seconds": 600})["id"]
    page = visit("viewer").open(f"/jobs/{job}")
    page.get_by_text("Live: this page follows the job.").wait_for()
    admin.cancel_job(job)
    page.get_by_text("It has ended: cancelled.").wait_for()
    page.locator("#now .word.cancelled").first.wait_for()
    assert page.get_by_role("button", name="Cancel this job").count() == 0


def test_without_scripts_everything_is_there_and_can_be_done(visit, quarantined, admin):
    packet_id = quarantined("1.1.0")
    page = visit("operator", scripts=False).open(f"/packets/{packet_id}/review")
    page.get_by_label("Reject, for good").check()
    page.get_by_label("Reason").fill("made for this test")
    page.get_by_role("button", name="Sign and send").click()
    page.get_by_role("heading", name="rejected").wait_for()
    job = admin.submit_job("noop", {"seconds": 600})["id"]
    page.goto(page.url.split("/packets")[0] + f"/jobs/{job}")
    page.get_by_role("button", name="Cancel this job").click()
    until(lambda: admin.job(job)["state"] == "cancelled", "the job's end")


def test_a_packet_that_was_revoked_while_its_page_was_open_is_not_reviewed(visit, quarantined, admin):
    packet_id = quarantined("1.2.0")
    page = visit("operator").open(f"/packets/{packet_id}/review")
    admin.revoke(packet_id, "its teacher was wrong")
    page.get_by_label("Approve").check()
    page.get_by_label("Reason").fill("looks good")
    page.get_by_role("button", name="Sign and send").click()
    page.get_by_text("is revoked: it waits for no reviewer").wait_for()
    assert admin.show(packet_id)["state"] == "revoked"


def test_this_browser_remembers_the_log_and_notices_another_one(visit, admin):
    page = visit("viewer").open("/log")
    page.get_by_text("Verified just now").wait_for()
    page.reload()
    page.get_by_text("Verified in this browser").wait_for()
    page.evaluate("""() => {
      const key = Object.keys(localStorage)[0], seen = JSON.parse(localStorage[key]);
      localStorage[key] = JSON.stringify({ ...seen, root: "00".repeat(32) });
    }""")
    page.reload()
    page.get_by_text("does not begin with").wait_for()
