"""``python -m bench.listing --json``: lists and searches over a broker that holds 100,000 versions.

A broker of its own in a temporary directory; the rows are written with COPY, as publishing would have left them (names,
domains, teachers, states and tags of very different frequency; the oldest tenth is revoked), and every request goes
over HTTP. Each figure is the 95th percentile in milliseconds, over first, middle and last pages alike:

- ``p95_ms``: pages of 50 without a filter;
- ``p95_filtered_ms``: pages of 50 by name, domain, teacher, state, tag, words, and by pairs of them, common and rare;
- ``p95_nearest_ms``: the ten concepts nearest to one, signed requests: in spaces that are searched exactly, and in one
  of a third of all concepts that has the index.
- ``p95_healthz_ms``: of ``/healthz`` between them: what client, server and a busy machine cost without any search.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import httpx
import numpy as np

from bench.embedded import Stack, embedded, percentile
from broker.services import concepts
from m2kt.client import Client

VERSIONS = 100_000
CONCEPTS = 2
"""Of each version: 200,000 in all."""

TRIES = 400
PAGE = 50
WIDTH = 64
COPY = (
    "COPY packets (packet_id, kind, name, version, domain, state, reason, teacher, manifest, publisher, publisher_key, "
    "size, content_sha256, concepts_indexed) FROM STDIN"
)
TEACHERS = [0.34, 0.2, 0.1, *[0.36 / 97] * 97]
"""Shares of the teachers in all versions."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.listing", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--versions", type=int, default=VERSIONS)
    told = parser.parse_args()
    found = run(told.versions)
    print(json.dumps(found) if told.json else "\n".join(f"{name:20} {value}" for name, value in found.items()))
    return 0


def run(versions: int, tries: int = TRIES) -> dict[str, float | int]:
    """The figures."""
    with embedded({"M2KT_REQUESTS_PER_MINUTE": "0"}) as stack, httpx.Client(base_url=stack.url) as http:
        fill(stack, versions)
        dice = random.Random(1)
        everything = {"": _cursors(http, "", versions)}
        filtered = {each: _cursors(http, each, versions) for each in _queries(versions)}
        with stack.client() as client:
            near = [_nearest(client, *each) for each in _questions(stack, dice, tries // 2)]
        found = {
            "p95_ms": _p95([_page(http, dice, everything) for _ in range(tries)]),
            "p95_filtered_ms": _p95([_page(http, dice, filtered) for _ in range(tries * 3)]),
            "p95_nearest_ms": _p95(near),
            "p95_healthz_ms": _p95([_healthz(http) for _ in range(tries)]),
        }
        return {"versions": versions, "concepts": versions * CONCEPTS, **found}


def _p95(seconds: list[float]) -> float:
    return round(1000 * percentile(seconds, 0.95), 1)


def fill(stack: Stack, versions: int, searched: int | None = None) -> None:
    """Versions as publishing would have left them, and the concepts of those that are approved: of all, or of the
    newest ``searched``."""
    with stack.database() as database, database.transaction():
        database.execute("SET LOCAL synchronous_commit = off")
        database.execute("INSERT INTO blobs (sha256, size) VALUES ('sha256:bench', 1)")
        with database.cursor() as cursor, cursor.copy(COPY) as copy:
            for row in _rows(versions):
                copy.write_row(row)
        database.execute(
            "INSERT INTO packet_tags (packet_seq, tag, set_by) SELECT seq, tag, 'bench' FROM packets, "
            "LATERAL (VALUES ('common', seq % 2), ('some', seq % 100), ('rare', seq % 20000)) AS t(tag, rest) "
            "WHERE rest = 0"
        )
        database.execute(
            "INSERT INTO packet_signatures (packet_id, key_id, signature) "
            "SELECT packet_id, publisher_key, '' FROM packets"
        )
        _fill_concepts(database, versions, versions if searched is None else searched)
    with stack.database() as database:
        database.execute("ANALYZE")


def _rows(versions: int) -> Iterator[tuple[Any, ...]]:
    dice = np.random.default_rng(1)
    teachers = dice.choice(len(TEACHERS), size=versions, p=TEACHERS)
    for number in range(versions):
        state = "revoked" if number < versions // 10 else ("rejected" if number % 50 == 0 else "approved")
        teacher, name, domain = int(teachers[number]), f"team{number % 50}/skill-{number % 2000}", _domain(number)
        described = {"name": f"model {teacher}", "weights_sha256": _weights(teacher)}
        manifest = {"name": name, "tensors": [{"name": f"t/{n}", "sha256": "0" * 64} for n in range(20)]}
        yield (
            f"sha256:{sha256(b'%d' % number).hexdigest()}", "knowledge", name, f"1.{number}.0", f"{domain}@1.0.0",
            state, "because", json.dumps(described), json.dumps(manifest), f"agent{number % 20}", "0" * 64, 1000,
            "sha256:bench", True,
        )  # fmt: skip


def _domain(number: int) -> str:
    return "chains" if number % 2 else f"domain{number % 300}"


def _weights(teacher: int) -> str:
    return f"sha256:{sha256(b'teacher %d' % teacher).hexdigest()}"


def _fill_concepts(database: Any, versions: int, searched: int) -> None:
    """Concepts lie around a few hundred directions per teacher, as those of skills that are taught again do."""
    for teacher in range(len(TEACHERS)):
        database.execute(
            "INSERT INTO concept_spaces (weights_sha256, operator, width) VALUES (%s, 'attribution', %s)",
            (_weights(teacher), WIDTH),
        )
    spaces = dict(database.execute("SELECT weights_sha256, id FROM concept_spaces").fetchall())
    rows = database.execute(
        "SELECT seq, teacher_weights FROM packets WHERE state = 'approved' ORDER BY seq DESC LIMIT %s", (searched,)
    ).fetchall()
    dice = np.random.default_rng(2)
    middles = dice.normal(size=(300, WIDTH))
    database.execute("DROP INDEX ix_concept_vectors_code")
    copy_into = "COPY concept_vectors (packet_seq, concept, space, code) FROM STDIN"
    with database.cursor() as cursor, cursor.copy(copy_into) as copy:
        for seq, weights in rows:
            chosen = middles[dice.integers(300, size=CONCEPTS)] + 0.3 * dice.normal(size=(CONCEPTS, WIDTH))
            for number, code in enumerate(concepts.encode(chosen.astype(np.float32))):
                copy.write_row((seq, number, spaces[weights], concepts.literal(code)))
    database.execute("SET LOCAL maintenance_work_mem = '512MB'")
    # As the migration makes it; after the rows, because that is ten times faster.
    database.execute("CREATE INDEX ix_concept_vectors_code ON concept_vectors USING hnsw (code halfvec_l2_ops)")
    database.execute(
        "UPDATE concept_spaces s SET vectors = (SELECT count(*) FROM concept_vectors v WHERE v.space = s.id)"
    )


def _queries(versions: int) -> list[str]:
    first, other = f"teacher={_weights(0)}", "teacher=model+50"
    single = ["name=team7/skill-7", "domain=chains", "domain=chains@1.0.0", "domain=domain10", first, other]
    single += ["state=approved", "state=revoked", "state=rejected", "tag=common", "tag=some", "tag=rare"]
    single += ["q=skill", "q=team7", "q=chains+knowledge", "q=nothing", f"q=1+{versions - 5}+0", "q=model+50"]
    pairs = ["state=revoked&domain=chains", "state=rejected&q=skill", "tag=common&state=revoked", "tag=rare&q=team7"]
    pairs += [f"{first}&state=revoked", "domain=chains&tag=some", "q=team7&state=revoked", f"{other}&domain=domain10"]
    return [*single, *pairs, "name=team7/skill-7&state=approved&domain=chains"]


def _cursors(http: httpx.Client, query: str, versions: int) -> list[str]:
    """Pages to ask for: the first, some in the middle, and the last ones."""
    asked = [f"&cursor={max(1, versions * share // 100)}" for share in (99, 90, 75, 50, 25, 12, 5, 1)]
    http.get(f"/v1/packets?{query}&limit={PAGE}").raise_for_status()
    return ["", *asked]


def _page(http: httpx.Client, dice: random.Random, queries: dict[str, list[str]]) -> float:
    query = dice.choice(list(queries))
    path = f"/v1/packets?{query}&limit={PAGE}{dice.choice(queries[query])}"
    begun = time.perf_counter()
    answer = http.get(path)
    seconds = time.perf_counter() - begun
    assert answer.status_code == 200, answer.text
    if seconds > 0.05:
        print(f"{seconds * 1000:.0f} ms {path} {len(answer.json()['items'])}", file=sys.stderr)
    return seconds


def _questions(stack: Stack, dice: random.Random, count: int) -> Iterator[tuple[str, int]]:
    """Half of them in the largest space, half anywhere."""
    with stack.database() as database:
        rows = {
            where: [row[0] for row in database.execute(f"{_PACKETS} {where} ORDER BY random() LIMIT 500").fetchall()]
            for where in (f"AND teacher_weights = '{_weights(0)}'", "")
        }
    for number in range(count):
        yield dice.choice(list(rows.values())[number % 2]), number % CONCEPTS


def _healthz(http: httpx.Client) -> float:
    begun = time.perf_counter()
    http.get("/healthz").raise_for_status()
    return time.perf_counter() - begun


_PACKETS = "SELECT packet_id FROM packets WHERE state = 'approved'"


def _nearest(client: Client, packet_id: str, concept: int) -> float:
    begun = time.perf_counter()
    found = client.nearest(packet_id, concept, limit=10)
    seconds = time.perf_counter() - begun
    assert len(found["items"]) == 10
    return seconds


if __name__ == "__main__":
    sys.exit(main())
