"""The change feed over HTTP: pages, long polls, streams, and what is too old."""

import json
import time
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from broker.models import FeedEvent
from broker.services import feed
from broker.web import closing
from m2kt.errors import FeedGone
from m2kt.signing import sign_packet
from tests.broker.conftest import make_packet

pytestmark = pytest.mark.usefixtures("enrolled")


@pytest.fixture
def told(client_of, keys, signed, run_scans):
    """A packet's way to approved, and to revoked."""
    teacher = client_of(keys.teacher)
    packet_id = teacher.publish(signed)["packet_id"]
    run_scans()
    teacher.revoke(packet_id, "wrong")
    return packet_id


def test_the_feed_tells_what_happened_in_order_and_where_to_go_on(client_of, told, keys):
    client = client_of(None)
    found = client.feed(0)
    shown = [(each["kind"], each["detail"].get("state")) for each in found["items"]]
    assert shown == [
        ("packet.published", None),
        ("packet.state", "scanning"),
        ("packet.state", "approved"),
        ("packet.state", "revoked"),
    ]
    assert [each["id"] for each in found["items"]] == [1, 2, 3, 4]
    assert found["items"][3]["detail"] == {"state": "revoked", "before": "approved", "reason": "wrong"}
    assert {(each["packet_id"], each["name"], each["version"]) for each in found["items"]} == {
        (told, "acme/chains", "1.0.0")
    }
    assert client.feed(found["next"]) == {"items": [], "next": 4}
    assert client.feed() == {"items": [], "next": 4}
    first = client.feed(0, limit=3)
    assert (len(first["items"]), first["next"]) == (3, 3)


def test_a_name_can_be_followed_alone_and_the_place_moves_on_all_the_same(client_of, told, keys):
    client_of(keys.teacher).publish(sign_packet(make_packet("acme/other"), keys.teacher))
    found = client_of(None).feed(0, name="acme/other")
    assert ([each["kind"] for each in found["items"]], found["next"]) == (["packet.published"], 5)
    assert client_of(None).feed(0, name="acme/none") == {"items": [], "next": 5}


def test_a_long_poll_without_news_ends_in_time(client_of, told):
    begun = time.monotonic()
    assert client_of(None).feed(4, wait=0.3) == {"items": [], "next": 4}
    assert time.monotonic() - begun >= 0.3


def test_what_is_forgotten_and_what_never_was_is_said_plainly(client_of, told, session):
    session.execute(
        update(FeedEvent).where(FeedEvent.number.is_not(None)).values(at=text("now() - interval '31 days'"))
    )
    client = client_of(None)
    client.feed(0)
    session.execute(update(FeedEvent).values(at=text("now() - interval '31 days'")))
    assert feed.forget(session, timedelta(days=30)) == 3
    session.commit()
    for after in (0, 2):
        with pytest.raises(FeedGone, match="begins at event 4 now"):
            client.feed(after)
    assert [each["id"] for each in client.feed(3)["items"]] == [4]
    with pytest.raises(FeedGone, match="has no event 5"):
        client.feed(5)
    assert feed.forget(session, timedelta(days=30)) == 0  # the newest stays


def test_forgetting_leaves_no_gap(told, session, client_of):
    client_of(None).feed(0)
    session.execute(update(FeedEvent).where(FeedEvent.number == 3).values(at=text("now() - interval '31 days'")))
    assert feed.forget(session, timedelta(days=30)) == 0


WRONG = (
    *("after=-1", "after=x", "after=9223372036854775808", "after=1e3"),
    *("wait=-1", "wait=31", "wait=nan", "limit=0", "limit=201", "name=A", "name=%00"),
)


def test_questions_that_make_no_sense_are_refused(http):
    for query in WRONG:
        answer = http.get(f"/v1/feed?{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, "usage")
    assert http.get("/v1/feed", headers={"Last-Event-ID": "x"}).status_code == 422


def test_a_stream_that_cannot_begin_answers_with_a_problem(http, told):
    answer = http.get("/v1/feed", headers={"Accept": "text/event-stream", "Last-Event-ID": "77"})
    assert (answer.status_code, answer.json()["code"]) == (410, "feed-gone")


def test_too_many_readers_are_sent_away(http, app, told):
    app.state.context.closing.streams = 200
    assert http.get("/v1/feed?after=4&wait=1").status_code == 503
    assert http.get("/v1/feed?after=0").status_code == 200  # who does not wait holds nothing
    assert http.get("/v1/feed", headers={"Accept": "text/event-stream"}).status_code == 503


def test_server_sent_events_go_on_behind_the_last_one(http, app, told):
    """The broker is told to leave at once, so that the stream ends by itself after what is there."""
    app.state.context.closing.begun = True
    answer = http.get("/v1/feed", headers={"Accept": "text/event-stream", "Last-Event-ID": "2"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = [dict(line.split(": ", 1) for line in each.split("\n")) for each in answer.text.strip().split("\n\n")]
    assert blocks[0] == {"retry": "1000", "id": "2"}
    assert [(each["id"], each["event"]) for each in blocks[1:]] == [("3", "packet.state"), ("4", "packet.state")]
    assert json.loads(blocks[2]["data"])["detail"]["state"] == "revoked"


def test_a_stream_ends_after_a_while_so_that_its_reader_signs_again(http, told, monkeypatch):
    monkeypatch.setattr(closing, "STREAM_SECONDS", -1.0)
    answer = http.get("/v1/feed", headers={"Accept": "text/event-stream", "Last-Event-ID": "2"})
    assert answer.text.count("event: packet.state") == 2
