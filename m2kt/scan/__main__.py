"""``python -m m2kt.scan FILE``: the verdict as JSON on stdout; exit status 0 when it passed, 1 when it did not.

With M2KT_LIFELINE the scan ends when its stdin does; M2KT_SCAN_MEMORY_MIB and M2KT_SCAN_SECONDS bound what hostile
bytes can make it use. The kernel holds it to both, whatever the interpreter is busy with.
"""

import json
import os
import resource
import sys
from collections.abc import Mapping
from pathlib import Path

from m2kt.lifeline import LIFELINE, watch
from m2kt.scan import scan

USAGE = 2


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m m2kt.scan FILE", file=sys.stderr)
        return USAGE
    _confine(os.environ)
    try:
        data = Path(arguments[0]).read_bytes()
    except OSError as error:
        print(f"cannot read {arguments[0]}: {error.strerror}", file=sys.stderr)
        return USAGE
    verdict = scan(data)
    print(json.dumps(verdict.to_dict()))
    return 0 if verdict.passed else 1


def _confine(told: Mapping[str, str]) -> None:
    """Hold this process to what its environment allows it."""
    if LIFELINE in told:
        watch(told[LIFELINE])
    for name, kind, unit in (
        ("M2KT_SCAN_MEMORY_MIB", resource.RLIMIT_AS, 1 << 20),
        ("M2KT_SCAN_SECONDS", resource.RLIMIT_CPU, 1),
    ):
        if name in told:
            most = int(float(told[name]) * unit) or 1
            resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
