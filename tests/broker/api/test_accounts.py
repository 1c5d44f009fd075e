"""Accounts of people, over the API."""

import pytest

from broker.models import Role
from broker.services import agents
from m2kt.errors import Conflict, Forbidden, NotFound
from m2kt.signing.keys import generate


@pytest.fixture
def root(client_of, keys):
    return client_of(keys.admin)


@pytest.fixture
def alpha(client_of, session, keys):
    """An administrator of one project."""
    key = generate()
    agents.register(session, keys.broker, "alpha-root", Role.ADMIN, key.public_key(), project="alpha")
    session.commit()
    return client_of(key)


def test_an_account_is_made_with_a_password_that_is_told_once(root):
    made = root.make_account("carol", "operator")
    assert len(made["password"]) >= 16
    assert (made["project"], made["must_change"], made["made_by"]) == ("*", True, "root")
    listed = list(root.accounts())
    assert [each["name"] for each in listed] == ["carol"]
    assert "password" not in listed[0]


def test_a_name_is_taken_once_also_after_its_account_was_disabled(root):
    root.make_account("carol", "viewer")
    assert root.disable_account("carol")["disabled"] == root.disable_account("carol")["disabled"]
    with pytest.raises(Conflict, match="there is an account carol already"):
        root.make_account("carol", "admin")


def test_a_reset_gives_another_password(root):
    first = root.make_account("carol", "viewer", password="a password that was typed")["password"]  # noqa: S106
    assert first == "a password that was typed"
    again = root.reset_account("carol")
    assert again["password"] != first
    assert again["must_change"]


def test_administrators_of_a_project_make_and_see_its_accounts_only(root, alpha):
    root.make_account("wide", "viewer")
    assert alpha.make_account("narrow", "admin")["project"] == "alpha"
    assert [each["name"] for each in alpha.accounts()] == ["narrow"]
    with pytest.raises(Forbidden, match="you belong to the project alpha"):
        alpha.make_account("other", "viewer", project="beta")
    with pytest.raises(Forbidden, match="you belong to the project alpha"):
        alpha.make_account("other", "viewer", project="*")
    for change in (alpha.reset_account, alpha.disable_account):
        with pytest.raises(NotFound, match="there is no account wide"):
            change("wide")


@pytest.mark.parametrize("password", ["short", "x" * 257, "with\ttab inside it"])
def test_first_passwords_that_are_none_are_refused(root, password):
    from m2kt.errors import M2KTError

    with pytest.raises(M2KTError) as refused:
        root.make_account("carol", "viewer", password=password)
    assert refused.value.status == 422 or refused.value.code == "usage"
    assert list(root.accounts()) == []
