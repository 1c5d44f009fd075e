"""The ledger beyond one claim: order, labels, keys, needs, retention, the outbox."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from broker.models import Job, JobEvent, JobKind, JobLog, Outbox, Role
from broker.services import jobs, orders, outbox, retention, trail
from broker.services.agents import Principal
from broker.services.jobs import Offer
from broker.services.orders import Terms
from broker.services.scopes import EVERYWHERE
from m2kt.errors import Conflict, LeaseLost, NotFound, QueueAway, TooLarge
from m2kt.signing.keys import generate

ADA = Principal.of("ada", Role.ADMIN, generate().public_key())


def order(session, kind=JobKind.NOOP, spec=None, **terms):
    return orders.place(session, kind, spec or {}, by=ADA, terms=Terms(**terms)).job


def claim(session, offer=None, kinds=(JobKind.NOOP,)):
    return jobs.claim(session, "owner", 30, kinds, offer)


def state(session, job):
    return session.scalar(select(Job.state).where(Job.id == job.id))


def test_a_higher_priority_goes_first_and_then_the_older(session):
    low, first, second = order(session, priority=-1), order(session, priority=5), order(session, priority=5)
    assert [claim(session).id for _ in range(3)] == [first.id, second.id, low.id]


@pytest.mark.parametrize(
    ("needs", "enough", "not_enough"),
    [
        ({"needs_gpu": True}, Offer(gpu=True), Offer()),
        ({"needs_memory_mib": 100}, Offer(memory_mib=100), Offer(memory_mib=99)),
        ({"needs_model": "m"}, Offer(models=frozenset({"m", "n"})), Offer(models=frozenset({"n"}))),
        ({"needs_site": "berlin"}, Offer(site="berlin"), Offer(site="paris")),
    ],
)
def test_a_job_goes_only_to_who_has_what_it_needs(session, needs, enough, not_enough):
    job = order(session, **needs)
    assert claim(session, not_enough) is None
    assert claim(session) is None
    assert claim(session, enough).id == job.id


def test_a_job_is_not_due_before_its_time(session):
    order(session, not_before=datetime.now(UTC) + timedelta(hours=1))
    assert claim(session) is None


def test_one_key_is_one_job_and_another_order_under_it_is_a_conflict(session):
    first = orders.place(session, JobKind.NOOP, {"a": 1}, by=ADA, terms=Terms(idempotency_key="k"))
    again = orders.place(session, JobKind.NOOP, {"a": 1}, by=ADA, terms=Terms(idempotency_key="k"))
    assert (first.fresh, again.fresh, again.job.id) == (True, False, first.job.id)
    with pytest.raises(Conflict, match="idempotency key was used for another order"):
        orders.place(session, JobKind.NOOP, {"a": 2}, by=ADA, terms=Terms(idempotency_key="k"))


def test_a_twin_that_is_under_way_is_the_job_and_one_that_ended_is_not(session):
    first = order(session, dedup_key="nightly")
    assert order(session, dedup_key="nightly").id == first.id
    with pytest.raises(Conflict, match="de-duplication"):
        order(session, spec={"a": 1}, dedup_key="nightly")
    jobs.cancel(session, first.id, by="ada", admin=True)
    assert order(session, dedup_key="nightly").id != first.id


EXCHANGE = {"exchange": str(uuid.uuid4()), "peer": "somebody", "trust": "keys"}


def test_a_job_waits_until_all_that_it_needs_has_succeeded(session):
    one, two = order(session), order(session)
    last = order(session, kind=JobKind.EXCHANGE, spec=EXCHANGE, needs=(one.id, two.id))
    assert last.waits_for == 2
    assert claim(session, kinds=(JobKind.EXCHANGE,)) is None
    for _ in range(2):
        jobs.succeed(session, claim(session), {})
    assert claim(session, kinds=(JobKind.EXCHANGE,)).id == last.id


def test_what_needs_a_job_that_ended_badly_is_cancelled_with_all_that_needs_it(session):
    first = order(session)
    second = order(session, needs=(first.id,))
    third = order(session, needs=(second.id,))
    jobs.fail(session, claim(session), {"code": "x", "detail": "no"})
    session.expire_all()
    assert (state(session, second), state(session, third)) == ("cancelled", "cancelled")
    assert f"job {first.id}, which it needs, is failed" in second.error["detail"]


def test_a_need_that_is_not_there_or_ended_badly_is_refused_at_once(session):
    with pytest.raises(NotFound):
        order(session, needs=(uuid.uuid4(),))
    first = order(session)
    jobs.cancel(session, first.id, by="ada", admin=True)
    with pytest.raises(Conflict, match="is cancelled"):
        order(session, needs=(first.id,))


def test_a_need_that_has_succeeded_is_waited_for_no_more(session):
    first = order(session)
    jobs.succeed(session, claim(session), {})
    assert order(session, needs=(first.id,)).waits_for == 0


def test_a_retried_job_has_new_attempts_and_counts_on(session):
    job = order(session)
    for _ in range(3):
        jobs.retry(session, claim(session), {"code": "child-failed", "detail": "broke"})
        session.execute(update(Job).values(not_before=func.clock_timestamp() - timedelta(seconds=1)))
    session.expire_all()
    assert job.state == "dead"
    jobs.again(session, job.id, by="ada", admin=False)
    held = claim(session)
    assert (held.attempt, held.max_attempts) == (4, 6)
    with pytest.raises(Conflict, match="is running"):
        jobs.again(session, job.id, by="ada", admin=True)


def test_a_specification_past_its_limit_is_refused(session):
    with pytest.raises(TooLarge, match="131072 are allowed"):
        order(session, spec={"text": "x" * orders.MAX_SPEC_BYTES})


def test_every_step_leaves_its_event(session):
    job = order(session)
    jobs.release(session, claim(session))
    jobs.succeed(session, claim(session), {})
    found = trail.events(session, job.id, after=0)
    assert [each.what for each in found] == ["queued", "running", "released", "running", "succeeded"]
    assert found[1].detail == {"owner": "owner"}


def test_an_unknown_kind_hurts_nobody(session):
    """A newer broker wrote it; this version lists it, sweeps it, and leaves it to those who know it."""
    job = order(session)
    session.execute(update(Job).values(kind="future"))
    session.expire_all()
    assert claim(session) is None
    held = claim(session, kinds=("future",))
    session.execute(update(Job).values(lease_until=func.clock_timestamp() - timedelta(seconds=1)))
    assert jobs.sweep(session) == []
    assert jobs.page(session, EVERYWHERE, before=None, limit=5, state=None, kind="future")[0].id == job.id
    with pytest.raises(LeaseLost):
        jobs.succeed(session, held, {})


def test_what_ended_long_ago_is_forgotten_with_its_trail(session):
    old, fresh = order(session), order(session)
    held = claim(session)
    jobs.succeed(session, held, {})
    trail.keep_log(session, old.id, 1, b"log")
    jobs.succeed(session, claim(session), {})
    session.execute(update(Job).where(Job.id == old.id).values(finished=func.now() - timedelta(days=31)))
    assert retention.forget_finished(session, timedelta(days=30)) == 1
    assert retention.known(session, {old.id, fresh.id}) == {fresh.id}
    for table in (JobEvent, JobLog):
        assert session.scalar(select(func.count()).where(table.job_id == old.id)) == 0


def test_the_outbox_tells_once_and_keeps_what_could_not_be_told(session):
    job = order(session)

    def away(_):
        raise QueueAway("away")

    with pytest.raises(QueueAway), session.begin_nested():
        outbox.drain(session, {outbox.RING: away})
    told = []
    assert outbox.drain(session, {outbox.RING: told.extend}) == 1
    assert told == [{"job": str(job.id)}]
    assert outbox.drain(session, {outbox.RING: told.extend}) == 0


def test_the_outbox_leaves_alone_what_it_cannot_tell_and_drops_stale_rings(session):
    outbox.post(session, "another-topic", a=1)
    order(session)
    session.execute(update(Outbox).values(created=func.now() - timedelta(hours=1)))
    outbox.forget(session, outbox.RING, timedelta(minutes=1))
    assert outbox.drain(session, {outbox.RING: lambda _: None}) == 0
    assert session.scalar(select(func.count()).select_from(Outbox)) == 1


def test_a_job_that_is_not_due_rings_no_bell(session):
    first = order(session)
    order(session, needs=(first.id,))
    assert outbox.drain(session, {outbox.RING: lambda _: None}) == 1
    jobs.succeed(session, claim(session), {})
    assert outbox.drain(session, {outbox.RING: lambda _: None}) == 1


def test_a_key_is_its_submitters_own(session):
    bob = Principal.of("bob", Role.TEACHER, generate().public_key())
    theirs = orders.place(session, JobKind.NOOP, {}, by=bob, terms=Terms(idempotency_key="k")).job
    ours = orders.place(session, JobKind.NOOP, {}, by=ADA, terms=Terms(idempotency_key="k")).job
    assert theirs.id != ours.id
