"""Exchanges of a project: for others there are none."""

import pytest

from broker.models import Role
from broker.services import agents, packets
from m2kt.client import Client
from m2kt.errors import ExchangeError, Forbidden, NotFound
from m2kt.signing.keys import TrustStore, generate
from tests.broker.conftest import URL
from tests.broker.peers import PLAN, TASK, TERMS, Peer, publish_all, show


@pytest.fixture
def member(session, keys, transport):
    """Registers an agent and gives its peer: ``member(name, role, project)``."""

    def made(name, role=Role.STUDENT, project="alpha"):
        key = generate()
        agents.register(session, keys.broker, name, role, key.public_key(), project=project)
        session.commit()
        return Peer(name, key, Client(URL, key, TrustStore([keys.broker.public_key(), key.public_key()]), transport))

    return made


@pytest.fixture
def alpha(member):
    """Two members of the project alpha and a worker of all, in an exchange of alpha's that has begun."""
    found = [member("ann"), member("bob", Role.TEACHER), member("wil", Role.WORKER, "*")]
    opened = found[0].client.open_exchange(TASK, PLAN, invited=[each.name for each in found], **TERMS)
    assert opened["project"] == "alpha"
    for seed, each in enumerate(found):
        found[seed] = Peer(each.name, each.key, each.client, opened["id"], seed)
    for each in found:
        each.join()
    return found


def test_an_exchange_and_its_packets_are_not_there_for_another_project(alpha, member, run_scans, client_of):
    publish_all(alpha, run_scans)
    exchange = alpha[0].exchange
    packet_id = next(each["packet_id"] for each in show(alpha)["current"]["turns"] if each["packet_id"])
    eve = member("eve", project="beta")
    eve.exchange = exchange
    for client in (eve.client, client_of(None)):
        assert list(client.exchanges()) == []
        with pytest.raises(NotFound):
            client.exchange(exchange)
        with pytest.raises(NotFound):
            client.exchange_round(exchange, 0)
    asked = (eve.join, eve.post, lambda: eve.client.exchange_masks(exchange, 0), lambda: eve.client.pull(packet_id))
    for ask in (*asked, lambda: eve.client.leave_exchange(exchange, "bored"), eve.report):
        with pytest.raises(NotFound):
            ask()
    assert [each["id"] for each in alpha[0].client.exchanges()] == [exchange]


def test_packets_of_a_turn_belong_to_the_exchanges_project_whoever_publishes_them(alpha, session, run_scans):
    publish_all(alpha, run_scans)
    turns = show(alpha)["current"]["turns"]
    published = [packets.get(session, each["packet_id"]) for each in turns if each["packet_id"]]
    assert {each.publisher for each in published} >= {"wil"}
    assert {each.project for each in published} == {"alpha"}
    assert show(alpha)["phase"] == "reports"


def test_nobody_of_another_project_is_invited_and_nobody_opens_one_there(member):
    ann, _ = member("ann"), member("eve", project="beta")
    with pytest.raises(ExchangeError, match="of the project alpha is registered as eve"):
        ann.client.open_exchange(TASK, PLAN, invited=["ann", "eve"], **TERMS)
    with pytest.raises(Forbidden, match="project alpha"):
        ann.client.open_exchange(TASK, PLAN, project="beta", **TERMS)


def test_who_is_at_home_everywhere_opens_an_exchange_where_it_says(client_of, keys, member):
    opened = client_of(keys.admin).open_exchange(TASK, PLAN, project="alpha", **TERMS)
    assert member("ann").client.exchange(opened["id"])["project"] == "alpha"


def test_a_yanked_packet_still_teaches_in_its_round(alpha, run_scans, client_of, keys):
    for each in alpha:
        each.post()
    published = [each.publish() for each in alpha if len(each.places())]
    run_scans()
    client_of(keys.admin).yank(published[0]["packet_id"], "better ones follow")
    turns = {each["packet_id"]: each for each in show(alpha)["current"]["turns"]}
    assert turns[published[0]["packet_id"]]["usable"]
    assert show(alpha)["phase"] == "reports"
