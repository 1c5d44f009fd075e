"""``python -m bench.dashboard --json``: the pages of a broker with 100,000 versions, a log of a million entries and a
lineage of 2,000 packets.

A broker of its own in a temporary directory, filled by `bench.estate`; somebody signed in as an administrator looks.

- ``pages``: for each sort of page the 95th percentile, in milliseconds, from the request to the first byte of the
  answer; over first, middle and last pages of lists, over common and rare filters;
- ``healthz_ms``: of ``/healthz``, likewise: what client, server and a busy machine cost without any page;
- ``html_kb_max``: the longest page, uncompressed; ``script_kb``: all scripts together, as the broker sends them (gzip);
  ``script_kb_plain``: the most that one page loads, uncompressed;
- ``lineage_ms``: 95th percentile of the page with the lineage of the packet that 2,000 descend from, drawn, one to
  three steps deep;
- ``browser_verify_ms``: from the click on *verify* to the last verdict, in Chromium, for a packet of 2 MiB (median);
- ``axe_serious``, ``csp_violations``: findings of axe-core (serious and critical) on every sort of page in both themes,
  and what the browser refused because of the pages' policy meanwhile.
"""

import argparse
import http.client
import json
import random
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Page

from bench import browsing, estate
from bench.embedded import Stack, embedded, percentile
from bench.estate import Estate

VERSIONS = 100_000
TRIES = 60
WARM = 3
KIB = 1024
VERIFICATIONS = 5
LINEAGE = ("", "down=2", "up=1&down=3", "down=3&row=2")
LOADED = """() => performance.getEntriesByType("resource").filter(e => e.name.endsWith(".js"))
  .reduce((sum, e) => sum + e.decodedBodySize, 0)"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.dashboard", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--versions", type=int, default=VERSIONS)
    parser.add_argument("--leaves", type=int, default=estate.LEAVES)
    told = parser.parse_args()
    found = run(told.versions, told.leaves)
    print(json.dumps(found) if told.json else "\n".join(f"{name:20} {value}" for name, value in found.items()))
    return 0


def run(versions: int, leaves: int, tries: int = TRIES) -> dict[str, Any]:
    """The figures."""
    with embedded({"M2KT_REQUESTS_PER_MINUTE": "0"}) as stack:
        held = estate.build(stack, versions, leaves)
        with stack.client() as admin:
            cookie = browsing.sign_in(admin, stack.url, "bench", "admin")
        sorts = pages(held, versions)
        reader = Reader(stack.url, cookie)
        with closing(reader):
            floor = reader.p95(["/healthz"], tries)
            timed = {name: _told(name, reader.p95(paths, tries)) for name, paths in sorts.items()}
            lineage = reader.p95([f"/packets/{held.packet}?{each}" for each in LINEAGE], tries)
        return {
            "versions": versions,
            "log_leaves": leaves,
            "pages": timed,
            "slowest_ms": max(timed.values()),
            "healthz_ms": floor,
            "html_kb_max": round(reader.longest / KIB, 1),
            "script_kb": scripts(stack.url),
            "lineage_ms": lineage,
            **_looked_at(stack, cookie, held, sorts),
        }


def _told(name: str, milliseconds: float) -> float:
    """Said at once, too: the whole takes minutes."""
    print(f"{name} {milliseconds} ms", file=sys.stderr, flush=True)
    return milliseconds


def pages(held: Estate, versions: int) -> dict[str, list[str]]:
    """Each sort of page, with addresses of its kind."""
    shares = (99, 75, 50, 25, 5, 1)
    cursors = ["", *(f"cursor={max(1, versions * share // 100)}" for share in shares)]
    filters = ["state=rejected", "state=expired", "domain=chains", "domain=domain10", "teacher=model+50", "tag=rare"]
    filters += ["q=skill", "q=team7+knowledge", "q=nothing", "q=team7&state=revoked", "domain=chains&tag=some"]
    entries = [f"/log?before={held.leaves * share // 100}" for share in shares]
    return {
        "overview": ["/"],
        "packets": [f"/packets?{each}" for each in cursors],
        "search": [f"/packets?{each}" for each in filters],
        "nearest": [f"/packets/{held.concept_of}/concepts/{number}" for number in range(2)],
        "reviews": ["/reviews"],
        "review": [f"/packets/{each}/review" for each in held.waiting],
        "jobs": ["/jobs", "/jobs?state=dead", "/jobs?state=running", "/jobs?kind=extract", "/jobs?cursor=50000"],
        "job": [f"/jobs/{each}" for each in held.jobs],
        "agents": ["/agents", "/agents?after=100"],
        "agent": [f"/agents/agent{number}" for number in range(20)],
        "channels": ["/channels"],
        "keys": ["/keys"],
        "log": ["/log", *entries, f"/log?old={held.leaves // 3}"],
        "health": ["/health"],
        "accounts": ["/accounts"],
        "account": ["/account"],
        "packet": [f"/packets/{held.packet}"],
        "verification": [f"/packets/{held.packet}/verification"],
        "contents": [f"/packets/{each}/contents" for each in held.known],
        "difference": [f"/packets/{held.known[1]}/difference?against={held.known[0]}"],
    }


class Reader:
    """One connection, as a browser has it; ``longest`` is the longest page that it saw."""

    def __init__(self, url: str, cookie: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        self._headers = {"Cookie": f"m2kt={cookie}"}
        self.longest = 0

    def p95(self, paths: list[str], tries: int) -> float:
        """Milliseconds to the first byte; a page that is not there fails the run."""
        dice = random.Random(1)
        for path in [*paths, *paths[:1] * WARM]:
            self._first_byte(path)
        return round(1000 * percentile([self._first_byte(dice.choice(paths)) for _ in range(tries)], 0.95), 1)

    def _first_byte(self, path: str) -> float:
        begun = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        seconds = time.perf_counter() - begun
        body = answer.read()
        assert answer.status == 200, f"{path}: {answer.status}"
        self.longest = max(self.longest, len(body))
        return seconds

    def close(self) -> None:
        self._connection.close()


def scripts(url: str) -> float:
    """KiB that a browser has to fetch for all scripts, as the broker sends them."""
    names = [each.name for each in files("broker.dashboard").joinpath("static").iterdir() if each.name.endswith(".js")]
    sent = 0
    with httpx.Client(base_url=url) as plain:
        for name in names:
            with plain.stream("GET", f"/static/{name}", headers={"Accept-Encoding": "gzip"}) as answer:
                sent += sum(len(each) for each in answer.iter_raw())
    return round(sent / KIB, 1)


def _looked_at(stack: Stack, cookie: str, held: Estate, sorts: Mapping[str, list[str]]) -> dict[str, float | int]:
    """What a browser has to say."""
    with browsing.chromium() as browser:
        context = browser.new_context(reduced_motion="reduce")
        context.add_cookies([{"name": "m2kt", "value": cookie, "url": stack.url}])
        page = context.new_page()
        page.set_default_timeout(60_000)
        faults, heaviest = browsing.watch(context, page), 0
        found: list[str] = []
        for paths in sorts.values():
            page.goto(stack.url + paths[0])
            found += browsing.findings(page)
            heaviest = max(heaviest, int(page.evaluate(LOADED)))
        verified = [_verified(page, f"{stack.url}/packets/{held.packet}") for _ in range(VERIFICATIONS)]
        for each in (*found, *faults):
            print(each, file=sys.stderr)
        return {
            "script_kb_plain": round(heaviest / KIB, 1),
            "browser_verify_ms": round(sorted(verified)[VERIFICATIONS // 2]),
            "axe_serious": len(found),
            "csp_violations": len(faults),
        }


def _verified(page: Page, address: str) -> float:
    """Milliseconds from the click to the verdict, which must be a good one."""
    page.goto(address)
    place = page.locator("[data-packet]").first
    begun = time.perf_counter()
    place.get_by_role("button").click()
    page.get_by_text("Verified in this browser.").wait_for()
    return 1000 * (time.perf_counter() - begun)


if __name__ == "__main__":
    sys.exit(main())
