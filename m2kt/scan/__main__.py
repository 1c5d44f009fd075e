"""``python -m m2kt.scan FILE``: the verdict as JSON on stdout; exit status 0 when it passed, 1 when it did not.

*Passed* is what may be approved, by itself or (``decision`` says ``review``) by reviewers.

``--policy FILE`` decides by another policy, ``--tier NAME`` by another of its tiers, ``--reference FILE`` (repeatable)
compares with a packet that is trusted more, ``--detonation FILE`` has what a reference student did with it. With
M2KT_LIFELINE the scan ends when its stdin does; M2KT_SCAN_MEMORY_MIB, M2KT_SCAN_SECONDS and M2KT_SCAN_FILES bound what
hostile bytes can make it use, and M2KT_NO_NETWORK=1 takes its network away where the kernel lets a process do that. The
kernel holds it to all of them, whatever the interpreter is busy with.
"""

import argparse
import json
import os
import resource
import sys
from collections.abc import Mapping
from pathlib import Path

from m2kt.errors import M2KTError
from m2kt.lifeline import LIFELINE, watch
from m2kt.packet import Packet, read_packet
from m2kt.scan import Policy
from m2kt.scan.report import report
from m2kt.solitude import SOLITARY, cut_off

USAGE = 2


def main(arguments: list[str]) -> int:
    given = _parser().parse_args(arguments)
    _confine(os.environ)
    try:
        policy = Policy.from_bytes(given.policy.read_bytes()) if given.policy else Policy()
        references = [_read(each) for each in given.reference]
        data = given.file.read_bytes()
        said = report(data, policy, references, given.tier, _measured(given.detonation))
    except OSError as error:
        return _refuse(f"cannot read {error.filename}: {error.strerror}")
    except M2KTError as error:
        return _refuse(f"{error.detail}\nnext: {error.hint}")
    print(json.dumps(said))
    return 0 if said["passed"] else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m m2kt.scan", description="Run the checks on a packet.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--policy", type=Path)
    parser.add_argument("--tier")
    parser.add_argument("--reference", type=Path, action="append", default=[])
    parser.add_argument("--detonation", type=Path)
    return parser


def _measured(path: Path | None) -> dict[str, str] | None:
    """What a reference student was measured to do with the packet."""
    if path is None:
        return None
    found: dict[str, str] = json.loads(path.read_bytes())
    return found


def _read(path: Path) -> Packet:
    return read_packet(path.read_bytes())


def _refuse(detail: str) -> int:
    print(f"error: {detail}", file=sys.stderr)
    return USAGE


def _confine(told: Mapping[str, str]) -> None:
    """Hold this process to what its environment allows it."""
    if told.get(SOLITARY) == "1":
        cut_off()  # first: the lifeline is a thread
    if LIFELINE in told:
        watch(told[LIFELINE])
    for name, kind, unit in (
        ("M2KT_SCAN_MEMORY_MIB", resource.RLIMIT_AS, 1 << 20),
        ("M2KT_SCAN_SECONDS", resource.RLIMIT_CPU, 1),
        ("M2KT_SCAN_FILES", resource.RLIMIT_NOFILE, 1),
    ):
        if name in told:
            most = int(float(told[name]) * unit) or 1
            resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
