"""What pages do with bad input: names that are markup, turn the direction of reading or fill the page; things that
change while somebody looks; a log that no longer matches."""

import json
import re

import pytest
from sqlalchemy import text

from broker.dashboard import render
from broker.models import Role
from broker.services import agents
from m2kt.packet.merkle import leaf_hash
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate
from tests.broker.conftest import make_packet

pytestmark = pytest.mark.usefixtures("enrolled")

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'>"
TURNED = "approved\u202edevorppa\u2066 \u200f\u061c end"
LONG = "ﷺ" * 10_000
NAMES = {"markup": MARKUP, "right-to-left marks": TURNED, "ten thousand characters": LONG}


@pytest.fixture
def published(client_of, keys, run_scans):
    found = client_of(keys.teacher).publish(sign_packet(make_packet(), keys.teacher))["packet_id"]
    run_scans()
    return found


@pytest.fixture
def everywhere(session, published, client_of, keys):
    """Write a text wherever one of strangers may stand; the paths of the pages that show it."""

    def write(words):
        job = client_of(keys.teacher).submit_job("noop", {"note": "x"}, not_before="2100-01-01T00:00:00Z")["id"]
        session.execute(text("ALTER TABLE packets DISABLE TRIGGER USER"))
        session.execute(
            text("UPDATE packets SET reason = :w, teacher_name = :w, publisher = :w, domain = :w, name = :w, "
                 "teacher = jsonb_build_object('name', CAST(:w AS text)), state = 'quarantined'"),
            {"w": words},
        )  # fmt: skip
        session.execute(
            text("UPDATE jobs SET submitter = :w, lease_owner = :w, error = CAST(:e AS jsonb), "
                 "spec = CAST(:e AS jsonb), progress = CAST(:e AS jsonb) WHERE id = :id"),
            {"w": words, "id": job, "e": json.dumps({"code": words, "detail": words, "hint": words, words: words})},
        )  # fmt: skip
        session.execute(
            text("INSERT INTO job_logs (job_id, attempt, content) VALUES (:id, 1, :c)"),
            {"id": job, "c": words.encode()},
        )
        session.execute(text("UPDATE agents SET project = 'default'"))
        session.commit()
        review = f"/packets/{published}/review"
        return ["/", "/packets", "/reviews", review, "/jobs", f"/jobs/{job}", f"/jobs/{job}/log", "/agents", "/keys"]

    return write


@pytest.mark.parametrize("words", NAMES.values(), ids=NAMES)
def test_texts_of_strangers_neither_steer_nor_fill_a_page(browse, everywhere, words):
    browser = browse("admin")
    shown = 0
    for path in everywhere(words):
        page = browser.get(path)
        assert page.status_code == 200, path
        assert not re.search(r"<script(?! src=| type=\"module\" src=\"/static/)|<img", page.text), path
        assert not set(page.text) & set("\u202e\u202d\u2066\u2067\u200f\u200e\u061c"), path
        assert len(page.content) < 150 * 1024, (path, len(page.content))
        shown += words[:8] in page.text or "&lt;script&gt;" in page.text
    assert shown >= 5


def test_marks_that_turn_the_direction_are_shown_as_what_they_are():
    assert render.harmless(TURNED) == "approved\\u202edevorppa\\u2066 \\u200f\\u061c end"
    assert render.harmless("متن درست") == "متن درست"
    assert len(render.harmless("x" * 10_000)) < 2_100
    assert "10,000 characters" in render.harmless("x" * 10_000)


def test_a_search_for_anything_finds_an_answer(browse):
    browser = browse()
    for words in (*NAMES.values(), "' OR 1=1 --", "%", "\\", "💥" * 100):
        for field in ("q", "name", "domain", "teacher", "tag", "state"):
            answer = browser.http.get("/packets", params={field: words[:5000]})
            assert answer.status_code in (200, 422, 400), (field, words[:20])
            assert "<img" not in answer.text
    for path in ("/packets?q=%00", "/packets?cursor=99999999999999999999", "/jobs?cursor=x", "/log?before=-1",
                 "/log?old=1e9", "/log?old=999999999999999999", "/log?entry=zz", "/jobs/1", "/packets/sha256:1",
                 "/packets?name=%ff%fe", "/agents/%2e%2e",
                 "/packets?name=%00", "/jobs?kind=%00", "/channels?name=%00", "/log?root=%00&old=1"):  # fmt: skip
        assert browser.get(path).status_code < 500, path


def test_forms_with_anything_in_them_are_refused_in_words(browse, published):
    operator = browse("operator")
    for reason in ("", "x" * 513, "two\nlines", "nul \x00", "esc \x1b[31m"):
        answer = operator.post(f"/packets/{published}/review", {"decision": "approve", "reason": reason})
        assert answer.status_code in (400, 409), reason[:10]
        assert 'role="alert"' in answer.text
    raw = {"content": b"csrf=" + operator.csrf.encode() + b"&reason=%ff", "headers": {
        "Origin": "http://broker.test", "Content-Type": "application/x-www-form-urlencoded"}}  # fmt: skip
    assert operator.http.post(f"/packets/{published}/review", **raw).status_code == 400
    raw["headers"]["Content-Type"] = "multipart/form-data; boundary=x"
    assert operator.http.post("/sign-out", **raw).status_code == 415


def test_a_packet_that_was_revoked_meanwhile_is_not_decided_about(browse, client_of, keys, published):
    operator = browse("operator")
    client_of(keys.admin).revoke(published, "wrong")
    answer = operator.post(f"/packets/{published}/review", {"decision": "approve", "reason": "fine"})
    assert answer.status_code == 409
    assert "is revoked: it waits for no reviewer" in answer.text
    assert client_of(keys.admin).show(published)["state"] == "revoked"


def test_a_channel_that_somebody_else_moved_is_not_moved_again(browse, client_of, keys, published, run_scans):
    teacher = client_of(keys.teacher)
    teacher.publish(sign_packet(make_packet("acme/chains", "1.1.0"), keys.teacher))
    run_scans()
    teacher.move_channel("acme/chains", "stable", version="1.0.0", etag=None)
    operator = browse("operator")
    seen = re.search(r'name="etag" value="([^"]+)"', operator.get("/channels").text)[1].replace("&#34;", '"')
    form = {"name": "acme/chains", "channel": "stable", "version": "1.1.0", "etag": seen}
    assert operator.post("/channels", form).status_code == 303
    again = operator.post("/channels", {**form, "version": "1.0.0"})
    assert again.status_code == 412
    assert "has moved on, to 1.1.0" in again.text
    assert "operator-every@dashboard" in operator.get("/channels").text


# A log that no longer matches


@pytest.mark.parametrize("how", ["a tile", "the checkpoint", "a missing tile"])
def test_a_log_that_no_longer_matches_is_not_shown_as_verified(browse, session, published, how):
    viewer = browse()
    before = viewer.get("/log").text
    assert "Verified just now" in before
    assert "no longer matches" not in viewer.get("/").text
    session.execute(text("ALTER TABLE log_tiles DISABLE TRIGGER USER"))
    session.execute(text("ALTER TABLE log_checkpoints DISABLE TRIGGER USER"))
    forged = leaf_hash(b"forged")
    session.execute(
        {
            "a tile": text("UPDATE log_tiles SET hashes = :h || substr(hashes, 33) WHERE level = 0"),
            "the checkpoint": text("UPDATE log_checkpoints SET note = replace(note, 'm2kt.log', 'evil.log')"),
            "a missing tile": text("DELETE FROM log_tiles"),
        }[how],
        {"h": forged} if how == "a tile" else {},
    )
    session.commit()
    page = viewer.get("/log")
    assert page.status_code == 200
    assert "Verified just now" not in page.text
    assert "Not verified" in page.text
    assert "✓" not in page.text
    assert "no longer matches" in viewer.get("/").text
    assert "✓" not in viewer.get("/log?old=1").text


def test_the_log_page_proves_what_somebody_remembers(browse, published, session, client_of, keys):
    viewer = browse()
    root = re.search(r"<dt>root</dt><dd><code>([0-9a-f]{64})", viewer.get("/log").text)[1]
    size = re.search(r"<dt>entries</dt><dd>(\d+)", viewer.get("/log").text)[1]
    assert "begin with" in viewer.http.get("/log", params={"old": size, "root": root}).text
    wrong = viewer.http.get("/log", params={"old": size, "root": "0" * 64}).text
    assert "✗" in wrong
    assert "begin with" not in wrong


# Decisions


def test_what_is_decided_at_the_dashboard_is_signed_by_the_broker_and_names_who(
    browse, session, client_of, keys, settings
):
    packet = client_of(keys.teacher).publish(sign_packet(make_packet("acme/waits"), keys.teacher))["packet_id"]
    session.execute(text("ALTER TABLE packets DISABLE TRIGGER USER"))
    session.execute(text("UPDATE packets SET state = 'quarantined'"))
    session.commit()
    assert browse("viewer").post(f"/packets/{packet}/review", {"decision": "approve", "reason": "x"}).status_code == 403
    operator = browse("operator", name="olga")
    assert operator.post(f"/packets/{packet}/review", {"decision": "approve", "reason": "read it"}).status_code == 303
    found = client_of(keys.admin).show(packet)
    assert (found["state"], "olga" in found["reason"]) == ("approved", True)
    statements = [
        each for each in client_of(None).attestations(packet) if each["predicate_type"] == "urn:m2kt:review:v1"
    ]
    assert len(statements) == 1


def test_who_published_as_an_agent_does_not_review_under_the_same_name(browse, session, client_of, keys):
    packet = client_of(keys.teacher).publish(sign_packet(make_packet("acme/own"), keys.teacher))["packet_id"]
    session.execute(text("ALTER TABLE packets DISABLE TRIGGER USER"))
    session.execute(text("UPDATE packets SET state = 'quarantined'"))
    session.commit()
    answer = browse("operator", name="ada").post(f"/packets/{packet}/review", {"decision": "approve", "reason": "mine"})
    assert answer.status_code == 403
    assert "somebody else must review it" in answer.text


def test_an_agent_is_revoked_only_by_who_types_its_name(browse, session, keys):
    agents.register(session, keys.broker, "old", Role.TEACHER, generate().public_key())
    session.commit()
    admin = browse("admin")
    assert admin.post("/agents/old/revoke", {"name": "other"}).status_code == 400
    assert admin.post("/agents/old/revoke", {"name": "old"}).status_code == 303
    assert "revoked" in admin.get("/agents/old").text


def test_a_token_is_shown_once_and_can_be_withdrawn(browse, client_of):
    admin = browse("admin")
    page = admin.post("/enrolments", {"role": "teacher", "minutes": "5"}).text
    token = re.search(r"M2KT_TOKEN=(m2kt-enrol\.\S+)", page)[1]
    listed = admin.get("/keys").text
    assert token not in listed
    assert "admin-every@dashboard" in listed
    number = re.search(r"/enrolments/(\d+)/withdraw", listed)[1]
    assert admin.post(f"/enrolments/{number}/withdraw").status_code == 303
    new = generate()
    from m2kt.errors import TokenExpired

    with pytest.raises(TokenExpired):
        client_of(new).enrol(token, "late", new.public_key())
    for minutes in ("0", "-1", "x", "99999999999"):
        assert admin.post("/enrolments", {"role": "teacher", "minutes": minutes}).status_code == 400
