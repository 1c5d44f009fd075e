"""``m2kt key``: Ed25519 keys in files, and when they count."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from m2kt.errors import KeyFileError, UsageError
from m2kt.signing import keys
from m2kt.signing.validity import ALWAYS, Validity, parse_time, time_text

app = typer.Typer(no_args_is_help=True, help="Make, list, rotate and revoke signing keys.")

Time = Annotated[datetime | None, typer.Option(parser=parse_time, metavar="2027-01-31T12:00:00Z")]
PublicFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A public key file, *.pub.")]


@app.command()
def generate(
    path: Annotated[Path, typer.Argument(help="Where the private key goes; the public one gets .pub.")],
    not_before: Time = None,
    not_after: Time = None,
) -> None:
    """Make a private key (mode 0600) at PATH and its public half at PATH.pub, valid for ever if nothing is said."""
    _print(_make(path, Validity(not_before, not_after)))


@app.command()
def show(
    path: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A private or public key file.")],
) -> None:
    """Print a key's public half, its id and what limits it; never the private key."""
    if path.suffix == ".pub":
        _print(keys.load_trusted(path))
    else:
        _print(keys.Trusted(keys.load_private(path).public_key()))


@app.command("list")
def list_keys(
    directory: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Directory of *.pub files.")],
) -> None:
    """List the public keys of a directory, and whether each counts now."""
    table, now = Table("name", "id", "counts", box=None, pad_edge=False), datetime.now(UTC)
    for path in sorted(directory.glob("*.pub")):
        found = keys.load_trusted(path)
        table.add_row(path.stem, keys.key_id(found.key), found.validity.fault(now) or "yes")
    Console(width=200, highlight=False).print(table, markup=False)


@app.command()
def rotate(
    old: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The private key to take out of use.")],
    new: Annotated[Path, typer.Argument(help="Where the new private key goes.")],
    overlap: Annotated[int, typer.Option(min=0, help="Hours for which the old key still counts.")] = 24,
) -> None:
    """Make the key that follows another, and let the old one's public file say when it ends.

    What the old key signed until then keeps counting. Tell a broker with `m2kt agent rotate`.
    """
    end = datetime.now(UTC) + timedelta(hours=overlap)
    before = keys.load_trusted(_public_path(old))
    if keys.key_id(before.key) != keys.key_id(keys.load_private(old).public_key()):
        raise UsageError(f"{_public_path(old)} is not the public half of {old}")
    _print(_make(new, ALWAYS))
    held = before.validity
    ends = min(end, held.not_after) if held.not_after else end
    keys.limit_public(_public_path(old), Validity(held.not_before, ends, held.revoked))
    typer.echo(f"{_public_path(old)} counts until {time_text(ends)}")


@app.command()
def revoke(
    path: PublicFile,
    since: Annotated[
        datetime | None, typer.Option(parser=parse_time, help="When it was lost; now if left out.", metavar="TIME")
    ] = None,
) -> None:
    """Write into a public key's file that it counts no more, for whoever trusts this directory.

    What it signed before SINCE still counts where a receipt in the log proves it. A broker is told with
    `m2kt agent revoke`.
    """
    now = datetime.now(UTC)
    held = keys.load_trusted(path).validity
    if since is not None and since > now:
        raise UsageError("a key is revoked now or since a time that has passed")
    revoked = min(each for each in (since or now, held.revoked) if each is not None)  # never made milder
    keys.limit_public(path, Validity(held.not_before, held.not_after, revoked))
    typer.echo(f"{path} is revoked since {time_text(revoked)}")


def _make(path: Path, validity: Validity) -> keys.Trusted:
    public_path = _public_path(path)
    if public_path.exists():
        raise KeyFileError(f"{public_path} exists already", hint="Choose another path: keys are never overwritten.")
    key = keys.generate()
    keys.write_private(path, key)
    keys.write_public(public_path, key.public_key(), validity)
    return keys.Trusted(key.public_key(), validity)


def _public_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.pub")


def _print(found: keys.Trusted) -> None:
    typer.echo(f"public {keys.public_text(found.key)}")
    typer.echo(f"id     {keys.key_id(found.key)}")
    for line in found.validity.lines():
        typer.echo(line)
