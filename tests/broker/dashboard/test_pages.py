"""The provenance pages: escaped, without scripts, and never greener than what was proven."""

import re
from hashlib import sha256

import pytest
from sqlalchemy import text

from m2kt.client.predicates import OUTCOME
from m2kt.scan import CHECK_NAMES
from m2kt.signing import sign_packet
from m2kt.signing.statement import attest
from tests.broker.conftest import make_packet

pytestmark = pytest.mark.usefixtures("enrolled")


@pytest.fixture
def http(browse):
    """Signed in as a viewer of every project."""
    return browse().http


@pytest.fixture
def published(client_of, keys, signed) -> str:
    return client_of(keys.teacher).publish(signed)["packet_id"]


def check_words(page: str) -> list[str]:
    table = page.split('<table class="scan">')[1].split("</table>")[0]
    return re.findall(r'class="word ([a-z-]+)"', table)


def test_an_empty_broker_says_what_to_do(http):
    assert "m2kt packet publish" in http.get("/packets").text


def test_the_list_shows_states_in_words_and_pages(http, client_of, keys, published):
    client_of(keys.teacher).publish(sign_packet(make_packet("acme/other"), keys.teacher))
    first = http.get("/packets?limit=1").text
    assert "acme/other@1.0.0" in first
    assert "acme/chains" not in first
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older
    assert "acme/chains@1.0.0" in http.get(older[1]).text
    assert "acme" not in http.get("/packets?state=approved").text


def test_checks_that_were_not_run_are_never_shown_as_passed(http, published):
    assert check_words(http.get(f"/packets/{published}").text) == ["not-run"] * len(CHECK_NAMES)


def test_the_page_shows_each_check_of_the_latest_verdict(http, published, run_scans):
    run_scans()
    page = http.get(f"/packets/{published}").text
    words = dict(zip(CHECK_NAMES, check_words(page), strict=True))
    passed = (
        "structure",
        "headers",
        "digests",
        "finite",
        "values",
        "norms",
        "precision",
        "texts",
        "harmful",
        "ledger",
        "anchors",
    )
    assert words == {**dict.fromkeys(CHECK_NAMES, "not-run"), **dict.fromkeys(passed, "pass")}
    assert "Approved" in page


def test_a_verdict_that_was_changed_in_the_database_does_not_count(http, published, run_scans, session):
    run_scans()
    session.execute(text("ALTER TABLE attestations DISABLE TRIGGER attestations_append_only"))
    session.execute(text("UPDATE attestations SET signer = 'nobody' WHERE predicate_type = 'urn:m2kt:scan:v1'"))
    session.commit()
    page = http.get(f"/packets/{published}").text
    assert set(check_words(page)) == {"not-run"}
    trail = page.split('<h2 id="trail-title">')[1]
    assert 'class="word fail"' in trail


def test_identity_trail_and_outcomes_are_there(http, client_of, keys, published, run_scans):
    run_scans()
    told = {"decision": "activated", "note": "<script>alert(1)</script>"}
    client_of(keys.student).report_outcome(attest(published, OUTCOME, told, keys.student))
    client_of(keys.teacher).revoke(published, "the <b>teacher</b> was wrong")
    page = http.get(f"/packets/{published}").text
    for expected in (
        published,
        "ada (teacher)",
        "this broker (broker)",
        "stu",
        "activated",
        "anchors/states",
        "Revoked",
    ):
        assert expected in page
    assert "<script>" not in page
    assert "<b>" not in page
    assert "the &lt;b&gt;teacher&lt;/b&gt; was wrong" in page
    assert "&lt;tiny&gt; teacher" in page


def test_pages_take_scripts_and_styles_from_this_broker_only(http, published):
    for path in ("/", "/packets", f"/packets/{published}"):
        answer = http.get(path)
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert not re.search(r"<script(?! src=)|style=|onclick|hx-on|javascript:", answer.text)
        for address in re.findall(r'(?:href|src)="([^"]+)"', answer.text):
            assert address.startswith(("/", "#")), address
    sheet = http.get("/static/style.css")
    assert (sheet.status_code, sheet.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert "url(" not in sheet.text


def test_what_is_vendored_is_what_the_notice_says(http):
    notice = http.get("/static/NOTICE").text
    for name, digest in re.findall(r"^(\S+\.js) .*?sha256 ([0-9a-f]{64})", notice, re.S | re.M):
        assert sha256(http.get(f"/static/{name}").content).hexdigest() == digest


def test_an_unknown_packet_has_no_page(http):
    assert http.get(f"/packets/sha256:{'0' * 64}").status_code == 404
