"""How long `import m2kt` takes, and that neither it nor the broker's application loads torch.

python -m bench.startup --json
"""

import json
import statistics
import subprocess
import sys
import time

RUNS = 9
LOADED = "import sys; print('torch' in sys.modules)"
APP = f"import broker.main; broker.main.create_app; {LOADED}"


def main() -> None:
    """Print one JSON line: ``import_ms`` (median, less a bare interpreter's start), ``python_ms``, two booleans."""
    bare = [_milliseconds("pass") for _ in range(RUNS)]
    with_import = [_milliseconds("import m2kt") for _ in range(RUNS)]
    figures = {
        "import_ms": round(statistics.median(with_import) - statistics.median(bare), 1),
        "python_ms": round(statistics.median(bare), 1),
        "import_loads_torch": _says_true(f"import m2kt; {LOADED}"),
        "broker_loads_torch": _says_true(APP),
    }
    print(json.dumps(figures))


def _milliseconds(code: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return 1000 * (time.perf_counter() - started)


def _says_true(code: str) -> bool:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "True\n"


if __name__ == "__main__":
    main()
