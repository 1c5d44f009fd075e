"""Knowledge packets against fair distillation on five sequential domains, every control in the same run.

    python -m bench.transfer --quick --json

Quick is one seed with the kept models; otherwise models of three seeds are trained first (hours). Means are over
domains. docs/transfer.md says how each figure is measured, docs/results.md holds the tables (`make experiments`).

- ``te_mean``, ``te_min``: student's accuracy over teacher's on held-out checks kept for the report.
- ``te_corrected_min``: the same after subtracting what the untaught student gets anyway.
- ``far_min``: student's over teacher's accuracy on chains two steps longer than any probe.
- ``kd_te_150k``, ``kd_plateau_te``: the same student, all of it trained on 150,000 outputs; continued on fresh ones.
- ``kd_void_rows``: rows whose plateau is below 0.97 of the teacher: their baseline was not trained out.
- ``answers_only_te``, ``recoverable_te``: packets of decoded answers; of mean logits, without the teacher's space.
- ``control_excess_max``: the best control minus the larger of chance (right form, facts drawn evenly) and untaught.
- ``bytes_ratio``: the packet's tensors over 150,000 outputs as fp16 logits of the symbols decided; the largest.
- ``flops_ratio``: training FLOPs, the teacher's included, over the baseline's to the same accuracy; the mean.
"""

import argparse
import json
import sys

from bench.te.measuring import measure
from bench.te.settings import DOMAINS
from bench.te.summary import figures


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m bench.transfer", description=__doc__.splitlines()[0])
    arguments.add_argument("--json", action="store_true", help="one line of JSON")
    arguments.add_argument("--quick", action="store_true", help="one seed, the kept models")
    arguments.add_argument("--only", nargs="+", choices=DOMAINS, default=list(DOMAINS))
    arguments.add_argument("--workers", type=int, default=2, help="domains side by side, one thread each")
    wanted = arguments.parse_args()
    found = figures(measure(wanted.only, wanted.quick, wanted.workers))
    print(json.dumps(found) if wanted.json else "\n".join(f"{name:20} {value}" for name, value in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
