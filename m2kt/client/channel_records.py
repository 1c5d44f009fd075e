"""What rows about channels must say, derived from the statements in the log."""

from collections.abc import Iterable
from datetime import datetime

from m2kt.client.predicates import CHANNEL
from m2kt.client.statements import Said, Statements
from m2kt.client.transport import Json
from m2kt.signing.keys import TrustStore
from m2kt.signing.validity import time_text

_SAME = ("name", "channel", "serial", "version", "by")


class ChannelRecords:
    """Channels and all heads that they had."""

    def __init__(self, statements: Statements, brokers: TrustStore) -> None:
        self._statements, self._brokers = statements, brokers

    def check(self, channels: Iterable[Json], heads: Iterable[Json]) -> None:
        """Each head is as it was signed; serials count from one without a gap, in the log's order; the present head is
        the last."""
        last: dict[tuple[str, str], Json] = {}
        orders: dict[tuple[str, str], float] = {}
        for head in sorted(heads, key=lambda each: int(each["serial"])):
            which = str(head["name"]), str(head["channel"])
            where = f"channel {' '.join(which)}, head {head['serial']}"
            said = self._check_head(where, head)
            if head["serial"] != (last[which]["serial"] if which in last else 0) + 1:
                self._statements.report(where, "the head before it is missing")
            if said is not None:
                if said.order < orders.get(which, -1):
                    self._statements.report(where, "it was logged before the head that it follows")
                orders[which] = said.order
            last[which] = head
        self._check_present({(str(each["name"]), str(each["channel"])): each for each in channels}, last)

    def _check_head(self, where: str, head: Json) -> Said | None:
        said = self._statements.read(head, where, CHANNEL, str(head["packet_id"]), self._brokers)
        if said is None:
            return None
        shown = {each: head[each] for each in _SAME}
        shown["expires"] = time_text(datetime.fromisoformat(str(head["expires"])))
        for name, value in shown.items():
            if said.predicate.get(name) != value:
                self._statements.report(where, f"its {name} is {value}, the log says {said.predicate.get(name)}")
        return said

    def _check_present(self, shown: dict[tuple[str, str], Json], last: dict[tuple[str, str], Json]) -> None:
        for which in sorted({*shown, *last}):
            present = shown.get(which, {}).get("digest")
            if which not in last or present != last[which]["digest"]:
                self._statements.report(f"channel {' '.join(which)}", "it does not show the last head in the log")
