"""Registration over HTTP."""

import pytest

from m2kt.errors import Conflict, Forbidden, NotFound
from m2kt.signing.keys import generate, key_id


def test_an_administrator_registers_agents_and_repeating_changes_nothing(client_of, keys):
    admin, key = client_of(keys.admin), generate().public_key()
    told = admin.register_agent("ada", "teacher", key)
    assert (told["name"], told["role"], told["key_id"]) == ("ada", "teacher", key_id(key))
    assert admin.register_agent("ada", "teacher", key) == told
    assert [each["name"] for each in admin.agents()] == ["ada"]


def test_a_name_or_a_key_is_taken_once(client_of, keys):
    admin, key = client_of(keys.admin), generate().public_key()
    admin.register_agent("ada", "teacher", key)
    for name, role, other in (
        ("ada", "student", key),
        ("ada", "teacher", generate().public_key()),
        ("eve", "teacher", key),
    ):
        with pytest.raises(Conflict):
            admin.register_agent(name, role, other)


def test_a_revoked_agent_stays_in_the_list_and_cannot_be_registered_again(client_of, keys):
    admin, key = client_of(keys.admin), generate().public_key()
    admin.register_agent("ada", "teacher", key)
    at = admin.revoke_agent("ada")["revoked_at"]
    assert at is not None
    assert admin.revoke_agent("ada")["revoked_at"] == at
    assert next(admin.agents())["revoked_at"] == at
    with pytest.raises(Conflict):
        admin.register_agent("ada", "teacher", key)
    with pytest.raises(NotFound):
        admin.revoke_agent("nobody")


@pytest.mark.usefixtures("enrolled")
def test_only_administrators_register_and_revoke(client_of, keys):
    for key in (keys.teacher, keys.student):
        with pytest.raises(Forbidden):
            client_of(key).register_agent("eve", "admin", generate().public_key())
        with pytest.raises(Forbidden):
            client_of(key).revoke_agent("ada")


def test_a_registered_administrator_administers(client_of, keys):
    deputy = generate()
    client_of(keys.admin).register_agent("deputy", "admin", deputy.public_key())
    assert client_of(deputy).register_agent("ada", "teacher", generate().public_key())["name"] == "ada"
