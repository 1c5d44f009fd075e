"""The worker's hand on the log: batches as they come, and a round of the witnesses for each new checkpoint."""

import logging
import time

from broker.db import transaction
from broker.services import sequencer, tlog
from broker.services.sequencer import BATCH, Keeper
from broker.worker.bench import Bench
from m2kt.client.witnesses import WitnessAddress, WitnessClient
from m2kt.errors import LogError, M2KTError
from m2kt.log import Checkpoint, Note, issue
from m2kt.log.notes import NoteSignature

PAUSE_SECONDS = 0.1
TROUBLE_SECONDS = 5.0
AWAY_SECONDS = 2.0
"""Between two rounds of the witnesses when too few of them cosigned."""

log = logging.getLogger(__name__)


class Sequencing:
    """One step after the other; any number of workers may take them, the database's lock lets one in."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._keeper: Keeper = bench.keeper
        self._ask_from = 0.0
        self._witnesses = [WitnessClient(WitnessAddress.parse(each)) for each in bench.settings.log_witnesses]

    def step(self) -> bool:
        """Whether more waits than one batch took."""
        with transaction(self._bench.sessions) as session:
            integrated = sequencer.integrate(session, self._keeper)
        if self._witnesses and time.monotonic() >= self._ask_from:
            self._publish()
        return integrated == BATCH

    def close(self) -> None:
        for each in self._witnesses:
            each.close()

    def _publish(self) -> None:
        """Show the newest checkpoint to the witnesses, and to everybody once a quorum has cosigned it.

        No transaction is open while they are asked: they may be slow.
        """
        with transaction(self._bench.sessions) as session:
            head = sequencer.due_for_witnesses(session, self._keeper)
            now = sequencer.database_time(session)
        if head is None:
            return
        note = issue(Checkpoint.parse(Note.from_bytes(head.note.encode()).text), self._keeper.key, now)
        asked = [self._ask(each, note) for each in self._witnesses]
        cosigned = [each for each in asked if each is not None]
        if len(cosigned) < self._keeper.quorum:
            self._ask_from = time.monotonic() + AWAY_SECONDS
            log.warning("%d of %d witnesses cosigned the log's newest checkpoint", len(cosigned), self._keeper.quorum)
            return
        with transaction(self._bench.sessions) as session:
            sequencer.publish(session, head.size, note.with_signatures(cosigned), now)

    def _ask(self, witness: WitnessClient, note: Note) -> NoteSignature | None:
        try:
            return witness.cosign(note.to_bytes(), self._prove)
        except LogError as error:
            log.error("%s (%s)", error.detail, error.code)
        except M2KTError as error:
            log.warning("%s", error.detail)
        return None

    def _prove(self, old: int, new: int) -> list[bytes]:
        with transaction(self._bench.sessions) as session:
            return tlog.prove(session, old, new)
