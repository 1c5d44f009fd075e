"""Projects, sessions and seals hold for uploads, searches, nearest concepts and rates."""

import json
from hashlib import sha256

import numpy as np
import pytest
from sqlalchemy import select, text

from broker.models import Packet, RateLimit, Role
from broker.services import agents, concepts
from m2kt.errors import Forbidden, KeyNotValid, NotFound
from m2kt.packet import PacketKind
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate
from tests.broker.conftest import make_packet

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def member(session, keys, client_of):
    """A client of a new agent of a project, and its key."""

    def make(role, project):
        key = generate()
        agents.register(session, keys.broker, f"{role}-{project}", Role(role), key.public_key(), project=project)
        session.commit()
        return client_of(key), key

    return make


def taught(client, key, name):
    tensors = {concepts.CENTROIDS: np.eye(2, 8, dtype=np.float32)}
    return client.publish(sign_packet(make_packet(name, kind=PacketKind.AGGREGATE, tensors=tensors), key))["packet_id"]


def test_searches_lead_to_nothing_of_another_project(member, client_of):
    alpha, key = member("teacher", "alpha")
    beta, _ = member("teacher", "beta")
    packet_id = taught(alpha, key, "alpha/chains")
    alpha.tag(packet_id, "gold")
    asked = ({"q": "chains"}, {"tag": "gold"}, {"name": "alpha/chains"}, {})
    for each in asked:
        assert [found["packet_id"] for found in alpha.list(**each)] == [packet_id]
        assert list(beta.list(**each)) == list(client_of(None).list(**each)) == []
    for call in (beta.tag, beta.untag):
        with pytest.raises(NotFound):
            call(packet_id, "mine")


def test_what_was_yanked_is_searched_when_it_is_asked_for(member, run_scans):
    alpha, key = member("teacher", "alpha")
    packet_id = alpha.publish(sign_packet(make_packet("alpha/chains"), key))["packet_id"]
    run_scans()
    alpha.yank(packet_id, "better is coming")
    assert list(alpha.list(q="chains")) == []
    for each in ({"yanked": True}, {"state": "yanked"}):
        assert [found["packet_id"] for found in alpha.list(q="chains", **each)] == [packet_id]


@pytest.mark.parametrize("exact", [True, False])
def test_nearest_concepts_are_those_of_the_callers_projects(exact, member, client_of, keys, session, desk, monkeypatch):
    if not exact:
        monkeypatch.setattr(concepts, "EXACT_VECTORS", 0)
    alpha, key = member("teacher", "alpha")
    beta, other = member("teacher", "beta")
    asked, near, far = (
        taught(alpha, key, "alpha/one"),
        taught(alpha, key, "alpha/two"),
        taught(beta, other, "beta/three"),
    )
    session.execute(text("UPDATE packets SET state = 'approved'"))
    session.commit()
    concepts.index_some(session, desk.store)
    assert {each["packet_id"] for each in alpha.nearest(asked, 0)["items"]} == {near}
    assert {each["packet_id"] for each in client_of(keys.admin).nearest(asked, 0)["items"]} == {near, far}
    with pytest.raises(NotFound):
        beta.nearest(asked, 0)


def test_an_upload_belongs_where_its_publisher_is_at_home_or_says(member, keys, sign, session):
    _, key = member("teacher", "alpha")
    data = sign_packet(make_packet("gamma/chains"), keys.admin)
    order = json.dumps({"digest": f"sha256:{sha256(data).hexdigest()}", "length": len(data)}).encode()
    path = sign(keys.admin, "POST", "/v1/uploads", order, JSON).headers["Location"]
    part = {"Content-Type": "application/partial-upload", "Upload-Offset": "0"}
    assert sign(keys.admin, "PATCH", path, data, part).status_code == 200
    assert sign(key, "GET", path).status_code == 404
    assert sign(keys.admin, "POST", f"{path}/complete?project=gamma").json()["project"] == "gamma"
    assert session.scalars(select(Packet.project)).all() == ["gamma"]


def test_nobody_publishes_parts_into_another_project(member, monkeypatch):
    from m2kt.client import uploads as sending

    alpha, key = member("teacher", "alpha")
    data = sign_packet(make_packet("alpha/chains"), key)
    with pytest.raises(Forbidden):
        sending.publish(alpha._transport, data, "beta", at_once=0)
    assert sending.publish(alpha._transport, data, "alpha", at_once=0)["project"] == "alpha"


def test_a_key_that_counts_no_more_spends_nothing_of_its_agents_allowance(member, session, keys):
    alpha, _ = member("teacher", "alpha")
    agents.revoke(session, keys.broker, "teacher-alpha")
    session.commit()
    with pytest.raises(KeyNotValid):
        alpha.submit_job("noop", {})
    assert session.scalars(select(RateLimit.caller)).all() == []
