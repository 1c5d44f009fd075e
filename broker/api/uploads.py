"""Publishing in parts: create, append at an offset, complete; or give it up. docs/broker.md has the protocol."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response, status

from broker.api.packets import ProjectDep, answer_published
from broker.models import Upload
from broker.schemas.packets import PacketOut
from broker.schemas.problem import Problem
from broker.schemas.types import MAX_INT
from broker.schemas.uploads import UploadIn, UploadOut
from broker.services import uploads
from broker.services.agents import PUBLISHING, Principal
from broker.web.deps import Body, DeskDep, PublisherDep, SessionDep, allow, binary_body
from broker.web.problems import documented, headers_of, problem_response
from m2kt.errors import DigestMismatch

PART = "application/partial-upload"
OwnerDep = Annotated[Principal, Depends(allow(*sorted(PUBLISHING)))]
PartDep = Annotated[Body, Depends(binary_body(PART))]
Offset = Annotated[
    int, Header(alias="Upload-Offset", ge=0, le=MAX_INT, description="where this part begins: what `received` says")
]

_OFFSET = {"Upload-Offset": {"schema": {"type": "integer"}, "description": "where the next part begins"}}
_LOCATION = {"Location": {"schema": {"type": "string"}, "description": "the upload's own address"}}
_BODY = {"requestBody": {"required": True, "content": {PART: {"schema": {"type": "string", "format": "binary"}}}}}
_GONE = documented(401, 403, 404, 409, 410)
_GONE[409]["headers"] = _OFFSET

router = APIRouter(prefix="/v1/uploads", tags=["uploads"])


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses={
        201: {"headers": _LOCATION | _OFFSET},
        200: {"model": UploadOut, "description": "it was begun before: go on with it", "headers": _LOCATION | _OFFSET},
        **documented(401, 403, 409),
    },
)
def begin(body: UploadIn, caller: OwnerDep, desk: DeskDep, session: SessionDep, response: Response) -> UploadOut:
    """Begin an upload, or find the unfinished one of the same bytes: whoever lost the answer asks again."""
    begun = uploads.begin(session, desk, body.digest, body.length, caller)
    response.headers["Location"] = f"/v1/uploads/{begun.upload.id}"
    if not begun.fresh:
        response.status_code = status.HTTP_200_OK
    return _shown(begun.upload, response)


@router.get("/{upload_id}", responses={200: {"headers": _OFFSET}, **documented(401, 403, 404)})
def show(upload_id: uuid.UUID, caller: OwnerDep, session: SessionDep, response: Response) -> UploadOut:
    """How far an upload is."""
    return _shown(uploads.get(session, upload_id, caller), response)


@router.patch(
    "/{upload_id}", responses={200: {"headers": _OFFSET}, **_GONE, **documented(408, 415)}, openapi_extra=_BODY
)
def append(
    upload_id: uuid.UUID,
    upload_offset: Offset,
    part: PartDep,
    signed: PublisherDep,
    desk: DeskDep,
    session: SessionDep,
    response: Response,
) -> UploadOut:
    """Append a part. 409 says the right offset in ``Upload-Offset``; a part is taken in whole or not at all."""
    return _shown(uploads.append(session, desk, upload_id, upload_offset, part.data, signed.principal), response)


@router.post(
    "/{upload_id}/complete",
    status_code=status.HTTP_201_CREATED,
    response_model=PacketOut,
    responses={
        200: {"model": PacketOut, "description": "the packet was there, or the upload was completed before"},
        **_GONE,
    },
)
def complete(
    upload_id: uuid.UUID,
    caller: OwnerDep,
    desk: DeskDep,
    session: SessionDep,
    project: ProjectDep = None,
) -> Response:
    """Publish what was uploaded, once all of it is there. Bytes with another digest end the upload."""
    ended = uploads.complete(session, desk, upload_id, caller, project)
    if ended.published is None:  # not raised: that would take back that the upload has ended
        error = DigestMismatch(f"the upload was aborted: {ended.upload.reason}", hint="Begin a new upload.")
        return problem_response(Problem.of(error), headers_of(error))
    return answer_published(session, ended.published)


@router.delete("/{upload_id}", status_code=status.HTTP_204_NO_CONTENT, responses=documented(401, 403, 404, 409))
def abort(upload_id: uuid.UUID, caller: OwnerDep, session: SessionDep) -> None:
    """Give an upload up; again changes nothing."""
    uploads.abort(session, upload_id, caller)


def _shown(upload: Upload, response: Response) -> UploadOut:
    response.headers["Upload-Offset"] = str(upload.received)
    return UploadOut.of(upload)
