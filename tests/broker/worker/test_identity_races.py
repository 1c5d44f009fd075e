"""On rows that are really committed: what two replicas, or two hosts, do at the same time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from broker.db import transaction
from broker.errors import NonceUsed
from broker.models import Role
from broker.services import agents, enrolments, sessions
from broker.services.agents import Principal
from broker.services.callers import Callers
from broker.services.enrolments import Wanted
from broker.storage.driver import driver
from m2kt.errors import TokenUsed
from m2kt.signing.http import SignedRequest
from m2kt.signing.keys import generate, key_id


def test_a_token_that_several_keys_present_at_once_lets_in_one(live, keys):
    admin = Principal.of("root", Role.ADMIN, keys.admin.public_key())
    with transaction(live) as session:
        _, token = enrolments.make(session, admin, Role.TEACHER, "race", None, timedelta(minutes=1))

    def attempt(number):
        try:
            with transaction(live) as session:
                wanted, key = Wanted(f"race-{number}"), generate().public_key()
                return enrolments.enrol(session, keys.broker, token, wanted, key)[0].name
        except TokenUsed:
            return None

    with ThreadPoolExecutor(4) as pool:
        assert len([each for each in pool.map(attempt, range(8)) if each]) == 1


@pytest.fixture
def ada(live, keys):
    with transaction(live) as session:
        row, _ = agents.register(session, keys.broker, "ada", Role.TEACHER, keys.teacher.public_key())
        return Principal(
            "ada", Role.TEACHER, key_id(keys.teacher.public_key()), keys.teacher.public_key(), agent_id=row.id
        )


def test_of_sessions_that_open_at_once_one_is_open_and_each_has_an_epoch_of_its_own(live, ada):
    def start(number):
        with transaction(live) as session:
            return sessions.open_(session, ada, f"session-{number}", None).session.epoch

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(start, range(8))) == list(range(1, 9))
    with transaction(live) as session:
        assert sessions.present(session, [ada.agent_id])[ada.agent_id].epoch == 8


def test_a_nonce_that_two_replicas_see_at_once_is_used_by_one(live, ada):
    replicas = [Callers({}, 10), Callers({}, 10)]

    def come(number):
        callers, request = replicas[number % 2], SignedRequest(ada.key_id, f"nonce-{number // 2:020}", 0, b"")
        try:
            with transaction(live) as session:
                callers.key(driver(session), ada.key_id)
                row = callers.burn(driver(session), request)
            return callers.judge(row, request, alone=False).name
        except NonceUsed:
            return None

    with ThreadPoolExecutor(4) as pool:
        assert sum(each == "ada" for each in pool.map(come, range(40))) == 20
