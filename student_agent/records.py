"""What a student decided about packets, and what of it the broker was told: one small file each, replaced atomically.

    STATE/outcomes/<packet digest>.<decision>.json

A record is written before it is acted upon, with the statement that reports it, signed once. So a crash in between is
caught up with, and whatever is repeated says the very same bytes: one report for a packet and a decision.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from m2kt.errors import RuntimeFault
from m2kt.files import write_atomically
from student_agent.take import Decision

SCHEMA = "m2kt.outcome-record/1"
IN_FORCE = frozenset({Decision.ACCEPTED, Decision.UNVERIFIED})


@dataclass(frozen=True)
class Record:
    """One decision about one packet."""

    packet_id: str
    decision: Decision
    reason: str
    model: str
    """Digest of the student's directory: another student decides anew."""
    envelope: str
    """The signed statement, base64."""
    memory: str | None = None
    """Of what is in force: the directory that the pointer names."""
    applied: bool = False
    """Whether the pointer says so by now."""
    told: bool = False
    """Whether the broker has it."""
    untold: str = ""
    """Why the broker refused the report for good, if it did."""

    @property
    def signed(self) -> bytes:
        return base64.b64decode(self.envelope)


@dataclass(frozen=True)
class Records:
    """All records of one student, below its state directory."""

    root: Path

    def write(self, record: Record) -> Record:
        data = json.dumps({"schema": SCHEMA, **asdict(record)}, indent=1).encode()
        write_atomically(self._path(record.packet_id, record.decision), data)
        return record

    def forget(self, record: Record) -> None:
        self._path(record.packet_id, record.decision).unlink(missing_ok=True)

    def get(self, packet_id: str, decision: Decision) -> Record | None:
        path = self._path(packet_id, decision)
        return _read(path) if path.exists() else None

    def __iter__(self) -> Iterator[Record]:
        for path in sorted(self.root.glob("outcomes/*.json")):
            yield _read(path)

    def about(self, packet_id: str, model: str) -> dict[Decision, Record]:
        """What was decided about a packet for this very student."""
        found = (self.get(packet_id, each) for each in Decision)
        return {each.decision: each for each in found if each is not None and each.model == model}

    def _path(self, packet_id: str, decision: Decision) -> Path:
        return self.root / "outcomes" / f"{packet_id.removeprefix('sha256:')}.{decision}.json"


def _read(path: Path) -> Record:
    try:
        found = json.loads(path.read_bytes())
        if found.pop("schema") != SCHEMA:
            raise ValueError("another schema than this version's")
        return Record(**{**found, "decision": Decision(found["decision"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RuntimeFault(
            f"{path} cannot be read: {error!r}", hint="Move it away; the packet is taken anew."
        ) from error
