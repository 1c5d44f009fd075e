"""``python -m m2kt.dev.checks``: on an empty database the migrations apply, match the models, and can be undone."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from m2kt.dev.migrations import alembic
from m2kt.dev.runtime import Runtime
from m2kt.errors import M2KTError

STEPS = (("upgrade", "head"), ("check",), ("downgrade", "base"), ("upgrade", "head"))


def main() -> int:
    """Run the steps on a private Postgres; returns the exit status."""
    with TemporaryDirectory(prefix="m2kt-checks-") as folder:
        runtime = Runtime(Path(folder) / "var")
        try:
            url = runtime.up(servers_only=True).database_url
            for words in STEPS:
                alembic(url, *words)
        except M2KTError as error:
            sys.stderr.write(f"error: {error.detail}\nnext: {error.hint}\n")
            return error.exit_code
        finally:
            runtime.reset()
    return 0


if __name__ == "__main__":
    sys.exit(main())
