"""Agents and an exchange of three of them, for the tests of exchanges."""

import pytest

from broker.models import Role
from broker.services import agents
from m2kt.client import Client
from m2kt.signing.keys import TrustStore, generate
from tests.broker.conftest import URL
from tests.broker.peers import NAMES, PLAN, TASK, TERMS, Peer, publish_all, show

ROLES = (Role.TEACHER, Role.STUDENT, Role.WORKER)


@pytest.fixture
def everybody(session, keys, transport):
    """Three registered agents of different roles, who trust each other."""
    secrets = {name: generate() for name in (*NAMES, "dan")}
    for name, role in zip((*NAMES, "dan"), (*ROLES, Role.STUDENT), strict=True):
        agents.register(session, keys.broker, name, role, secrets[name].public_key())
    session.commit()
    trust = TrustStore([keys.broker.public_key(), *(each.public_key() for each in secrets.values())])
    return {
        name: Peer(name, key, Client(URL, key, trust, transport), seed=number)
        for number, (name, key) in enumerate(secrets.items())
    }


@pytest.fixture
def opened(everybody, client_of, keys):
    """An exchange of ann, bob and cyd that nobody has joined."""
    found = client_of(keys.admin).open_exchange(TASK, PLAN, invited=list(NAMES), **TERMS)
    for each in everybody.values():
        each.exchange = found["id"]
    return found


@pytest.fixture
def peers(everybody, opened):
    """All have joined."""
    for name in NAMES:
        everybody[name].join()
    return [everybody[name] for name in NAMES]


@pytest.fixture
def learning(peers, run_scans):
    """All have posted and published, and the scans are done: the round is at its reports."""
    publish_all(peers, run_scans)
    assert show(peers)["phase"] == "reports"
    return peers
