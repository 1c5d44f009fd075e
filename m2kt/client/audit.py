"""Watching a broker from outside: everything that it shows is compared with what it signed and logged.

The audit holds no secret and believes no row. What the log proves is the order of statements; from these it derives
what packets and keys must look like, and names each row that looks otherwise.
"""

from collections.abc import Callable, Set
from dataclasses import dataclass, field
from functools import partial

from m2kt.client.channel_records import ChannelRecords
from m2kt.client.client import Client
from m2kt.client.lifecycle_records import check_outcomes, check_parents
from m2kt.client.logs import LogReader
from m2kt.client.receipts import LogRules
from m2kt.client.records import KeyRecords, PacketRecords
from m2kt.client.statements import Statements
from m2kt.errors import BrokerAway, LogError, M2KTError, NotFound

PENDING_SECONDS = 30
"""How long a statement may wait for the sequencer before its absence from the log is a finding."""


@dataclass(frozen=True)
class Finding:
    """What is wrong, and where: a tile, a leaf, a packet's row, a key's."""

    where: str
    what: str


@dataclass
class Report:
    """An audit's findings, and how much it looked at."""

    findings: list[Finding] = field(default_factory=list)
    counted: dict[str, int] = field(default_factory=dict)

    def add(self, where: str, what: str) -> None:
        found = Finding(where, what)
        if found not in self.findings:
            self.findings.append(found)

    def include(self, other: "Report", of: str) -> None:
        """Another audit's findings, and what it looked at: the ``of``'s."""
        for each in other.findings:
            self.add(each.where, each.what)
        self.counted |= {f"{of}_{name}": count for name, count in other.counted.items()}


def audit(client: Client, rules: LogRules, *, contents: bool = False) -> Report:
    """Look at everything once:

    1. the checkpoint: its signatures, its age, and that it grew out of the one that is remembered;
    2. the tree: entries and tiles give the signed root;
    3. agents and their keys: as the broker's logged statements about keys have them;
    4. channels: each head as it was signed, the last one shown;
    5. packets: each row, signature and statement as the logged statements have it; with ``contents`` (the client's key
       may pull) the bytes as well;
    6. the rest: no entry stands in the log whose statement is not shown.

    A broker that cannot be asked is an error; all that is wrong with its answers is in the report.
    """
    report, reader = Report(), LogReader(client, rules)
    # 1.
    brokers = client.broker_keys()
    try:
        seen = reader.checkpoint(brokers)
    except (LogError, NotFound) as error:
        report.add("checkpoint", f"{error.code}: {error.detail}")
        return report
    # 2.
    tree = reader.tree(seen, report.add)
    statements = Statements(tree.places, rules.clock(), PENDING_SECONDS, report.add)
    # 3.
    keys = KeyRecords(statements, brokers)
    _survive(report, "agents", lambda: keys.check(client.agents(), client.key_statements()))
    # 4.
    channels = ChannelRecords(statements, brokers)
    _survive(report, "channels", lambda: channels.check(client.channels(limit=200), client.channel_heads()))
    # 5.
    records = PacketRecords(statements, brokers, keys.holders, client.trust, client if contents else None)
    packets = [str(each["packet_id"]) for each in client.list(limit=200, yanked=True)]
    known = set(packets)
    for each in packets:
        _survive(report, f"packet {each}", partial(_check_packet, records, client, each, known, report))
    # 6.
    for index in sorted(statements.unclaimed):
        report.add(f"leaf {index}", "no statement is shown for this entry: a row is missing, or was changed")
    report.counted = {"entries": len(tree.entries), "packets": len(packets), "keys": len(keys.holders)}
    return report


def _check_packet(records: PacketRecords, client: Client, packet_id: str, known: Set[str], report: Report) -> None:
    row, where = client.show(packet_id), f"packet {packet_id}"
    told = records.check(row, client.attestations(packet_id))
    check_parents(where, row, client.parents(packet_id), known, report.add)
    if told:
        check_outcomes(where, client.outcomes(packet_id), told, report.add)


def _survive(report: Report, where: str, look: Callable[[], None]) -> None:
    """One record that the broker cannot show, or that makes no sense, does not hide the others."""
    try:
        look()
    except BrokerAway:
        raise
    except (M2KTError, KeyError, ValueError, TypeError, AttributeError) as error:
        report.add(where, f"it cannot be read: {type(error).__name__}: {error}")
