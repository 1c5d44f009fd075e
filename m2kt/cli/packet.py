"""``m2kt packet``: what is in a packet file, who signed it, and packets at a broker."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from m2kt.cli import remote, scan
from m2kt.cli.remote import Output, OutputOption, print_table, read_file, show_facts
from m2kt.packet import Packet, container, read_parts
from m2kt.signing import Envelope, KeyId, TrustStore, verify_packet

app = typer.Typer(no_args_is_help=True, help="Look into packets, check their signatures, and exchange them.")

UNCHECKED = "signature not checked (give --trust)"


File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A packet, *.m2kt.")]
Trust = Annotated[Path, typer.Option(exists=True, help="A public key file, or a directory of *.pub files.")]


@app.command()
def inspect(file: File, output: OutputOption = Output.TABLE, trust: Trust | None = None) -> None:
    """Show what a packet says about itself. Says plainly when nobody checked its signature."""
    data = read_file(file)
    parts = container.unpack(data)
    verified = verify_packet(data, TrustStore.from_path(trust)).key_ids if trust else None
    packet, envelope = read_parts(parts), Envelope.from_bytes(parts.envelope)
    if output is Output.TABLE:
        _show(packet, envelope, verified)
    else:
        show_facts(_report(packet, envelope, verified), output)


@app.command()
def verify(
    file: File,
    trust: Annotated[Path, typer.Option(exists=True, help="A public key file, or a directory of *.pub files.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Check structure, digests and signatures; exit 0 only when a trusted key signed exactly this packet."""
    verified = verify_packet(read_file(file), TrustStore.from_path(trust))
    reference, packet_id = verified.packet.manifest.reference, verified.packet.packet_id
    if output is not Output.TABLE:
        show_facts({"packet_id": packet_id, "reference": reference, "signed_by": verified.key_ids}, output)
        return
    typer.echo(f"verified {reference} {packet_id}")
    for each in verified.key_ids:
        typer.echo(f"signed by {each}")


app.add_typer(remote.app)  # its commands stand beside these
app.add_typer(scan.app)


def _report(packet: Packet, envelope: Envelope, verified: tuple[KeyId, ...] | None) -> dict[str, Any]:
    manifest = json.loads(packet.manifest_bytes)
    return {
        "packet_id": packet.packet_id,
        "signature": UNCHECKED if verified is None else "verified",
        "signed_by": list(verified or ()),
        "claimed_keys": [each.keyid for each in envelope.signatures],
        "manifest": manifest,
    }


def _show(packet: Packet, envelope: Envelope, verified: tuple[KeyId, ...] | None) -> None:
    print_table(_facts(packet, envelope, verified))
    print_table(_tensor_table(packet))


def _facts(packet: Packet, envelope: Envelope, verified: tuple[KeyId, ...] | None) -> Table:
    manifest, teacher = packet.manifest, packet.manifest.teacher
    facts = {
        "packet": f"{manifest.reference} ({manifest.kind})",
        "id": packet.packet_id,
        "created": manifest.created,
        "domain": f"{manifest.domain.name}@{manifest.domain.version}",
        "teacher": f"{teacher.name}, {teacher.family} from {teacher.base_family}, {teacher.parameters:,} parameters",
        "licence": manifest.licence,
        "ledger": "\n".join(f"{key} {count:,}" for key, count in sorted(manifest.ledger.items())),
        "signatures": "\n".join(_signature_lines(envelope, verified)),
    }
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, fact in facts.items():
        table.add_row(name, Text(fact))  # Text: a packet's words are no markup
    return table


def _signature_lines(envelope: Envelope, verified: tuple[KeyId, ...] | None) -> list[str]:
    if verified is None:
        return [UNCHECKED, *(f"claims key {ascii(each.keyid)[1:-1] or 'none'}" for each in envelope.signatures)]
    others = len(envelope.signatures) - len(verified)
    return [f"verified, key {each}" for each in verified] + ([f"{others} of keys not trusted here"] if others else [])


def _tensor_table(packet: Packet) -> Table:
    table = Table(title=None, box=None, pad_edge=False)
    for column in ("tensor", "dtype", "shape", "sha256"):
        table.add_column(column, overflow="fold")
    for entry in packet.manifest.tensors:
        shape = "×".join(map(str, entry.shape)) or "scalar"
        table.add_row(entry.name, entry.dtype, shape, entry.sha256.removeprefix("sha256:")[:16])
    return table
