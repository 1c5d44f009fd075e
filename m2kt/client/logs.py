"""Reading a broker's log as C2SP has it: the checkpoint, tiles and bundles of entries."""

from dataclasses import dataclass

from m2kt.client.client import Client
from m2kt.client.receipts import LogRules
from m2kt.client.statements import Report
from m2kt.errors import LogError, NotFound
from m2kt.log import Checkpoint, Note, Policy, Seen, open_checkpoint, require_fresh, tiles
from m2kt.log.tiles import Place
from m2kt.packet import merkle
from m2kt.signing.keys import TrustStore


@dataclass(frozen=True)
class Tree:
    """A log's entries as they were logged, in order."""

    seen: Seen
    entries: tuple[bytes, ...]

    @property
    def places(self) -> dict[bytes, int]:
        return {entry: index for index, entry in enumerate(self.entries)}


class LogReader:
    """The log of the broker that ``client`` speaks to, read under ``rules``."""

    def __init__(self, client: Client, rules: LogRules) -> None:
        self._client, self._rules = client, rules

    def checkpoint(self, brokers: TrustStore) -> Seen:
        """The newest checkpoint: signed, cosigned, recent, and grown out of what is remembered."""
        rules, data = self._rules, self._client.resource("checkpoint")
        brokers = rules.counting(brokers)
        origin = rules.origin or Checkpoint.parse(Note.from_bytes(data).text).origin
        policy = Policy(origin, tuple(brokers.values()), rules.witnesses, rules.quorum, rules.max_age)
        seen, now = open_checkpoint(data, policy), int(rules.clock())
        if rules.memory is None:
            require_fresh(seen, policy, now)
            return seen
        if rules.origin is None:
            for key in brokers:
                rules.memory.pin(key, origin)
        return rules.memory.advance(seen, policy, self._client.prove_consistency, now)

    def tree(self, seen: Seen, report: Report) -> Tree:
        """All entries, with every tile compared: the root is derived from the entries and again from the tiles.

        ``report`` is told about each tile and entry that is not what the checkpoint says.
        """
        size = seen.checkpoint.size
        entries = [each for place in tiles.bundles(size) for each in self._bundle(place, report)]
        served = {place: self._tile(place, report) for place in tiles.places(size)}
        hashes = [each for place in served if place.level == 0 for each in tiles.split(served[place])]
        leaves = [merkle.leaf_hash(each) for each in entries]
        entries_hold = merkle.root(leaves) == seen.checkpoint.root
        tiles_hold = merkle.root(hashes) == seen.checkpoint.root
        if not entries_hold and not tiles_hold:
            report("checkpoint", f"neither the entries nor the tiles give the root that was signed for {size} entries")
        self._compare_leaves(leaves, hashes, report, entries_hold=entries_hold)
        self._compare_tiles(leaves if entries_hold else hashes, served, report)
        return Tree(seen, tuple(entries))

    def _bundle(self, place: Place, report: Report) -> list[bytes]:
        try:
            return tiles.decode_entries(self._client.resource(f"tile/{place.path}"), place.width)
        except (LogError, NotFound) as error:
            report(place.path, error.detail)
            return [b""] * place.width

    def _tile(self, place: Place, report: Report) -> bytes:
        try:
            data = self._client.resource(f"tile/{place.path}")
        except (LogError, NotFound) as error:
            report(f"tile {place.path}", error.detail)
            data = b""
        if len(data) != place.width * tiles.HASH_BYTES:
            report(f"tile {place.path}", f"it has {len(data)} bytes, not {place.width * tiles.HASH_BYTES}")
        return data[: place.width * tiles.HASH_BYTES].ljust(place.width * tiles.HASH_BYTES, b"\x00")

    def _compare_leaves(self, leaves: list[bytes], hashes: list[bytes], report: Report, *, entries_hold: bool) -> None:
        """Name each leaf whose entry and hash disagree; where the entries give the root, the tiles are wrong."""
        for index, (leaf, hash_) in enumerate(zip(leaves, hashes, strict=True)):
            if leaf != hash_ and not entries_hold:
                report(f"leaf {index}", "its entry is not what was logged: the tile has another hash")

    def _compare_tiles(self, leaves: list[bytes], served: dict[Place, bytes], report: Report) -> None:
        """Every tile against the one that the leaves give."""
        derived = tiles.extend(lambda *_: b"", 0, leaves)
        for place, data in served.items():
            assert place.level is not None
            if derived[place.level, place.index] != data:
                report(f"tile {place.path}", "its hashes are not those of the entries below it")
