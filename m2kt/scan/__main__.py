"""``python -m m2kt.scan FILE``: the verdict as JSON on stdout; exit status 0 when it passed, 1 when it did not."""

import json
import sys
from pathlib import Path

from m2kt.scan import scan

USAGE = 2


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m m2kt.scan FILE", file=sys.stderr)
        return USAGE
    try:
        data = Path(arguments[0]).read_bytes()
    except OSError as error:
        print(f"cannot read {arguments[0]}: {error.strerror}", file=sys.stderr)
        return USAGE
    verdict = scan(data)
    print(json.dumps(verdict.to_dict()))
    return 0 if verdict.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
