"""``python -m broker.worker [--slots N] [--device cuda:0] ...``; ``m2kt worker run`` executes it."""

import os
import sys

from broker.settings import Settings
from broker.worker.options import parse
from broker.worker.process import run
from m2kt.errors import M2KTError


def main() -> int:
    options = parse(sys.argv[1:])
    try:
        return run(Settings.from_environment(), options, os.environ.get("CUDA_VISIBLE_DEVICES"))
    except M2KTError as error:
        print(f"{error.detail}\n{error.hint}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
