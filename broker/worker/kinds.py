"""What each kind of job does. A handler returns its result and the effect to write in the same transaction as it."""

from broker.models import JobKind
from broker.services.jobs import Claim
from broker.worker.bench import Bench
from broker.worker.children import Done, Handler, aggregate, align, exchange, extract, time_limit, verify
from broker.worker.lease import Lease
from broker.worker.scanning import scan
from m2kt.errors import TimeLimit, UsageError

MAX_PAUSE_SECONDS = 3600.0


def noop(bench: Bench, held: Claim, lease: Lease) -> Done:
    """Wait for ``seconds``, then echo the spec: shows that the worker works."""
    seconds = held.spec.get("seconds", 0)
    if not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_PAUSE_SECONDS:
        raise UsageError(f"seconds must be a number from 0 to {MAX_PAUSE_SECONDS:g}")
    limit = time_limit(bench, held)
    lease.pause(min(seconds, limit or seconds))
    if limit and seconds > limit:
        raise TimeLimit(f"noop did not finish within {limit:g} s and was ended")
    return Done({"echo": held.spec})


HANDLERS: dict[str, Handler] = {
    JobKind.NOOP: noop,
    JobKind.SCAN: scan,
    JobKind.EXTRACT: extract,
    JobKind.ALIGN: align,
    JobKind.VERIFY: verify,
    JobKind.AGGREGATE: aggregate,
    JobKind.EXCHANGE: exchange,
}
