"""Projects: what is of another one is not there. test_matrix.py tries paths; this is about bodies and lists."""

import base64
import json

import pytest

from bench.forge import base
from broker.main import create_app
from broker.models import Role
from broker.services import agents
from m2kt.client import OUTCOME, Client
from m2kt.errors import Conflict, Forbidden, NotFound, ParentRefused, SignatureError, UnknownKey
from m2kt.packet import PacketId
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate
from m2kt.signing.statement import attest
from tests.broker.conftest import URL, AppTransport, make_packet

ALIGN = {"model": "/models/s"}


@pytest.fixture
def member(session, keys, client_of):
    """A client of a new agent of a project."""

    def make(role, project, name=None):
        key, name = generate(), name or f"{role}-{project}"
        agents.register(session, keys.broker, name, Role(role), key.public_key(), project=project)
        session.commit()
        return client_of(key), key

    return make


def packet(key, name="alpha/chains", version="1.0.0"):
    return sign_packet(make_packet(name, version), key)


def test_what_an_agent_makes_is_its_projects_and_lists_show_it_to_its_members_only(member, client_of, keys):
    alpha, key = member("teacher", "alpha")
    beta, _ = member("student", "beta")
    told = alpha.publish(packet(key))
    job = alpha.submit_job("noop", {})
    assert (told["project"], job["project"]) == ("alpha", "alpha")
    for outsider in (beta, client_of(None)):
        assert list(outsider.list()) == list(outsider.jobs()) == []
        assert "teacher-alpha" not in {each["name"] for each in outsider.agents()}
        with pytest.raises(NotFound):
            outsider.versions("alpha/chains")
    assert [each["packet_id"] for each in alpha.list()] == [told["packet_id"]]
    assert job["id"] in {each["id"] for each in alpha.jobs()}
    assert [each["packet_id"] for each in client_of(keys.admin).list()] == [told["packet_id"]]


def test_what_is_hidden_and_what_is_not_there_are_told_apart_by_nobody(member):
    alpha, key = member("teacher", "alpha")
    beta, _ = member("admin", "beta")
    told = alpha.publish(packet(key))
    missing = f"sha256:{'0' * 64}"
    for call in (beta.show, lambda name: beta.revoke(name, "no")):
        said = []
        for name in (told["packet_id"], missing):
            with pytest.raises(NotFound) as caught:
                call(name)
            said.append((caught.value.detail.replace(name, "X"), caught.value.hint))
        assert said[0] == said[1]


def test_a_job_names_nothing_of_another_project(member, run_scans):
    alpha, key = member("teacher", "alpha")
    beta, _ = member("student", "beta")
    told, job = alpha.publish(packet(key)), alpha.submit_job("noop", {})
    run_scans()
    with pytest.raises(NotFound):
        beta.submit_job("align", {**ALIGN, "packet_id": told["packet_id"]})
    with pytest.raises(NotFound):
        beta.submit_job("noop", {}, needs=[job["id"]])
    with pytest.raises(Forbidden):
        beta.submit_job("noop", {}, project="alpha")


def test_a_lease_offers_the_jobs_of_ones_own_project_only(member):
    alpha, _ = member("teacher", "alpha")
    beta, _ = member("worker", "beta")
    every, _ = member("worker", "*", "worker-every")
    job = alpha.submit_job("noop", {})
    assert beta.lease_job("session-beta", ["noop"]) is None
    assert every.lease_job("session-every", ["noop"])["job"] == job["id"]


def test_a_name_stays_with_the_project_that_used_it_first(member):
    alpha, key = member("teacher", "alpha")
    beta, other = member("teacher", "beta")
    told = alpha.publish(packet(key))
    with pytest.raises(Conflict) as caught:
        beta.publish(packet(other, version="2.0.0"))
    assert "alpha" not in caught.value.detail.replace("alpha/chains", "")
    assert told["packet_id"] not in caught.value.detail


def test_the_very_packet_of_another_project_gains_no_signature_there(member, client_of, keys):
    alpha, key = member("teacher", "alpha")
    beta, other = member("teacher", "beta")
    told = alpha.publish(base(key).but("name", "alpha/chains").but("version", "1.0.0").to_bytes())
    both = base(key, other).but("name", "alpha/chains").but("version", "1.0.0").to_bytes()
    with pytest.raises(Conflict):
        beta.publish(both)
    assert len(alpha.show(told["packet_id"])["signatures"]) == 1


def test_signatures_and_outcomes_count_from_agents_at_home_there(member, run_scans):
    alpha, key = member("teacher", "alpha")
    _, stranger = member("teacher", "beta")
    worker, _ = member("worker", "*", "worker-every")
    _, student = member("student", "beta")
    with pytest.raises((UnknownKey, SignatureError)):
        alpha.publish(packet(stranger))
    told = alpha.publish(packet(key))["packet_id"]
    run_scans()
    with pytest.raises((UnknownKey, SignatureError)):
        worker.report_outcome(attest(PacketId(told), OUTCOME, {"decision": "accepted"}, student))


def test_who_is_at_home_everywhere_names_the_project(member, client_of, keys):
    every, key = member("worker", "*", "worker-every")
    assert every.publish(packet(key), project="alpha")["project"] == "alpha"
    assert every.publish(packet(key, "free/name"))["project"] == "default"
    assert client_of(keys.admin).submit_job("noop", {}, project="alpha")["project"] == "alpha"


def test_agents_say_their_project_in_a_logged_statement(member, client_of):
    alpha, _ = member("teacher", "alpha")
    said = [json.loads(base64.b64decode(each["envelope"])) for each in alpha.key_statements()]
    told = json.loads(base64.b64decode(said[-1]["payload"]))["predicate"]
    assert (told["name"], told["project"]) == ("teacher-alpha", "alpha")
    assert list(client_of(None).key_statements()) == []


@pytest.mark.usefixtures("enrolled")
def test_a_broker_without_public_projects_shows_metadata_to_members_only(settings, sessions, portal, keys, signed):
    closed = settings.model_copy(update={"public_projects": ()})
    transport = AppTransport(create_app(closed, sessions=sessions), portal)
    teacher, nobody = (Client(URL, key, transport=transport) for key in (keys.teacher, None))
    told = teacher.publish(signed)["packet_id"]
    assert [each["packet_id"] for each in teacher.list()] == [told]
    assert list(nobody.list()) == list(nobody.agents()) == []
    for call in (nobody.show, lambda name: list(nobody.attestations(name))):
        with pytest.raises(NotFound):
            call(told)
    assert nobody.broker()["log_origin"]


def test_the_pages_show_nothing_to_whoever_is_not_signed_in(member, http):
    alpha, key = member("teacher", "alpha")
    told = alpha.publish(packet(key))["packet_id"]
    for path in ("/", "/packets", f"/packets/{told}"):
        assert http.get(path).headers["Location"].startswith("/sign-in")


@pytest.mark.usefixtures("enrolled")
def test_things_in_paths_that_are_no_names_are_refused_as_before(http):
    for path in ("/v1/packets/%00", "/v1/jobs/x", "/v1/agents/%00/revoke", "/v1/names/%00/versions"):
        assert http.get(path).status_code in (404, 405, 422)


@pytest.fixture
def kin(member, client_of, keys, run_scans):
    """A packet of alpha and one of beta that was made of it, a channel, and a student of each that has its own."""
    (alpha, key), every = member("teacher", "alpha"), client_of(keys.admin)
    root = alpha.publish(packet(key))["packet_id"]
    made = sign_packet(make_packet("beta/child", parents=[root]), keys.admin)
    child = every.publish(made, project="beta")["packet_id"]
    run_scans()
    alpha.move_channel("alpha/chains", "stable", packet_id=root, etag=None)
    for project, each in (("alpha", root), ("beta", child)):
        student, key = member("student", project)
        student.report_outcome(attest(PacketId(each), OUTCOME, {"decision": "accepted"}, key))
    return root, child


def test_lineage_ends_where_a_project_does(kin, member, client_of, keys):
    root, child = kin
    alpha, beta, every = member("auditor", "alpha")[0], member("auditor", "beta")[0], client_of(keys.admin)
    assert [each["packet_id"] for each in every.lineage(child)] == [root]
    assert every.parents(child) == [root]
    assert [each["packet_id"] for each in every.lineage(root, "descendants")] == [child]
    assert list(beta.lineage(child)) == list(beta.parents(child)) == list(alpha.lineage(root, "descendants")) == []
    for call in (beta.lineage, beta.recall_list):
        with pytest.raises(NotFound):
            list(call(root))
    with pytest.raises(NotFound):
        beta.outcomes(root)


def test_a_packet_has_no_parents_that_its_publisher_does_not_see(kin, member):
    beta, key = member("teacher", "beta")
    with pytest.raises(ParentRefused, match="not known"):
        beta.publish(sign_packet(make_packet("beta/other", parents=[kin[0]]), key))


def test_the_feed_and_the_channels_tell_members_only(kin, member, client_of, keys):
    root, child = kin
    alpha, beta, every = member("auditor", "alpha")[0], member("auditor", "beta")[0], client_of(keys.admin)

    def told(client):
        return {each["packet_id"] for each in client.feed(0)["items"]}

    assert (told(alpha), told(beta), told(every), told(client_of(None))) == ({root}, {child}, {root, child}, set())
    assert alpha.feed(0)["next"] == beta.feed(0)["next"]
    for client, there in ((alpha, 1), (every, 1), (beta, 0), (client_of(None), 0)):
        assert len(list(client.channels())) == len(list(client.channel_heads())) == there
    assert alpha.latest("alpha/chains")["packet_id"] == alpha.version("alpha/chains", "1.0.0")["packet_id"] == root
    for call in (beta.latest, lambda name: beta.version(name, "1.0.0")):
        with pytest.raises(NotFound):
            call("alpha/chains")


def test_nobody_moves_a_channel_of_another_project(kin, member):
    beta, _ = member("admin", "beta")
    said = []
    for name in ("alpha/chains", "alpha/nothing"):
        with pytest.raises(NotFound) as caught:
            beta.move_channel(name, "stable", packet_id=kin[0], etag="*")
        said.append((caught.value.detail.replace(name, "X"), caught.value.hint))
    assert said[0] == said[1]
    with pytest.raises(NotFound):
        beta.yank(kin[0], "no")


def test_recalls_and_sums_are_those_of_ones_own_projects(kin, member, client_of, keys):
    root, child = kin
    alpha, beta, every = member("auditor", "alpha")[0], member("auditor", "beta")[0], client_of(keys.admin)
    every.revoke(root, "wrong")
    assert [each["student"] for each in every.recall_list(root)] == ["student-alpha", "student-beta"]
    assert [each["student"] for each in alpha.recall_list(root)] == ["student-alpha"]
    assert [each["packet_id"] for each in beta.recalls("student-beta")] == [child]
    assert list(beta.recalls("student-alpha")) == []
    assert alpha.teacher_outcomes("teacher-alpha")["students"] == 1
    for name in ("teacher-alpha", "no-such-teacher"):
        with pytest.raises(NotFound, match=f"{name} has published no packet"):
            beta.teacher_outcomes(name)
    with pytest.raises(NotFound):  # root@ published the packet of beta only
        alpha.teacher_outcomes(every.show(child)["publisher"])
