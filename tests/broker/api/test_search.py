"""Finding packets by their fields, tags, words, and by what they teach."""

import numpy as np
import pytest
from sqlalchemy import text

from broker.services import concepts, search
from broker.services.scopes import EVERYWHERE
from broker.services.search import Filters
from m2kt.packet import PacketKind
from m2kt.signing import sign_packet
from tests.broker.conftest import make_packet

pytestmark = pytest.mark.usefixtures("enrolled")


def published(client, key, name="acme/chains", version="1.0.0", **made):
    return client.publish(sign_packet(make_packet(name, version, **made), key))["packet_id"]


@pytest.fixture
def three(client_of, keys):
    client = client_of(keys.teacher)
    return [published(client, keys.teacher, name) for name in ("acme/chains", "acme/rules", "beta/chains")]


def found(http, **asked):
    answer = http.get("/v1/packets", params=asked)
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()["items"]]


def test_each_filter_finds_what_has_it(http, three):
    everything = ["beta/chains", "acme/rules", "acme/chains"]
    digest = f"sha256:{'a' * 64}"
    for asked in ({"domain": "chains"}, {"domain": "chains@1.0.0"}, {"teacher": "<tiny> teacher"}, {"teacher": digest}):
        assert found(http, **asked) == everything
    assert found(http, state="received", q="anchors tiny TEACHER") == everything
    assert found(http, q="acme") == everything[1:]
    assert found(http, q="RULES acme/") == found(http, q="acme", name="acme/rules") == ["acme/rules"]
    for asked in (
        {"q": "acm"},
        {"q": "!?"},
        {"domain": "chain"},
        {"teacher": "tiny"},
        {"tag": "x"},
        {"state": "revoked"},
    ):
        assert found(http, **asked) == []


@pytest.mark.parametrize(
    "query",
    ["q=", "q=%00", "q=" + "x" * 257, "tag=A", "tag=..", "tag=%00", "teacher=", "teacher=%0a", "domain=../x"],
)
def test_odd_queries_are_refused(query, http):
    answer = http.get(f"/v1/packets?{query}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")


@pytest.mark.parametrize("words", ["a & b | !c", "'", "\\", ":*", "<->", "a:*", "(", "%", "''; drop table packets"])
def test_signs_of_query_languages_are_only_signs(words, http, three):
    assert found(http, q=words) == []


def test_tags_help_to_find_and_are_put_and_taken_by_those_who_may(http, three, sign, keys):
    path = f"/v1/packets/{three[0]}/tags/gold"
    assert sign(keys.student, "PUT", path).status_code == 403
    assert [sign(keys.teacher, "PUT", path).status_code for _ in range(2)] == [204, 204]
    assert sign(keys.admin, "PUT", f"/v1/packets/{three[2]}/tags/gold").status_code == 204
    assert found(http, tag="gold") == ["beta/chains", "acme/chains"]
    first = http.get("/v1/packets", params={"tag": "gold", "limit": 1})
    assert [each["tags"] for each in first.json()["items"]] == [["gold"]]
    assert [each["name"] for each in http.get(first.links["next"]["url"]).json()["items"]] == ["acme/chains"]
    assert http.get(f"/v1/packets/{three[0]}").json()["tags"] == ["gold"]
    assert [sign(keys.teacher, "DELETE", path).status_code for _ in range(2)] == [204, 204]
    assert found(http, tag="gold") == ["beta/chains"]
    assert sign(keys.admin, "PUT", f"/v1/packets/sha256:{'0' * 64}/tags/gold").status_code == 404
    assert sign(keys.admin, "PUT", f"/v1/packets/{three[0]}/tags/..").status_code in (404, 405, 422)


def test_a_packet_has_a_limited_number_of_tags(three, sign, keys):
    for number in range(search.MAX_TAGS):
        assert sign(keys.teacher, "PUT", f"/v1/packets/{three[0]}/tags/t{number}").status_code == 204
    assert sign(keys.teacher, "PUT", f"/v1/packets/{three[0]}/tags/one-more").status_code == 409
    assert sign(keys.teacher, "PUT", f"/v1/packets/{three[0]}/tags/t0").status_code == 204


def test_lists_leave_manifests_where_they_are(session, three):
    rows = search.page(session, EVERYWHERE, Filters(), before=None, limit=10)
    assert all("manifest" not in vars(each) for each in rows)


# Nearest concepts


def taught(client, key, name, centroids):
    tensors = {concepts.CENTROIDS: np.asarray(centroids, np.float32)}
    return published(client, key, name, kind=PacketKind.AGGREGATE, tensors=tensors)


@pytest.fixture
def approve(session):
    """As if a scan had passed: what a scan makes of these packets is not the subject."""

    def call():
        session.execute(text("UPDATE packets SET state = 'approved'"))
        session.commit()

    return call


@pytest.fixture(params=[12, 300])
def width(request) -> int:
    return request.param


def test_the_nearest_concept_is_found_within_one_teachers_space(width, client_of, keys, sign, session, desk, approve):
    dice, client = np.random.default_rng(3), client_of(keys.teacher)
    mine = dice.normal(size=(3, width))
    near = np.stack([dice.normal(size=width), mine[1] + 0.05 * dice.normal(size=width)])
    asked = taught(client, keys.teacher, "a/asked", mine)
    like = taught(client, keys.teacher, "a/like", near)
    taught(client, keys.teacher, "a/other-width", dice.normal(size=(3, width + 1)))
    approve()
    assert concepts.index_some(session, desk.store) == 3
    answer = sign(keys.student, "GET", f"/v1/packets/{asked}/concepts/1/nearest")
    told = answer.json()
    assert (answer.status_code, told["width"], told["exact"]) == (200, width, True)
    first = told["items"][0]
    assert (first["packet_id"], first["concept"]) == (like, 1)
    assert first["similarity"] > 0.95 > abs(told["items"][1]["similarity"])
    assert {each["packet_id"] for each in told["items"]} == {like}
    assert sign(keys.student, "GET", f"/v1/packets/{asked}/concepts/3/nearest").status_code == 404


def test_the_index_answers_as_the_exact_search_does(client_of, keys, sign, session, desk, approve, monkeypatch):
    dice, client = np.random.default_rng(4), client_of(keys.teacher)
    first = taught(client, keys.teacher, "a/0", dice.normal(size=(20, 8)))
    for number in range(1, 6):
        taught(client, keys.teacher, f"a/{number}", dice.normal(size=(20, 8)))
    approve()
    concepts.index_some(session, desk.store)
    exact = sign(keys.student, "GET", f"/v1/packets/{first}/concepts/0/nearest?limit=5").json()
    monkeypatch.setattr(concepts, "EXACT_VECTORS", 0)
    indexed = sign(keys.student, "GET", f"/v1/packets/{first}/concepts/0/nearest?limit=5").json()
    assert (exact.pop("exact"), indexed.pop("exact")) == (True, False)
    assert indexed == exact


def test_what_is_revoked_is_found_no_more(client_of, keys, sign, session, desk, approve):
    client, same = client_of(keys.teacher), np.eye(2, 8)
    asked, other = (taught(client, keys.teacher, name, same) for name in ("a/one", "a/two"))
    approve()
    concepts.index_some(session, desk.store)
    client.revoke(other, "wrong")
    path = f"/v1/packets/{asked}/concepts/0/nearest"
    assert sign(keys.student, "GET", path).json()["items"] == []
    concepts.index_some(session, desk.store)
    assert session.scalar(text("SELECT count(*) FROM concept_vectors")) == 2
    assert session.scalar(text("SELECT sum(vectors) FROM concept_spaces")) == 2
    client.revoke(asked, "wrong")
    assert sign(keys.student, "GET", path).status_code == 410


def test_strangers_cannot_search_and_a_broker_without_pgvector_says_so(http, three, sign, keys, session):
    path = f"/v1/packets/{three[0]}/concepts/0/nearest"
    assert http.get(path).status_code == 401
    session.execute(text("DROP TABLE concept_vectors"))
    session.commit()
    answer = sign(keys.student, "GET", path)
    assert (answer.status_code, answer.json()["code"]) == (501, "not-installed")
    assert concepts.index_some(session, None) == 0
