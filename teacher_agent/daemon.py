"""`python -m teacher_agent run`: follows its model, does the extraction jobs that it is for, and publishes."""

import logging
import re
import shutil
from collections.abc import Callable

from m2kt.agent.child import Progress
from m2kt.agent.daemon import Step, alone, serve
from m2kt.agent.drain import Drain
from m2kt.agent.lease import Leases, Offer
from m2kt.client import Client
from m2kt.signing import key_id
from m2kt.signing.keys import PrivateKey, load_private
from teacher_agent.config import Config
from teacher_agent.orders import Orders
from teacher_agent.schedule import Schedule

LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")

log = logging.getLogger(__name__)


def run(config: Config, on_progress: Callable[[Progress], None] = lambda _: None) -> None:
    """Work until told to leave. Raises what no waiting mends."""
    key, drain = load_private(config.key), Drain(config.drain_seconds)
    with alone(config.state):
        _sweep(config)
        serve(
            lambda session: Client(config.broker, key, session=session),
            drain,
            lambda client, leases: _steps(config, key, client, leases, drain, on_progress),
            pause=config.poll_seconds if config.jobs else min(config.look_seconds, max(config.settle_seconds, 0.1)),
        )


def _steps(
    config: Config,
    key: PrivateKey,
    client: Client,
    leases: Leases,
    drain: Drain,
    on_progress: Callable[[Progress], None],
) -> Step:
    schedule = Schedule(config, client, key_id(key.public_key()), drain, on_progress)
    orders = Orders(config, client, leases, drain, _offer(config))

    def step() -> bool:
        """Our own schedule first: what it does is due since the model changed."""
        did = bool(config.publish) and schedule.step()
        if config.jobs and not drain.asked:
            did = orders.step() or did
        return did

    return step


def _offer(config: Config) -> Offer:
    """Names that can be labels; jobs without a label may name the model by its path as well."""
    labels = sorted(each for each in config.names if LABEL.fullmatch(each))
    return Offer(config.device.startswith("cuda"), config.memory_mib, labels, config.site)


def _sweep(config: Config) -> None:
    """What killed extractions left; whole packets stay."""
    for each in (config.state / "packets").glob(".extract-*"):
        shutil.rmtree(each, ignore_errors=True)
