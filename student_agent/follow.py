"""A student's own schedule: each channel's head is taken, if it is not in force and nothing speaks against it.

A channel leads where its broker signed that it leads, and the client verifies that (`Client.channel`); so a head that
goes back to an older version is followed, too. What was decided about a packet is not decided again for this student.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from m2kt.errors import ChildFailed, DiskFull, M2KTError, NotFound, NotPullable, Unavailable
from student_agent.config import Subscription
from student_agent.intake import Intake
from student_agent.take import Decision

FIRST_WAIT, LONGEST_WAIT = 5.0, 600.0
"""Seconds until a subscription that met trouble is looked at again; doubled each time."""

AGAINST = frozenset({Decision.ROLLED_BACK, Decision.REFUSED})

log = logging.getLogger(__name__)


@dataclass
class Follow:
    """Follows channels for one student; `step` is one look at each that is due."""

    intake: Intake
    subscriptions: list[Subscription]
    clock: Callable[[], float] = time.monotonic
    _waits: dict[Subscription, tuple[float, float]] = field(default_factory=dict)
    """When it may be tried again, and how long it waited last."""

    def step(self) -> bool:
        """Whether a packet was decided about."""
        due = [each for each in self.subscriptions if self.clock() >= self._waits.get(each, (0.0, 0.0))[0]]
        return any([self._outlived(each) for each in due])

    def _outlived(self, subscription: Subscription) -> bool:
        """A subscription in trouble costs the others nothing."""
        try:
            found = self._follow(subscription)
        except NotFound as error:
            log.info("%s: %s", subscription, error.detail)  # a channel that is still to be made
        except NotPullable as error:
            log.warning("%s: %s (%s)", subscription, error.detail, error.code)
        except (Unavailable, ChildFailed, DiskFull) as error:
            self._wait(subscription, error, logging.WARNING)
        except M2KTError as error:  # a signature or a log that does not hold, most of all: somebody must look
            self._wait(subscription, error, logging.ERROR)
        else:
            self._waits.pop(subscription, None)
            return found
        return False

    def _wait(self, subscription: Subscription, error: M2KTError, level: int) -> None:
        wait = min(LONGEST_WAIT, 2 * self._waits.get(subscription, (0.0, FIRST_WAIT / 2))[1])
        self._waits[subscription] = self.clock() + wait, wait
        log.log(level, "%s: %s (%s); looking again in %.0f s", subscription, error.detail, error.code, wait)

    def _follow(self, subscription: Subscription) -> bool:
        head = self.intake.client.channel(subscription.name, subscription.channel)
        if not self.wanted(head.packet_id):
            return False
        log.info("%s leads to %s (%s)", subscription, head.version, head.packet_id)
        outcome = self.intake.take(head.packet_id)
        log.info("%s %s: %s", head.version, outcome.decision, outcome.reason)
        return True

    def wanted(self, packet_id: str) -> bool:
        """Whether it is not in force, and nothing was decided against it for this student."""
        if any(each.packet_id == packet_id for each in self.intake.state.active()):
            return False
        return not AGAINST & set(self.intake.records.about(packet_id, self.intake.model))
