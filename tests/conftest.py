"""What every test may ask for: a real Postgres, rolled back, a real Valkey; and the rules of a run.

The servers start once for all xdist workers, when a test first asks. ``M2KT_TEST_DATABASE_URL`` and
``M2KT_TEST_REDIS_URL`` name servers of your own instead.
"""

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.orm import Session

    from m2kt.dev import Addresses
    from tests.stack import Stack

# Before anything loads torch: two workers on two cores, and the same sums on every machine.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

MAY_SKIP = ("gpu", "real", "vision", "browser")
UNMARKED_SKIP = "unmarked-skip"
SERVERS = "servers"


# The servers


def _servers_root(factory: pytest.TempPathFactory) -> Path:
    """One directory for the whole run: an xdist worker's base directory lies in the run's."""
    base = factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / SERVERS


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> "Addresses":
    """The run's own Postgres and Valkey. The first worker starts them, and the run's end (below) ends them."""
    from m2kt.dev import Runtime

    return Runtime(_servers_root(tmp_path_factory)).up(servers_only=True)


@pytest.fixture(scope="session")
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of this worker, dropped at the end (``postgresql+psycopg://``)."""
    import psycopg
    from psycopg.sql import SQL, Identifier
    from sqlalchemy import make_url

    url = os.environ.get("M2KT_TEST_DATABASE_URL") or request.getfixturevalue("servers").database_url
    server = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    name = Identifier(f"m2kt_test_{os.getpid()}")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(name))
        yield make_url(url).set(database=f"m2kt_test_{os.getpid()}").render_as_string(hide_password=False)
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest) -> str:
    """A Redis database of this worker; not emptied between tests."""
    outside = os.environ.get("M2KT_TEST_REDIS_URL")
    if outside:
        return outside
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    url: str = request.getfixturevalue("servers").redis_url
    return f"{url.rpartition('/')[0]}/{int(worker) % 16}"


@pytest.fixture(scope="session")
def migrated_engine(database_url: str) -> Iterator["Engine"]:
    """An engine on the worker's database, with all migrations applied."""
    from sqlalchemy import create_engine

    from m2kt.dev import alembic

    alembic(database_url, "upgrade", "head")
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(migrated_engine: "Engine") -> Iterator["Connection"]:
    """A connection whose transaction is rolled back at the end, whatever commits inside.

    Hand it to ``sessionmaker(connection, join_transaction_mode="create_savepoint")``.
    """
    with migrated_engine.connect() as connection:
        transaction = connection.begin()
        yield connection
        transaction.rollback()


@pytest.fixture
def session(connection: "Connection") -> Iterator["Session"]:
    """A session on `connection`: its commits are savepoints."""
    from sqlalchemy.orm import Session

    with Session(connection, join_transaction_mode="create_savepoint") as session:
        yield session


@pytest.fixture(scope="session")
def running_stack(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Stack]":
    """Broker and worker as processes of their own, with quick heartbeats; one for all tests that share it, so their
    agents and packets need names of their own."""
    from tests.daemons import environment
    from tests.stack import stack

    quick = {"M2KT_BEAT_SECONDS": "0.5", "M2KT_LEASE_SECONDS": "20", "M2KT_APPROVALS": '{"name:reviewed/": 1}'}
    with environment(quick), stack(tmp_path_factory.mktemp("stack")) as found:
        yield found


# The rules of a run


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nightly", action="store_true", help="also run the tests marked nightly")


LONGEST_FILES = (
    "examples/test_demo.py",
    "bench/test_soak.py",
    "bench/test_chaos.py",
    "examples/test_jobs.py",
    "student_agent/test_take.py",
    "examples/test_domains.py",
)
"""Begun first: the last file to begin should be a short one, or one worker waits for the other. (xdist's own order puts
files with the fewest tests last, which are the longest here.)"""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files first; leave the long tests to `make nightly`."""
    rank = {name: number for number, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: rank.get("/".join(item.path.parts[-2:]), len(rank)))
    if config.getoption("--nightly"):
        return
    later = [item for item in items if item.get_closest_marker("nightly")]
    config.hook.pytest_deselected(items=later)
    items[:] = [item for item in items if item not in later]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Note, where the item's markers are known, a skip that no marker announced."""
    report: pytest.TestReport = yield
    if report.skipped and not hasattr(report, "wasxfail") and not any(map(item.get_closest_marker, MAY_SKIP)):
        report.user_properties.append((UNMARKED_SKIP, item.nodeid))
    return report


class SkipJudge:
    """Fails the run when a test was skipped that needs nothing unusual: a green run must mean that all of it ran."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.skipped += [str(node) for name, node in report.user_properties if name == UNMARKED_SKIP]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped.append(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for node in self.skipped:
            terminalreporter.write_line(f"FAILED {node}: skipped, and not marked {', '.join(MAY_SKIP)}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the xdist controller, or the only process
        config.pluginmanager.register(SkipJudge())


@pytest.hookimpl(tryfirst=True)  # before pytest clears its temporary directories
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the run's servers, once, after the last worker."""
    if hasattr(session.config, "workerinput"):
        return
    factory: pytest.TempPathFactory = session.config._tmp_path_factory  # type: ignore[attr-defined]
    root = factory.getbasetemp() / SERVERS
    if root.exists():
        from m2kt.dev import Runtime

        Runtime(root).reset()
