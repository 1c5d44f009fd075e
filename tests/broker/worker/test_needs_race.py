"""Two transactions about one job: an order that needs it, and its finish."""

import threading
import time

from broker.db import transaction
from broker.models import JobKind, Role
from broker.services import jobs, orders
from broker.services.agents import Principal
from broker.services.orders import Terms


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
    thread.join(10)
    assert (ledger.state(first), ledger.get(second).waits_for) == ("succeeded", 0)
