"""Signing in, staying so, and what happens to a form when it had ended."""

import re

import pytest
from sqlalchemy import text

from broker.models import PersonRole, Role
from broker.services import accounts
from broker.services.agents import Principal
from tests.broker.conftest import URL
from tests.broker.dashboard.conftest import CHOSEN

ORIGIN = {"Origin": URL}


@pytest.fixture
def carol(session, keys):
    root = Principal.of("root", Role.ADMIN, keys.admin.public_key())
    account, told = accounts.add(session, "carol", PersonRole.OPERATOR, by=root)
    session.commit()
    return account, told


def sign_in(http, name, password, **fields):
    return http.post("/sign-in", data={"name": name, "password": password, **fields}, headers=ORIGIN)


def csrf(page):
    return re.search(r'name="csrf" value="([0-9a-f]{64})"', page)[1]


def test_a_one_time_password_lets_in_once_and_is_changed_first(http, carol):
    assert sign_in(http, "carol", "wrong").status_code == 401
    answer = sign_in(http, "carol", carol[1], next="/jobs?state=dead")
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs?state=dead")
    held = answer.headers["set-cookie"].lower()
    assert "httponly" in held
    assert "samesite=strict" in held
    assert http.get("/jobs").headers["location"] == "/account"
    form = {"csrf": csrf(http.get("/account").text), "old": carol[1], "new": CHOSEN, "again": CHOSEN}
    assert http.post("/account", data={**form, "again": "another one again"}, headers=ORIGIN).status_code == 422
    assert http.post("/account", data={**form, "new": "short", "again": "short"}, headers=ORIGIN).status_code == 422
    assert http.post("/account", data={**form, "old": "not this one"}, headers=ORIGIN).status_code == 422
    assert http.post("/account", data=form, headers=ORIGIN).status_code == 303
    assert http.get("/jobs").status_code == 200
    assert sign_in(http, "carol", carol[1]).status_code == 401


def test_the_cookie_is_bound_to_the_host_where_the_address_is_https(settings, sessions, portal, session, carol):
    import httpx

    from broker.main import create_app
    from tests.broker.conftest import AppTransport

    app = create_app(settings.model_copy(update={"public_url": "https://broker.example"}), sessions=sessions)
    with httpx.Client(base_url="https://broker.example", transport=AppTransport(app, portal)) as http:
        answer = http.post(
            "/sign-in",
            data={"name": "carol", "password": carol[1]},
            headers={"Origin": "https://broker.example"},
        )
    assert answer.headers["set-cookie"].startswith("__Host-m2kt=")
    assert "secure" in answer.headers["set-cookie"].lower()


def test_passwords_and_cookies_are_nowhere_in_the_database(http, session, carol):
    sign_in(http, "carol", carol[1])
    rows = session.execute(text("SELECT a::text || s::text FROM accounts a, sign_ins s")).scalars().all()
    assert rows
    for row in rows:
        assert carol[1] not in row
        assert http.cookies["m2kt"] not in row


def test_tries_are_counted_also_those_for_accounts_that_are_not_there(http, carol):
    assert [sign_in(http, "nobody", "x").status_code for _ in range(7)] == [401] * 6 + [429]
    assert sign_in(http, "carol", carol[1]).status_code == 303


def test_a_sign_in_ends_by_the_clock_and_by_leaving(browse, session):
    one = browse("viewer")
    assert one.get("/").status_code == 200
    session.execute(text("UPDATE sign_ins SET seen = seen - interval '61 minutes'"))
    session.commit()
    assert one.get("/").status_code == 303
    session.execute(text("UPDATE sign_ins SET seen = clock_timestamp(), expires = clock_timestamp()"))
    session.commit()
    assert one.get("/").status_code == 303
    other = browse("viewer", name="other")
    assert other.post("/sign-out").headers["location"] == "/sign-in"
    other.http.cookies.set("m2kt", other.token)
    assert other.get("/").status_code == 303


def test_a_disabled_account_is_out_at_once(browse, client_of, keys):
    one = browse("viewer", name="eve")
    assert one.get("/").status_code == 200
    client_of(keys.admin).disable_account("eve")
    assert one.get("/").status_code == 303


def test_forms_of_other_sites_and_without_their_token_change_nothing(browse, session):
    one = browse("operator")
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": URL},
    ):
        answer = one.http.post("/sign-out", data={"csrf": one.csrf}, headers=headers)
        assert answer.status_code == 403, headers
    assert one.http.post("/sign-out", data={"csrf": one.csrf}).status_code == 403
    assert one.http.post("/sign-out", data={"csrf": "0" * 64}, headers=ORIGIN).status_code == 401
    assert one.http.post("/sign-out", data={}, headers=ORIGIN).status_code == 401
    assert one.get("/").status_code == 200


def test_a_sign_in_never_leads_to_another_site(http, carol):
    for address in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        assert sign_in(http, "carol", carol[1], next=address).headers["location"] == "/"


def test_what_was_typed_survives_a_sign_in_that_ended_mid_form(browse, http, session):
    reason = 'the norms of "layer 3" look <wrong>\u202e & worse'
    path = f"/packets/sha256:{'a' * 64}/review"
    one = browse("operator", name="olga")
    session.execute(text("UPDATE sign_ins SET expires = clock_timestamp()"))
    session.commit()
    answer = one.post(path, {"decision": "reject", "reason": reason})
    assert answer.status_code == 401
    assert "Your sign-in had ended" in answer.text
    kept = dict(re.findall(r'name="(kept-\w+|path|next)" value="([^"]*)"', answer.text))
    assert set(kept) == {"kept-decision", "kept-reason", "path", "next"}
    from html import unescape

    fields = {name: unescape(value) for name, value in kept.items()}
    wrong = sign_in(http, "olga", "not hers", **fields)
    assert wrong.status_code == 401
    assert kept["kept-reason"] in wrong.text
    again = sign_in(http, "olga", CHOSEN, **fields)
    assert again.status_code == 200
    assert f'action="{path}"' in again.text
    assert "<wrong>" not in again.text
    assert "&lt;wrong&gt;" in again.text
    sent = {"csrf": csrf(again.text), "decision": "reject", "reason": "as typed"}
    assert http.post(path, data=sent, headers=ORIGIN).status_code == 404  # there is no such packet; the form counted


def test_scripts_that_ask_for_a_part_are_told_and_lose_nothing(http):
    answer = http.get("/jobs", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.text) == (401, "")


def test_an_open_dashboard_shows_public_projects_and_takes_no_form(settings, sessions, portal, session, carol):
    import httpx

    from broker.main import create_app
    from tests.broker.conftest import AppTransport

    app = create_app(settings.model_copy(update={"dashboard_open": True}), sessions=sessions)
    with httpx.Client(base_url=URL, transport=AppTransport(app, portal)) as http:
        page = http.get("/packets")
        assert page.status_code == 200
        assert "Sign in" in page.text
        assert http.get("/accounts").status_code == 303
        assert http.post("/channels", data={}, headers=ORIGIN).status_code == 401
