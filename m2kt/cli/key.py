"""``m2kt key``: Ed25519 keys in files."""

from pathlib import Path
from typing import Annotated

import typer

from m2kt.errors import KeyFileError
from m2kt.signing import keys

app = typer.Typer(no_args_is_help=True, help="Make and show signing keys.")


@app.command()
def generate(
    path: Annotated[Path, typer.Argument(help="Where the private key goes; the public one gets .pub.")],
) -> None:
    """Make a private key (mode 0600) at PATH and its public half at PATH.pub."""
    public_path = _public_path(path)
    if public_path.exists():
        raise KeyFileError(f"{public_path} exists already", hint="Choose another path: keys are never overwritten.")
    key = keys.generate()
    keys.write_private(path, key)
    keys.write_public(public_path, key.public_key())
    _print(key.public_key())


@app.command()
def show(
    path: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A private or public key file.")],
) -> None:
    """Print a key's public half and its id; never the private key."""
    private = path.suffix != ".pub"
    _print(keys.load_private(path).public_key() if private else keys.load_public(path))


def _public_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.pub")


def _print(key: keys.PublicKey) -> None:
    typer.echo(f"public {keys.public_text(key)}")
    typer.echo(f"id     {keys.key_id(key)}")
