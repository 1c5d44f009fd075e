"""``python -m broker.audit [--reseal] [--accept] [--former-key FILE ...]``; ``m2kt log audit`` executes it.

Prints one JSON line: the findings, and how much was looked at. Settings come from the environment, as the broker's.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from broker.audit import Report, audit
from broker.audit.reseal import reseal
from broker.db import make_engine, make_sessions
from broker.sealing import SealKey
from broker.services.sequencer import read_keeper
from broker.settings import Settings
from broker.storage.place import open_store
from m2kt.errors import DatabaseAway, M2KTError
from m2kt.signing.keys import load_private


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m broker.audit")
    parser.add_argument("--reseal", action="store_true")
    parser.add_argument("--accept", action="store_true")
    parser.add_argument("--former-key", type=Path, action="append", default=[])
    told = parser.parse_args(arguments)
    try:
        report = run(Settings.from_environment(), told.former_key, again=told.reseal, accept=told.accept)
    except M2KTError as error:
        print(f"{error.detail}\n{error.hint}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(asdict(report)))
    return 0


def run(settings: Settings, former: Sequence[Path], *, again: bool, accept: bool) -> Report:
    """Audit the settings' database as it is at one moment, and seal it anew if that is asked for and is right."""
    key = settings.signing_key()
    seal = SealKey.of(key)
    keeper = read_keeper(key, settings.log_origin, settings.former_broker_keys, settings.log_quorum)
    keys = (seal, *(SealKey.of(load_private(each)) for each in former))
    engine = make_engine(settings.database_url).execution_options(isolation_level="REPEATABLE READ")
    store = open_store(settings.blobs, make_sessions(engine))
    try:
        with Session(engine) as session, session.begin():
            if again:
                return reseal(session, keeper, keys, store, accept=accept)
            return audit(session, keeper, keys, store)
    except OperationalError as error:
        raise DatabaseAway(f"the database does not answer: {type(error.orig).__name__}") from error
    finally:
        engine.dispose()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
