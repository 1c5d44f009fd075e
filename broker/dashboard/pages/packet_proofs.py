"""Verifying a packet from its page: by the broker now, by the browser itself, or far from both with a bundle."""

import base64
import json
from collections.abc import Iterator

from fastapi import Response
from fastapi.responses import StreamingResponse

from broker.dashboard.pages.packet import whom
from broker.dashboard.render import HEADERS, page
from broker.dashboard.route import router as pages
from broker.models import Packet
from broker.schemas.types import MAX_INT, PacketRef
from broker.services import attestations, bundles, packets, provenance, pulling, pulls, verification
from broker.services.accounts import Person
from broker.services.signers import Known
from broker.services.verification import Witness
from broker.storage.driver import driver
from broker.web.deps import Context, ContextDep, SessionDep
from broker.web.people import AuditorDep, ViewerDep
from m2kt.errors import NotFound
from m2kt.scan import Outcome
from m2kt.signing.keys import public_text

router = pages()

MEDIA_TYPE = "application/vnd.m2kt.packet"
HEAD_BYTES = 8 + 8 + 8 * 2**20 + 8 + 4 * 2**20
"""Magic, envelope and manifest at their longest (docs/packet.md, *Container*)."""


def _witness(context: Context) -> Witness:
    return Witness(context.desk.store, context.keeper, context.desk.standing)


@router.get("/packets/{packet_id}/verification")
def verify_now(packet_id: PacketRef, person: ViewerDep, session: SessionDep, context: ContextDep) -> Response:
    """The broker reads the stored bytes again, and verifies them as a student would."""
    steps = verification.verify(session, _witness(context), packet_id)
    failed = [each.name for each in steps if each.outcome == Outcome.FAIL]
    idle = [each.name for each in steps if each.outcome == Outcome.NOT_RUN]
    found = packets.get(session, packet_id)
    return page(person, "packet_verification.html", "packets", packet=found, steps=steps, failed=failed, idle=idle)


@router.get("/packets/{packet_id}/evidence")
def evidence(packet_id: PacketRef, _: ViewerDep, session: SessionDep, context: ContextDep) -> Response:
    """What a browser needs besides the bytes: the receipt, its proof, and whose keys the broker says signed."""
    packet = packets.get(session, packet_id)
    receipt = attestations.receipt(session, packet_id)
    ids = [each.key_id for each in packets.signatures(session, [packet_id])[packet_id]]
    standing, brokers = whom(context)
    told = {
        "state": packet.state,
        "receipt": base64.b64encode(receipt.envelope).decode(),
        "proof": attestations.proof_text(session, receipt),
        "brokers": [public_text(each) for each in brokers],
        "signers": [public_text(each) for each in Known(session, ids, standing, ()).trust(*ids).values()],
    }
    return Response(json.dumps(told), headers=HEADERS, media_type="application/json")


@router.get("/packets/{packet_id}/head")
def head(packet_id: PacketRef, _: ViewerDep, session: SessionDep, context: ContextDep) -> Response:
    """The container without its tensors: the signed statement and the manifest, which everybody may read who may read
    the page."""
    packet = packets.get(session, packet_id)
    start = b"".join(context.desk.store.read(session, packet.content_sha256, 0, min(packet.size, HEAD_BYTES)))
    at = 8
    for _part in ("envelope", "manifest"):
        at += 8 + int.from_bytes(start[at : at + 8], "little")
    return Response(start[:at], headers=HEADERS, media_type=MEDIA_TYPE)


def _pullable(session: SessionDep, packet_id: str, person: Person, context: Context) -> Packet:
    """By the gate that every pull goes through, and noted like one."""
    by = person.acting(context.desk.key.public_key())
    found = pulling.pullable_by(session, pulling.look(driver(session), packet_id, by), by)
    if not found.noted:
        with context.single.connection() as connection:
            pulls.note(connection, packet_id, by.name)
    return packets.get(session, packet_id)


@router.get("/packets/{packet_id}/content")
def content(packet_id: PacketRef, person: AuditorDep, session: SessionDep, context: ContextDep) -> Response:
    packet = _pullable(session, packet_id, person, context)
    pieces = packets.stream(session, context.desk.store, packet, 0, packet.size)
    return _sent(pieces, MEDIA_TYPE, f"{_file(packet)}.m2kt", packet.size)


@router.get("/packets/{packet_id}/bundle")
def bundle(packet_id: PacketRef, person: AuditorDep, session: SessionDep, context: ContextDep) -> Response:
    """A tar with everything that it takes to verify the packet elsewhere."""
    packet = _pullable(session, packet_id, person, context)
    return _sent(bundles.stream(session, _witness(context), packet), "application/x-tar", f"{_file(packet)}.tar")


def _file(packet: Packet) -> str:
    return f"m2kt-{packet.packet_id.removeprefix('sha256:')[:16]}"


def _sent(pieces: Iterator[bytes], media_type: str, name: str, size: int | None = None) -> Response:
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    if size is not None:
        headers["Content-Length"] = str(size)
    return StreamingResponse(pieces, headers=headers, media_type=media_type)


@router.get("/packets/{packet_id}/statements/{number}")
def statement(packet_id: PacketRef, number: int, _: ViewerDep, session: SessionDep) -> Response:
    """One signed statement, whole and as it was signed: what the page cuts short stands there."""
    found = provenance.statement(session, packet_id, number) if 0 < number <= MAX_INT else None
    if found is None:
        raise NotFound(f"nothing was said about this packet under {number}")
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="statement-{number}.json"'}
    return Response(found.envelope, headers=headers, media_type="application/vnd.dsse.envelope.v1+json")
