"""Claims, leases and fences, over several real connections."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from broker.db import transaction
from broker.models import JobEvent, JobKind, Role
from broker.services import jobs, orders
from broker.services.agents import Principal
from broker.services.orders import Terms
from broker.services.scopes import EVERYWHERE
from m2kt.errors import Conflict, LeaseLost

KINDS = [JobKind.NOOP]


def test_one_job_has_one_owner_however_many_ask(ledger):
    ids = {ledger.submit() for _ in range(20)}
    with ThreadPoolExecutor(8) as pool:
        held = list(pool.map(lambda n: ledger.claim(f"owner-{n}"), range(30)))
    taken = [each.id for each in held if each is not None]
    assert len(taken) == len(set(taken)) == 20
    assert set(taken) == ids


def test_a_claimer_skips_what_another_is_just_claiming(live, ledger):
    first, second = ledger.submit(), ledger.submit()
    with live.begin() as one:
        assert jobs.claim(one, "a", 30, KINDS).id == first
        with live.begin() as other:
            assert jobs.claim(other, "b", 30, KINDS).id == second
            assert jobs.claim(other, "b", 30, KINDS) is None


def test_a_claim_raises_the_fence_and_counts_the_attempt(ledger):
    job = ledger.submit()
    held = ledger.claim()
    assert (held.attempt, held.fence) == (1, 1)
    assert (ledger.get(job).attempt, ledger.get(job).lease_owner) == (1, "a")


def test_an_expired_lease_is_queued_again_and_its_former_owner_writes_nothing(live, ledger):
    job = ledger.submit()
    stale = ledger.claim("stalled", seconds=0.2)
    time.sleep(0.3)
    assert ledger.sweep() == []
    assert ledger.state(job) == "queued"
    fresh = ledger.claim("other")
    assert (fresh.id, fresh.fence, fresh.attempt) == (job, 2, 2)
    for write in (
        lambda session: jobs.renew(session, stale, 30),
        lambda session: jobs.report(session, stale, {"done": 1}),
        lambda session: jobs.succeed(session, stale, {"stale": True}),
        lambda session: jobs.fail(session, stale, {}),
        lambda session: jobs.retry(session, stale, {}),
        lambda session: jobs.release(session, stale),
    ):
        with pytest.raises(LeaseLost), live.begin() as session:
            write(session)
    with live.begin() as session:
        jobs.succeed(session, fresh, {"fresh": True})
    assert ledger.get(job).result == {"fresh": True}


def test_a_lease_that_ran_out_is_lost_even_before_anybody_swept(live, ledger):
    ledger.submit()
    held = ledger.claim(seconds=0.1)
    time.sleep(0.2)
    with pytest.raises(LeaseLost), live.begin() as session:
        jobs.succeed(session, held, {})


def test_the_effect_of_a_stale_owner_is_rolled_back_with_its_finish(live, ledger):
    ledger.submit()
    stale = ledger.claim(seconds=0.1)
    time.sleep(0.2)

    def finish():
        with transaction(live) as session:
            jobs.submit(session, JobKind.NOOP, {"effect": True}, submitter="stale")
            jobs.succeed(session, stale, {})

    with pytest.raises(LeaseLost):
        finish()
    with live.begin() as session:
        assert [
            each.submitter for each in jobs.page(session, EVERYWHERE, before=None, limit=9, state=None, kind=None)
        ] == ["test"]


def test_a_job_that_kills_its_workers_is_dead_after_three_attempts(ledger):
    job = ledger.submit()
    for attempt in (1, 2, 3):
        assert ledger.claim(seconds=0.05).attempt == attempt
        time.sleep(0.1)
        buried = ledger.sweep()
    assert [each.id for each in buried] == [job]
    assert ledger.state(job) == "dead"
    assert ledger.claim() is None


def test_a_broken_job_comes_back_later_each_time(live, ledger):
    job = ledger.submit()
    with live.begin() as session:
        jobs.retry(session, jobs.claim(session, "a", 30, KINDS), {"code": "child-failed"})
    assert ledger.state(job) == "queued"
    assert ledger.get(job).error == {"code": "child-failed"}
    assert ledger.claim() is None  # not due yet


def test_a_job_handed_back_does_not_count_as_an_attempt(live, ledger):
    ledger.submit()
    for _ in range(5):
        held = ledger.claim()
        assert held.attempt == 1
        with live.begin() as session:
            jobs.release(session, held)


def test_a_cancelled_job_is_lost_to_its_owner(live, ledger):
    job = ledger.submit()
    held = ledger.claim()
    ledger.cancel(job)
    with pytest.raises(LeaseLost), live.begin() as session:
        jobs.succeed(session, held, {})
    assert ledger.state(job) == "cancelled"
    assert ledger.sweep() == []


def test_a_finish_and_a_cancel_at_once_have_one_winner(live, ledger):
    for _ in range(10):
        job, held, barrier = ledger.submit(), None, threading.Barrier(2)
        held = ledger.claim()

        def finish(held=held, barrier=barrier):
            barrier.wait()
            try:
                with live.begin() as session:
                    jobs.succeed(session, held, {})
                return True
            except LeaseLost:
                return False

        def cancel(job=job, barrier=barrier):
            barrier.wait()
            try:
                ledger.cancel(job)
                return True
            except Conflict:
                return False

        with ThreadPoolExecutor(2) as pool:
            finished, cancelled = pool.submit(finish), pool.submit(cancel)
            assert finished.result() != cancelled.result()
        assert ledger.state(job) == ("succeeded" if finished.result() else "cancelled")


def test_bells_ring_only_for_what_was_committed(live):
    rung = []
    with transaction(live, rung.append) as session:
        kept = jobs.submit(session, JobKind.NOOP, {}, submitter="test").id
        assert rung == []
    assert rung == [kept]

    def fail():
        with transaction(live, rung.append) as session:
            jobs.submit(session, JobKind.NOOP, {}, submitter="test")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert rung == [kept]


def test_a_bell_survives_a_savepoint_that_rolls_back(live):
    rung = []
    with transaction(live, rung.append) as session:
        kept = jobs.submit(session, JobKind.NOOP, {}, submitter="test").id
        nested = session.begin_nested()
        nested.rollback()
    assert rung == [kept]


def test_the_sweep_leaves_alone_what_is_just_being_finished_and_what_was_renewed_meanwhile(live, ledger):
    finishing, renewed = ledger.submit(), ledger.submit()
    held = [ledger.claim(seconds=4) for _ in range(2)]
    assert [each.id for each in held] == [finishing, renewed]
    with live.begin() as session:
        jobs.succeed(session, held[0], {})
        jobs.renew(session, held[1], 30)
        time.sleep(4.2)  # past the leases that the rows still show to everybody else
        assert ledger.sweep() == []
    assert (ledger.state(finishing), ledger.state(renewed)) == ("succeeded", "running")
    assert ledger.sweep() == []
    assert ledger.state(renewed) == "running"


def test_two_sweeps_at_once_rescue_every_job_once_however_many_there_are(live, ledger):
    ids = [ledger.submit() for _ in range(150)]  # more than a page
    for _ in ids:
        ledger.claim(seconds=0.01)
    time.sleep(0.1)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            list(pool.map(lambda _: ledger.sweep(), range(2)))
    with live.begin() as session:
        rescued = select(JobEvent.job_id).where(JobEvent.what == "lease-lost")
        assert sorted(session.scalars(rescued)) == sorted(ids)
    assert {ledger.state(each) for each in ids} == {"queued"}


def test_a_worker_that_restarted_under_the_same_name_owns_nothing_of_its_former_life(live, ledger):
    ledger.submit()
    former = ledger.claim("host:1:aaaa", seconds=0.1)
    time.sleep(0.2)
    ledger.sweep()
    now = ledger.claim("host:1:aaaa")
    with pytest.raises(LeaseLost), live.begin() as session:
        jobs.succeed(session, former, {})
    with live.begin() as session:
        jobs.succeed(session, now, {})


def test_a_handful_ends_together_or_not_at_all(live, ledger):
    ids = [ledger.submit() for _ in range(3)]
    held = [ledger.claim() for _ in ids]
    ledger.cancel(ids[1])
    with pytest.raises(LeaseLost), live.begin() as session:
        jobs.succeed_all(session, [(each, {}) for each in held])
    assert [ledger.state(each) for each in ids] == ["running", "cancelled", "running"]
    with live.begin() as session:
        jobs.succeed_all(session, [(held[0], {"n": 0}), (held[2], {"n": 2})])
    assert [ledger.get(each).result for each in (ids[0], ids[2])] == [{"n": 0}, {"n": 2}]


def test_a_job_that_needs_two_of_a_handful_is_due_with_both(live, ledger, keys):
    admin = Principal.of("root", Role.ADMIN, keys.admin.public_key())
    ids = [ledger.submit() for _ in range(2)]
    with live.begin() as session:
        waits = orders.place(session, JobKind.NOOP, {}, by=admin, terms=Terms(needs=tuple(sorted(ids)))).job.id
    held = [ledger.claim() for _ in ids]
    assert ledger.claim() is None
    with live.begin() as session:
        jobs.succeed_all(session, [(each, {}) for each in held])
    assert ledger.get(waits).waits_for == 0
    assert ledger.claim().id == waits


def test_an_order_that_needs_a_job_which_is_just_ending_does_not_wait_for_ever(live, ledger, keys):
    admin = Principal.of("root", Role.ADMIN, keys.admin.public_key())
    first = ledger.submit()
    held = ledger.claim()

    def finish():
        with transaction(live) as session:
            jobs.succeed(session, held, {})

    thread = threading.Thread(target=finish)
    with transaction(live) as session:
        second = orders.place(session, JobKind.NOOP, {}, by=admin, terms=Terms(needs=(first,))).job.id
        thread.start()
        time.sleep(0.5)  # the finish has its snapshot, and waits for the row that we hold
        assert thread.is_alive()
    thread.join(60)
    assert (ledger.state(first), ledger.get(second).waits_for) == ("succeeded", 0)
