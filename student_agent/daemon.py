"""`python -m student_agent run`: follows channels, takes what they lead to, obeys recalls, and reports."""

import logging
from pathlib import Path

from m2kt.agent.child import Progress
from m2kt.agent.daemon import Step, alone, serve
from m2kt.agent.directory import Watch
from m2kt.agent.drain import Drain
from m2kt.agent.guard import Guard
from m2kt.agent.supervise import supervised
from m2kt.client import Client
from m2kt.errors import ModelError, Unavailable
from m2kt.signing.keys import TrustStore, load_private
from student_agent.config import Config
from student_agent.follow import Follow
from student_agent.intake import Intake
from student_agent.service import log_rules
from student_agent.wake import Wake

log = logging.getLogger(__name__)


def run(config: Config) -> None:
    """Work until told to leave. Raises what no waiting mends.

    The heartbeat's thread lets go of what is recalled by itself, whatever the work does meanwhile.
    """
    key, trust, drain = load_private(config.key), TrustStore.from_path(config.trust), Drain(config.drain_seconds)
    rules = log_rules(config.student, config.taking)

    def connect(session: str | None) -> Client:
        return Client(config.broker, key, trust, log=rules, session=session)

    with alone(config.state), connect(None) as unsent:
        student = Taking(
            config, Intake(unsent, key, trust, config.student, config.taking, "", config.state / "take.log"), drain
        )
        serve(connect, drain, lambda client, _: student.step_with(client), pause=0.0, recall=student.recall)


class Taking:
    """One student of this daemon, whatever session it has."""

    def __init__(self, config: Config, intake: Intake, drain: Drain) -> None:
        self._config, self._intake, self._drain = config, intake, drain
        self._watch = Watch(config.model, config.settle_seconds)
        intake.run = self._child
        intake.on_progress = _say

    def step_with(self, client: Client) -> Step:
        """The step of `m2kt.agent.daemon.serve`: report, let go, take; then rest until there is news."""
        self._intake.client = client
        follow = Follow(self._intake, self._config.subscriptions)
        wake = Wake(client, self._drain, self._config.poll_seconds)

        def step() -> bool:
            wake.mark()
            if self._settled():
                self._intake.obey()
                follow.step()
                self._report()
            wake.rest()
            return True

        return step

    def recall(self, packet_id: str, reason: str) -> None:
        """Obey a recall now; the report follows with the next step."""
        self._intake.recall(packet_id, reason)

    def _settled(self) -> bool:
        """Whether the student's model is there; another one than before begins with what it has itself decided."""
        try:
            model = self._watch.settled()
        except ModelError as error:
            log.warning("%s", error.detail)
            return False
        if model is not None and model != self._intake.model:
            self._intake.model = model
            self._intake.recover()
            self._intake.leave_strangers()
        return model is not None

    def _report(self) -> None:
        try:
            self._intake.report()
        except Unavailable as error:
            log.warning("reports wait: %s", error.detail)

    def _child(self, module: str, job: str, spec: dict[str, object], *, on_progress, log: Path) -> dict[str, object]:  # type: ignore[no-untyped-def]
        return supervised(module, job, spec, guard=Guard(0.0), drain=self._drain, on_progress=on_progress, log=log)


def _say(progress: Progress) -> None:
    if progress.done == progress.total:
        log.info("%s: %d", progress.step, progress.total)
