"""Commands for packets of static concepts: ground one beside a student, and ask the student with it (docs/real.md)."""

from pathlib import Path
from typing import Annotated, Any

import typer

from m2kt.agent.child import run_child
from m2kt.cli.bars import bars
from m2kt.cli.edge import printable
from m2kt.cli.encoders import (
    AnchorFile,
    Encoder,
    GgufFile,
    GgufSha256,
    Layer,
    Model,
    Pool,
    Prompt,
    Settings,
    Threads,
    spec_of,
)
from student_agent.heads import Heads

StateDir = Annotated[Path, typer.Option(help="Where this student keeps the packets that it took.")]


def mount(app: typer.Typer) -> None:
    """Add the commands of this module to ``app``."""
    app.command()(ground)
    app.command()(classify)


def ground(
    packet: Annotated[Path, typer.Argument(help="The packet of static concepts (m2kt packet pull).")],
    anchors: Annotated[Path, typer.Option(help="The same teacher's packet of anchors.")],
    set_: AnchorFile,
    trust: Annotated[Path, typer.Option(help="Directory of public keys of teachers, or one key file.")],
    state: StateDir,
    model: Model = None,
    encoder: Encoder = None,
    settings: Settings = None,
    pool: Pool = None,
    layer: Layer = None,
    prompt: Prompt = None,
    gguf_file: GgufFile = None,
    gguf_sha256: GgufSha256 = None,
    direction: Annotated[
        str | None,
        typer.Option(
            help="teacher-to-student, student-to-teacher, relative, through-anchors; else the better of the first two."
        ),
    ] = None,
    allow_same_family: Annotated[
        list[str] | None, typer.Option(help="A packet name or base family to take although it is the student's own.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of folds and samples.", min=0)] = 0,
    threads: Threads = None,
    log: Annotated[Path, typer.Option(help="Log of the child process.")] = Path("ground.log"),
) -> None:
    """Fit both models' spaces on the anchors, learn a head from the packet, put it in force beside the student."""
    given = {name: value for name, value in locals().items() if name not in ("set_", "state", "log")}
    spec = spec_of({**given, "set": set_, "allow_same_family": allow_same_family or []})
    heads = Heads(state)
    with heads.scratch() as fresh, bars() as show:
        found = run_child("student_agent", "ground", {**spec, "out": str(fresh)}, on_progress=show, log=log)
        heads.adopt(fresh, found)
    typer.echo(_told(found))


def _told(found: dict[str, Any]) -> str:
    lines = [
        f"{found['packet_id']}  {found['packet']}",
        f"{found['concepts']} concepts, symbols: {', '.join(found['symbols'])}",
        f"map {found['direction']}: explains {found['explained']:.3f} of held-out anchors, "
        f"residual {found['residual']:.3f}",
        f"coverage: {found['coverage']:.3f} of the concepts lie among the anchors (median {found['away']:.2f})",
    ]
    if found["symbols_without_concepts"]:
        lines.append(f"no concept says, so no answer will be: {', '.join(found['symbols_without_concepts'])}")
    lines.append("in force; nothing has judged it here: `classify --labelled FILE` tells how often it is right")
    return printable("\n".join(lines))


def classify(
    state: StateDir,
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to classify.")] = None,
    model: Model = None,
    file: Annotated[Path | None, typer.Option(help="Inputs, one a line (or .npz of images).")] = None,
    labelled: Annotated[
        Path | None, typer.Option(help="TEXT, tab, LABEL a line (or .npz): print how often the head is right.")
    ] = None,
    packet: Annotated[str | None, typer.Option(help="Which head: a packet's id, name or name@version.")] = None,
    threads: Threads = None,
) -> None:
    """Say which symbol each input belongs to, by a head in force: symbol, confidence, input, with tabs between."""
    from student_agent.classify import classify as answer  # loads torch
    from student_agent.classify import score

    head = Heads(state).find(packet)
    if labelled:
        typer.echo(score(head, model, labelled, threads))
    if texts or file or not labelled:
        for each in answer(head, model, texts or [], file, threads):
            typer.echo(printable(each.symbol) + f"\t{each.confidence:.3f}\t{printable(each.item)}")
