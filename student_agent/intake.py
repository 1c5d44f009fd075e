"""Packets on their way into one student, and out of it: decided, written down, put in force, reported. In this order.

A crash leaves the student as it was, or as it was decided: `recover` finishes what was written down. Reports are sent
until the broker has them, and each is signed once (`records`).
"""

import base64
import logging
from dataclasses import dataclass, replace
from pathlib import Path

from m2kt.agent.child import OnProgress, run_child
from m2kt.client import Client
from m2kt.client.clearance import clearance
from m2kt.client.lifecycle import RECALLED
from m2kt.client.predicates import OUTCOME
from m2kt.errors import AlignmentRefused, LedgerMismatch, M2KTError, ModelError, NotFound, PacketRevoked, Unavailable
from m2kt.packet import PacketId
from m2kt.signing import PrivateKey, TrustStore, attest, key_id
from student_agent.activation import Active, State
from student_agent.card import CARD
from student_agent.records import IN_FORCE, Record, Records
from student_agent.take import Decision, Outcome, Policy, Run, Student, now, predicate, put_in_force, take, versions_of

log = logging.getLogger(__name__)


@dataclass
class Intake:
    """One student of one broker. ``client`` verifies what it pulls; ``model`` is the digest of the student's
    directory."""

    client: Client
    key: PrivateKey
    trust: TrustStore
    student: Student
    policy: Policy
    model: str
    log: Path
    on_progress: OnProgress = lambda _: None
    run: Run = run_child

    def __post_init__(self) -> None:
        self._recalled: set[str] = set()
        self.state = State(self.student.state)
        self.records = Records(self.student.state)

    # In

    def take(self, packet_id: str) -> Outcome:
        """Pull, verify, align, check and decide; then put it in force, or leave everything as it was.

        What this student cannot align is refused: an outcome like the others. Other errors decide nothing.
        """
        self._recalled.discard(packet_id)
        data = self.client.fetch(packet_id)
        counted = self.client.verify(packet_id, data).key_ids
        trust = TrustStore(self.trust[each] for each in counted)
        try:
            return take(
                data,
                trust,
                self.student,
                self.policy,
                self.on_progress,
                self.log,
                self.run,
                self._commit,
                lambda tier: clearance(self.client, packet_id, tier),
            )
        except (AlignmentRefused, LedgerMismatch, ModelError) as error:
            outcome = Outcome(packet_id, Decision.REFUSED, f"{error.detail} ({error.code})", {}, None, now())
            self._commit(self.state, None, outcome)
            return outcome

    def _commit(self, state: State, adopted: Active | None, outcome: Outcome) -> None:
        """Write down, act, write down that it is done; within the lock of the state if there is something to adopt."""
        if adopted is None:
            self.records.write(replace(self._record(outcome), applied=True))
            return
        if outcome.packet_id in self._recalled:
            raise PacketRevoked(f"packet {outcome.packet_id} was recalled while it was aligned")
        leaving = [each for each in versions_of(state, adopted) if each != outcome.packet_id]
        steps = [self._record(_replaced(each, outcome)) for each in leaving]
        steps.append(self._record(outcome, adopted.memory))
        for each in steps:
            self.records.write(each)
        put_in_force(state, adopted, outcome)
        for each in steps:
            self.records.write(replace(each, applied=True))

    def _record(self, outcome: Outcome, memory: str | None = None) -> Record:
        """With the statement that was signed before, if it says what still holds: a packet that is taken once more
        while it is in force has one report, one that came back has another."""
        before = self.records.get(outcome.packet_id, outcome.decision)
        if before is not None and before.model == self.model and self._holds(before):
            return replace(before, reason=outcome.reason, memory=memory, applied=False)
        told = predicate(outcome, key_id(self.key.public_key()))
        envelope = attest(PacketId(outcome.packet_id), OUTCOME, told, self.key).to_bytes()
        signed = base64.b64encode(envelope).decode()
        return Record(outcome.packet_id, outcome.decision, outcome.reason, self.model, signed, memory)

    def _holds(self, record: Record) -> bool:
        """Whether nothing else was decided since: what is in force still is, what was kept out never came in."""
        return self._inside(record.packet_id) is (record.decision in IN_FORCE)

    def _inside(self, packet_id: str) -> bool:
        return any(each.packet_id == packet_id for each in self.state.active())

    # Out

    def recall(self, packet_id: str, reason: str) -> bool:
        """The broker took it back: it leaves at once, also while it is on its way in. Whether it was in force. Twice
        does no harm."""
        self._recalled.add(packet_id)
        return self._let_go(packet_id, Decision.RECALLED, reason)

    def _let_go(self, packet_id: str, decision: Decision, reason: str) -> bool:
        before = self.records.get(packet_id, decision)
        if before is None or (before.applied and self._inside(packet_id)):
            before = self.records.write(self._record(Outcome(packet_id, decision, reason, {}, None, now())))
        return self._leave(before)

    def _leave(self, record: Record) -> bool:
        try:
            self.state.remove(record.packet_id)
            there = True
            log.warning("%s %s and has left: %s", record.packet_id, record.decision, record.reason)
        except NotFound:
            there = False
        if not record.applied:
            self.records.write(replace(record, applied=True))
        return there

    def obey(self) -> list[str]:
        """Ask about everything in force, and let what the broker has taken back leave; returns their ids. A packet that
        this broker does not know stays: a wrong address must not empty a student."""
        removed = []
        for each in self.state.active():
            try:
                found = self.client.show(each.packet_id)
            except NotFound:
                continue
            state = str(found["state"])
            if state in RECALLED and self.recall(each.packet_id, str(found["reason"] or state)):
                removed.append(each.packet_id)
        return removed

    # After a crash

    def recover(self) -> None:
        """Finish what was written down and not done."""
        undone = [each for each in self.records if not each.applied]
        for record in sorted(undone, key=lambda each: each.decision not in IN_FORCE):
            if record.decision in IN_FORCE:
                self._put_in_force(record)
            elif record.decision in (Decision.RECALLED, Decision.REMOVED):
                self._leave(record)
            elif self._inside(record.packet_id):
                self.records.forget(record)  # what should have replaced it never came
            else:
                self.records.write(replace(record, applied=True))

    def _put_in_force(self, record: Record) -> None:
        """The memory was adopted before the record was written; if it is not there, nothing was decided."""
        adopted = Active(record.packet_id, record.memory or "-")
        with self.state.changing():
            if record.model == self.model and adopted not in self.state.active() and self._adopted(adopted):
                self.state.activate(adopted, versions_of(self.state, adopted))
            if adopted in self.state.active():
                self.records.write(replace(record, applied=True))
            else:
                self.records.forget(record)

    def _adopted(self, memory: Active) -> bool:
        return (self.state.memory(memory) / CARD).is_file()

    def leave_strangers(self) -> None:
        """Memories of another model than the present one speak no more: their packets leave, and may be taken again."""
        for each in self.state.active():
            said = [record for record in self.records if record.packet_id == each.packet_id]
            if said and all(record.model != self.model for record in said if record.decision in IN_FORCE):
                self._let_go(each.packet_id, Decision.REMOVED, "it was aligned with another model than the present one")

    def report(self) -> None:
        """Tell the broker what it does not know yet, each thing once. `Unavailable` is for later."""
        for record in self.records:
            if not record.applied or record.told or record.untold:
                continue
            try:
                self.client.report_outcome(record.signed)
            except Unavailable:
                raise
            except M2KTError as error:
                log.error("the report about %s was refused: %s (%s)", record.packet_id, error.detail, error.code)
                self.records.write(replace(record, untold=f"{error.code}: {error.detail}"))
            else:
                self.records.write(replace(record, told=True))


def _replaced(packet_id: str, outcome: Outcome) -> Outcome:
    return Outcome(packet_id, Decision.REPLACED, f"by {outcome.packet_id}", {}, None, outcome.time)
