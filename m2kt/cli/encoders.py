"""Options that say which model reads and how (`m2kt.neural.chosen`), and how they become a job's specification."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from m2kt.errors import UsageError

Model = Annotated[Path | None, typer.Option(help="Hugging Face directory (encoder or causal LM); it is never written.")]
Encoder = Annotated[
    str | None, typer.Option(help="In place of --model: module:function that makes an encoder of any torch module.")
]
Settings = Annotated[Path | None, typer.Option(help="JSON file for the encoder's function.")]
Pool = Annotated[str | None, typer.Option(help="How the states of a text's tokens become one: mean, last or first.")]
Layer = Annotated[int | None, typer.Option(help="What comes to this layer; -1: the model's last states.")]
Prompt = Annotated[str | None, typer.Option(help="What a text is put into, at {}.")]
GgufFile = Annotated[str | None, typer.Option(help="GGUF file in the model's directory.")]
GgufSha256 = Annotated[str | None, typer.Option(help="The digest that the GGUF must have (sha256:...).")]
AnchorFile = Annotated[Path, typer.Option("--set", help="The anchor set: .txt, a text a line, or .json, a recipe.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads; one is best beside other work.", min=1)]


def spec_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The specification of a job: what was given, paths as texts, the file of settings read."""
    told = {name: value for name, value in given.items() if value is not None and value is not False}
    if "settings" in told:
        told["settings"] = read_settings(told["settings"])
    return {name: _plain(value) for name, value in told.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def read_settings(path: Path) -> dict[str, Any]:
    """The JSON object in a file; `UsageError` says what is wrong with it."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read settings from {path}: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} must hold a JSON object")
    return found
