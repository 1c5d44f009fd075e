"""A large broker for `bench.dashboard`: 100,000 versions, a log of a million entries, a lineage of 2,000, jobs, agents.

Rows are written with COPY, as the broker would have left them; the log's tiles and its checkpoint are those of its
entries, signed with the broker's key, so that its sequencer goes on with them.
"""

import time
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import psycopg

from bench import listing
from bench.embedded import Stack
from broker.services.sequencer import _LOCK, read_keeper
from m2kt.client import Client
from m2kt.log import Checkpoint, issue, tiles, tree
from m2kt.packet import Array, DomainRef, Extraction, Manifest, Packet, PacketKind, Teacher, build_packet, ledger
from m2kt.packet.merkle import leaf_hash
from m2kt.signing import sign_packet
from m2kt.signing.keys import PrivateKey, generate, load_private
from tests.small import small_packet

LEAVES = 1_000_000
DESCENDANTS = 2_000
JOBS = 100_000
AGENTS = 200
SEARCHED = 10_000
"""Versions whose concepts can be found here: the index over all of them takes minutes, and `bench.listing` has it."""
ROWS_OF_STATES = 32
PATIENCE = 120.0
MIB = 1024 * 1024
"""Of the one real packet: what a browser verifies."""


@dataclass(frozen=True)
class Estate:
    """Names of what pages show."""

    packet: str
    """The real one, of 2 MiB, from which 2,000 others descend."""
    known: tuple[str, str]
    """Two versions of a packet of knowledge, whose concepts pages show and compare."""
    concept_of: str
    waiting: list[str]
    jobs: list[str]
    leaves: int


def build(stack: Stack, versions: int, leaves: int) -> Estate:
    """Fill a broker that was started just now."""
    _log(stack, leaves)
    listing.fill(stack, versions, searched=SEARCHED)
    with stack.client() as admin:
        _agents(admin)
        packet = _approved(admin, _large(), stack.admin)
        known = _approved(admin, _known("1.0.0"), stack.admin), _approved(admin, _known("1.1.0"), stack.admin)
        job = admin.submit_job("noop", {"seconds": 0})["id"]
    with stack.database() as database:
        _lineage(database, packet)
        _waiting(database)
        _jobs(database)
        database.execute("ANALYZE")
        waiting = _column(database, "SELECT packet_id FROM packets WHERE state = 'quarantined' LIMIT 20")
        jobs = _column(database, "SELECT id::text FROM jobs ORDER BY seq DESC LIMIT 20")
        concept = _column(
            database,
            "SELECT packet_id FROM packets WHERE state = 'approved' AND name NOT LIKE 'bench/%' "
            "ORDER BY seq DESC LIMIT 1",
        )
        return Estate(packet, known, concept[0], waiting, [job, *jobs], leaves)


def _column(database: psycopg.Connection[Any], query: str) -> list[str]:
    return [row[0] for row in database.execute(query).fetchall()]


def _log(stack: Stack, leaves: int) -> None:
    """Nobody else integrates meanwhile: the sequencer's own lock is held."""
    key = load_private(stack.runtime.layout.keys / "broker.key")
    keeper = read_keeper(key, None, None, 0)
    entries = [sha256(b"%d" % number).digest() for number in range(leaves)]
    changed = tiles.extend(_no_tile, 0, [leaf_hash(each) for each in entries])
    root = tree.root(tiles.reader(lambda level, index: changed[level, index]), leaves)
    with stack.database() as database, database.transaction():
        database.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        assert not _column(database, "SELECT 1 FROM log_leaves WHERE index IS NOT NULL LIMIT 1"), "the log has begun"
        with database.cursor() as cursor, cursor.copy("COPY log_leaves (entry, kind, index) FROM STDIN") as copy:
            for number, each in enumerate(entries):
                copy.write_row((each, "urn:m2kt:state:v1", number))
        with database.cursor() as cursor, cursor.copy("COPY log_tiles (level, index, hashes) FROM STDIN") as copy:
            for (level, index), hashes in changed.items():
                copy.write_row((level, index, hashes))
        database.execute("DELETE FROM log_checkpoints")
        now = int(_column(database, "SELECT extract(epoch FROM clock_timestamp())")[0])
        note = issue(Checkpoint(keeper.origin, leaves, root), key, now).to_bytes().decode()
        database.execute(
            "INSERT INTO log_checkpoints (size, note, time, published) VALUES (%s, %s, %s, true)", (leaves, note, now)
        )


def _no_tile(level: int, index: int) -> bytes:
    raise LookupError(f"tile {level}/{index} of an empty tree")


def _known(version: str) -> Packet:
    return small_packet(version, "bench/known")


def _large() -> Packet:
    """A packet of about 2 MiB."""
    random = np.random.default_rng(1)
    width = 2 * MIB // (4 * ROWS_OF_STATES)
    tensors: dict[str, Array] = {
        "anchors/states": random.normal(size=(ROWS_OF_STATES, width)).astype(np.float32),
        "symbols/embeddings": random.normal(size=(5, 8)).astype(np.float16),
    }
    manifest = Manifest.describe(
        kind=PacketKind.ANCHORS,
        name="bench/real",
        version="1.0.0",
        created="2026-01-31T12:00:00Z",
        domain=DomainRef("chains", "1.0.0"),
        teacher=Teacher("bench", "gpt2", "gpt2", 1000, f"sha256:{'a' * 64}", f"sha256:{'a' * 64}"),
        extraction=Extraction("e1", {"probes": 10}, 1),
        licence="Apache-2.0",
        tensors=tensors,
        ledger=ledger.measure(tensors, 10),
        symbols=("a", "b"),
        leads=("",),
    )
    return build_packet(manifest, tensors)


def _approved(admin: Client, packet: Packet, key: PrivateKey) -> str:
    found: str = admin.publish(sign_packet(packet, key))["packet_id"]
    end = time.monotonic() + PATIENCE
    while admin.show(found)["state"] != "approved":
        assert time.monotonic() < end, f"{found} was not approved in {PATIENCE:g} s"
        time.sleep(0.1)
    return found


def _agents(admin: Client) -> None:
    for number in range(AGENTS):
        role = ("teacher", "student", "worker")[number % 3]
        admin.register_agent(f"agent{number}", role, generate().public_key())


def _lineage(database: psycopg.Connection[Any], root: str) -> None:
    """Three children each, below a packet of which everything else is real."""
    wanted = "SELECT packet_id FROM packets WHERE state = 'approved' AND name NOT LIKE 'bench/%%' ORDER BY seq LIMIT %s"
    rows = [row[0] for row in database.execute(wanted, (DESCENDANTS,)).fetchall()]
    family = [root, *rows]
    with database.cursor() as cursor, cursor.copy("COPY packet_parents (child_id, parent_id) FROM STDIN") as copy:
        for number, child in enumerate(rows, start=1):
            copy.write_row((child, family[(number - 1) // 3]))


def _waiting(database: psycopg.Connection[Any]) -> None:
    database.execute(
        "UPDATE packets SET state = 'quarantined', reason = 'bench' WHERE seq % 500 = 7 AND state = 'approved'"
    )


def _jobs(database: psycopg.Connection[Any]) -> None:
    database.execute(
        "INSERT INTO jobs (id, kind, state, submitter, spec, created, finished, attempt) "
        "SELECT gen_random_uuid(), CASE WHEN n %% 100 = 0 THEN 'extract' ELSE 'noop' END, "
        "CASE WHEN n %% 1000 = 0 THEN 'dead' ELSE 'succeeded' END, 'agent1', '{}', "
        "now() - n * interval '1 second', now() - n * interval '1 second', 1 FROM generate_series(1, %s) AS n",
        (JOBS,),
    )
