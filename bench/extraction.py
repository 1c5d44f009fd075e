"""An extraction costs little more than the passes through the teacher that it is made of, grows linearly with the
probes, and holds no more memory for more of them.

    python -m bench.extraction --json [--probes 1500] [--times 4] [--operator attribution]

Each run is a process of its own, on one thread; time is processor time, so that other work on the machine counts less.
The *bare passes* are the very sequences that the extraction gave its teacher (probes to be continued, chains, swaps,
and the chains with gradients), recorded and run again, plainly: grouped by length, as large as the device takes them,
with nothing done between them. `ratio` is the extraction's time over theirs.

    ratio            at most 1.5 is claimed
    linearity        time per probe with `times` as many probes over time per probe: at most about 1
    memory_growth    peak resident memory with `times` as many probes over that without; all but the first `probes`
                     probes stream
"""

import json
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from m2kt.domains import load as load_domain
from m2kt.neural.forward import batched, rows_per_batch
from m2kt.neural.models import LanguageModel, load, offline, set_threads
from teacher_agent.extract import Extraction, extract
from teacher_agent.settings import Operator, Settings

TEACHER = Path(__file__).parents[1] / "examples" / "models" / "teacher"
MEBIBYTE = 2**20
REPLAYS = 3

Json = dict[str, Any]


@dataclass
class Recorder:
    """A model that notes every pass: stands in for the teacher's own."""

    model: Any
    written: list[Json] = field(default_factory=list)
    passed: list[Tensor] = field(default_factory=list)
    looked: list[Tensor] = field(default_factory=list)  # with attention
    derived: list[tuple[Tensor, int]] = field(default_factory=list)  # embedded chains, and how many gradients

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def __call__(self, **given: Any) -> Any:
        if "inputs_embeds" in given:
            self.derived.append((given["inputs_embeds"], 0))
        elif given.get("output_attentions"):
            self.looked.append(given["input_ids"])
        else:
            self.passed.append(given["input_ids"])
        return self.model(**given)

    def generate(self, **given: Any) -> Any:
        self.written.append(given)
        return self.model.generate(**given)

    @contextmanager
    def counting_gradients(self) -> Iterator[None]:
        """Meanwhile every gradient belongs to the last embedded chains."""
        real = torch.autograd.grad

        def grad(*given: Any, **named: Any) -> Any:
            embedded, count = self.derived[-1]
            self.derived[-1] = embedded, count + 1
            return real(*given, **named)

        torch.autograd.grad = grad
        try:
            yield
        finally:
            torch.autograd.grad = real


def replay(lm: LanguageModel, seen: Recorder) -> None:
    """The same sequences again, and nothing else."""
    with torch.inference_mode():
        for given in seen.written:
            lm.model.generate(**given)
        by_length: dict[int, list[Tensor]] = defaultdict(list)
        for ids in seen.passed:
            by_length[ids.shape[1]].append(ids)
        for length, parts in by_length.items():
            ids = torch.cat(parts)
            for rows in batched(len(ids), rows_per_batch(lm, length)):
                lm.model(input_ids=ids[rows], use_cache=False)
        before = lm.model.config._attn_implementation
        lm.model.set_attn_implementation("eager")
        for ids in seen.looked:
            lm.model(input_ids=ids, output_attentions=True, use_cache=False)
        lm.model.set_attn_implementation(before)
    for embedded, count in seen.derived:
        logits = lm.model(inputs_embeds=embedded, use_cache=False).logits
        for place in range(count):
            torch.autograd.grad(logits[:, -1 - place].max(-1).values.sum(), embedded, retain_graph=True)


def teacher() -> LanguageModel:
    offline()
    set_threads(1)
    return load(TEACHER)


def run(lm: LanguageModel, probes: int, surveyed: int, operator: Operator) -> tuple[Extraction, float]:
    """One extraction and its seconds of processor time."""
    settings = Settings(operator=operator, probes=probes, surveyed=surveyed, least_support=2)
    started = time.process_time()
    found = extract(lm, load_domain("chains"), settings, lambda *_: None)
    return found, time.process_time() - started


def timed(probes: int, operator: Operator) -> Json:
    """An extraction, and its bare passes."""
    lm = teacher()
    extract(lm, load_domain("chains"), Settings(probes=300, least_support=1, least_chains=10, floor=0), lambda *_: None)
    recorder = Recorder(lm.model)
    watched = LanguageModel(recorder, lm.tokenizer, lm.device, lm.directory)
    with recorder.counting_gradients():
        found, seconds = run(watched, probes, probes, operator)
    bare = []
    for _ in range(REPLAYS):
        started = time.process_time()
        replay(lm, recorder)
        bare.append(time.process_time() - started)
    middle = sorted(bare)[REPLAYS // 2]
    return {
        "seconds": round(seconds, 2),
        "bare_seconds": round(middle, 2),
        "ratio": round(seconds / middle, 3),
        "concepts": len(found.knowledge.centroids),
        "queries": found.queries,
        "sequences": sum(len(each["input_ids"]) for each in recorder.written) + sum(map(len, recorder.passed)),
        "gradients": sum(count for _, count in recorder.derived),
    }


def plain(probes: int, surveyed: int, operator: Operator) -> Json:
    """An extraction that nobody watches, and the memory that its process took at most."""
    _, seconds = run(teacher(), probes, surveyed, operator)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "peak_mib": round(peak / MEBIBYTE, 1)}


def child(what: str, *numbers: int, operator: Operator) -> Json:
    command = [sys.executable, "-m", "bench.extraction", f"--{what}", ",".join(map(str, numbers))]
    out = subprocess.run([*command, "--operator", operator], check=True, capture_output=True, text=True)
    found: Json = json.loads(out.stdout)
    return found


def measure(probes: int, times: int, operator: Operator) -> Json:
    """Everything, in three processes one after the other."""
    found = child("timed", probes, operator=operator)
    short, long = (child("plain", each * probes, probes, operator=operator) for each in (1, times))
    return {
        "operator": str(operator),
        "probes": probes,
        **found,
        "times": times,
        "linearity": round(long["seconds"] / short["seconds"] / times, 3),
        "peak_mib": short["peak_mib"],
        "peak_mib_longer": long["peak_mib"],
        "memory_growth": round(long["peak_mib"] / short["peak_mib"], 3),
    }


def main(
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
    probes: int = 1500,
    times: int = 4,
    operator: Operator = Operator.ATTRIBUTION,
    only_timed: Annotated[str, typer.Option("--timed", hidden=True)] = "",
    only_plain: Annotated[str, typer.Option("--plain", hidden=True)] = "",
) -> None:
    """Print the figures."""
    if only_timed:
        found = timed(int(only_timed), operator)
    elif only_plain:
        count, surveyed = map(int, only_plain.split(","))
        found = plain(count, surveyed, operator)
    else:
        found = measure(probes, times, operator)
    typer.echo(json.dumps(found) if as_json or only_timed or only_plain else json.dumps(found, indent=2))


if __name__ == "__main__":
    typer.run(main)
