"""``python -m broker.worker``."""

import sys

from broker.settings import Settings
from broker.worker.process import run
from m2kt.errors import M2KTError


def main() -> int:
    try:
        return run(Settings.from_environment())
    except M2KTError as error:
        print(f"{error.detail}\n{error.hint}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
