"""Enrolment: a one-use token, a key made on the agent's host."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from broker.models import Enrolment
from m2kt.agent.enrolment import enrol
from m2kt.errors import (
    Conflict,
    Forbidden,
    KeyFileError,
    NotFound,
    RequestUnsigned,
    TokenExpired,
    TokenRefused,
    TokenScope,
    TokenUsed,
    UsageError,
)
from m2kt.signing.keys import generate, key_id, load_private
from tests.broker.conftest import URL


@pytest.fixture
def come(transport, tmp_path):
    """Enrol from a host that has no key yet, or the one in a file of this name."""

    def call(token, name="gpu-1", file="agent.key", **said):
        return enrol(URL, token, name, tmp_path / file, transport=transport, **said)

    return call


@pytest.fixture
def token_of(client_of, keys):
    return lambda role="teacher", **terms: client_of(keys.admin).make_token(role, **terms)["token"]


def test_a_token_lets_in_one_key_that_was_made_on_the_host(come, token_of, tmp_path, client_of, keys):
    found = come(token_of("student"))
    key = load_private(tmp_path / "agent.key")
    assert (found.name, found.role, found.project) == ("gpu-1", "student", "default")
    assert found.key_id == key_id(key.public_key())
    assert (tmp_path / "agent.key").stat().st_mode & 0o777 == 0o600
    assert client_of(key).submit_job("noop", {})["submitter"] == "gpu-1"
    told = next(iter(client_of(keys.admin).tokens()))
    assert (told["key_id"], told["made_by"]) == (found.key_id, "root")
    assert "token" not in told


def test_only_the_digest_of_a_token_is_stored(token_of, session):
    token = token_of()
    row = session.scalars(select(Enrolment)).one()
    assert token not in str(vars(row))


def test_the_same_key_may_enrol_again_after_a_lost_answer(come, token_of, session):
    token = token_of()
    assert come(token) == come(token)
    session.execute(update(Enrolment).values(expires=func.now() - timedelta(hours=1)))
    session.commit()
    assert come(token).name == "gpu-1"


def test_a_used_token_is_refused_to_another_key_and_to_another_name(come, token_of):
    token = token_of()
    come(token)
    for file, name in (("other.key", "gpu-1"), ("other.key", "gpu-2"), ("agent.key", "gpu-2")):
        with pytest.raises(TokenUsed):
            come(token, name, file)


def test_an_expired_token_is_refused(come, token_of, session, client_of, keys):
    token = token_of()
    session.execute(update(Enrolment).values(expires=func.now()))
    session.commit()
    with pytest.raises(TokenExpired):
        come(token)
    assert list(client_of(keys.admin).agents()) == []


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"role": "teacher"}, {"role": "student"}),
        ({"role": "teacher", "project": "alpha"}, {"project": "beta"}),
        ({"role": "teacher", "name_pattern": "cpu-*"}, {}),
    ],
)
def test_a_token_of_another_role_project_or_name_is_refused(terms, said, come, token_of):
    token = token_of(**terms)
    with pytest.raises(TokenScope):
        come(token, **said)
    assert {each.code for each in (TokenExpired, TokenUsed, TokenScope)} == {
        "token-expired",
        "token-used",
        "token-scope",
    }


def test_an_unknown_token_is_refused(come):
    with pytest.raises(TokenRefused) as caught:
        come("m2kt-enrol.never-made")
    assert caught.value.code == "token-unknown"


def test_a_token_is_not_spent_by_an_enrolment_that_fails(come, token_of, client_of, keys):
    client_of(keys.admin).register_agent("gpu-1", "teacher", generate().public_key())
    token = token_of()
    with pytest.raises(Conflict):
        come(token)
    assert come(token, "gpu-2").name == "gpu-2"


def test_nobody_enrols_a_key_that_did_not_sign(token_of, client_of, keys):
    with pytest.raises(RequestUnsigned):
        client_of(keys.stranger).enrol(token_of(), "gpu-1", generate().public_key())


def test_a_key_file_that_others_can_read_is_refused_and_the_token_kept(come, token_of, tmp_path):
    token = token_of()
    come(token_of())
    (tmp_path / "agent.key").chmod(0o644)
    with pytest.raises(KeyFileError):
        come(token)


def test_a_withdrawn_token_lets_nobody_in(come, client_of, keys):
    admin = client_of(keys.admin)
    made = admin.make_token("teacher")
    admin.withdraw_token(made["id"])
    with pytest.raises(TokenExpired):
        come(made["token"])
    used = admin.make_token("teacher")
    come(used["token"])
    with pytest.raises(Conflict):
        admin.withdraw_token(used["id"])
    with pytest.raises(NotFound):
        admin.withdraw_token(10**9)


def test_the_tokens_of_a_revoked_administrator_end(come, client_of, keys):
    deputy = generate()
    client_of(keys.admin).register_agent("deputy", "admin", deputy.public_key())
    token = client_of(deputy).make_token("admin")["token"]
    client_of(keys.admin).revoke_agent("deputy")
    with pytest.raises(TokenExpired):
        come(token)


def test_an_administrator_of_one_project_lets_nobody_into_another(come, client_of, keys):
    deputy = generate()
    client_of(keys.admin).register_agent("deputy", "admin", deputy.public_key(), "alpha")
    own = client_of(deputy)
    assert come(own.make_token("admin")["token"]).project == "alpha"
    for project in ("beta", "default", "*"):
        with pytest.raises(Forbidden):
            own.make_token("teacher", project=project)
        with pytest.raises(Forbidden):
            own.register_agent("eve", "teacher", generate().public_key(), project)
    with pytest.raises(UsageError):
        client_of(keys.admin).make_token("teacher", project="*")


@pytest.mark.usefixtures("enrolled")
def test_only_administrators_make_tokens(client_of, keys):
    with pytest.raises(Forbidden):
        client_of(keys.teacher).make_token("admin")
