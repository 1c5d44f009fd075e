"""docs/jobs.md names, for every failure of other queues, the test that shows why it cannot happen here."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PLACES = {
    "ledger": "tests/broker/worker/test_ledger.py",
    "attempt": "tests/broker/worker/test_attempt.py",
    "kinds": "tests/broker/worker/test_kinds.py",
    "process": "tests/broker/worker/test_process.py",
    "upkeep": "tests/broker/worker/test_upkeep.py",
    "leases": "tests/broker/api/test_leases.py",
    "jobs": "tests/broker/api/test_jobs.py",
    "child": "tests/m2kt/agent/test_child.py",
}


def test_every_test_that_the_table_of_failures_names_is_there():
    page = (ROOT / "docs" / "jobs.md").read_text()
    table = page.partition("## What goes wrong elsewhere")[2].partition("## Figures")[0]
    promised = [
        (place, name)
        for row in table.splitlines()
        for place, names in re.findall(r"\b(\w+): ((?:`[a-z_0-9]+(?:\.\.\.)?`(?:, )?)+)", row)
        for name in re.findall(r"`([a-z_0-9]+)", names)
    ]
    assert len(promised) > 25
    for place, name in promised:
        assert f"def test_{name}" in (ROOT / PLACES[place]).read_text(), f"{place}: {name}"
