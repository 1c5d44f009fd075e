"""The end of every job that makes a packet: sign it, write it, and publish it where that was asked for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from m2kt.client import Client
from m2kt.errors import TooLarge
from m2kt.files import write_atomically
from m2kt.packet import Limits, Packet
from m2kt.signing import PrivateKey, sign_packet


def deliver(packet: Packet, key: PrivateKey, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Sign, write to ``out`` of the spec and, when ``broker`` is given, publish; what a job's result says of it.

    `TooLarge`, with nothing written, for what no reader would accept.
    """
    data = sign_packet(packet, key)
    most = Limits().max_packet_bytes
    if len(data) > most:
        raise TooLarge(
            f"{packet.manifest.reference} would have {len(data)} bytes; readers accept {most}",
            hint="Take fewer concepts (count) or anchors, or split the anchor set.",
        )
    write_atomically(Path(spec["out"]), data)
    published = publish(spec, key, data) if spec.get("broker") else {}
    return {**published, "packet_id": packet.packet_id, "packet": str(spec["out"]), "bytes": len(data)}


def publish(spec: Mapping[str, Any], key: PrivateKey, data: bytes) -> dict[str, Any]:
    """Publish; the broker knows a packet by its id, so a second try after a lost answer changes nothing."""
    with Client(spec["broker"], key, session=spec.get("session")) as client:
        return {"state": client.publish(data, project=spec.get("project"))["state"]}
