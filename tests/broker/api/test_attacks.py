"""A share of ``bench.auth`` without a network: two brokers on one database, and what they must refuse."""

import random

import httpx
import pytest

from bench.attacks import UNSIGNED, Cast, Holder, attacks, honest
from bench.matrix import answer_of
from broker.main import create_app
from m2kt.agent.session import open_session
from m2kt.signing.keys import generate
from tests.broker.conftest import URL, AppTransport


@pytest.fixture
def cast(client_of, keys):
    admin, made = client_of(keys.admin), {name: generate() for name in ("running", "alone", "revoked")}
    for name, key in made.items():
        admin.register_agent(name, "worker", key.public_key())
    sessions = [open_session(client_of(made[name])).id for name in ("running", "running", "revoked")]
    admin.revoke_agent("revoked")
    return Cast(
        URL,
        running=Holder(made["running"], sessions[1]),
        alone=Holder(made["alone"]),
        fenced=Holder(made["running"], sessions[0]),
        revoked=Holder(made["revoked"], sessions[2]),
    )


@pytest.fixture
def replicas(transport, settings, sessions, portal):
    other = AppTransport(create_app(settings, sessions=sessions), portal)

    def sender(broker):
        def send(wire):
            request = httpx.Request(wire.method, URL + wire.path, headers=list(wire.headers), content=wire.body)
            answer = broker.handle_request(request)
            return answer_of(answer.status_code, answer.text)

        return send

    return [sender(transport), sender(other)]


def test_every_attack_is_refused_with_its_code_by_each_replica(cast, replicas):
    dice = random.Random(5)
    for send in replicas * 2:
        for name, (wire, codes) in attacks(cast, dice):
            answer = send(wire)
            assert answer.code in codes, (name, answer)


def test_honest_requests_are_taken_once_by_whichever_replica(cast, replicas):
    dice = random.Random(6)
    for _ in range(20):
        wire, order = honest(cast, dice), dice.sample(replicas, 2)
        assert order[0](wire).status < 300
        assert [send(wire).code for send in (*order, *order)] == [*UNSIGNED] * 4
