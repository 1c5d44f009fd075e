import uuid
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from broker.models import Job, JobKind, JobState
from broker.schemas.types import JsonObject


class JobIn(BaseModel):
    """A scan is not in the list: publishing makes it."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal[JobKind.EXTRACT, JobKind.ALIGN, JobKind.NOOP]
    spec: JsonObject = Field(default_factory=dict)


class JobOut(BaseModel):
    id: uuid.UUID
    kind: JobKind
    state: JobState
    packet_id: str | None
    submitter: str
    attempt: int
    spec: dict[str, Any]
    progress: dict[str, Any] | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created: datetime
    finished: datetime | None

    @classmethod
    def of(cls, job: Job) -> "JobOut":
        return cls(
            id=job.id,
            kind=job.kind,
            state=job.state,
            packet_id=job.packet_id,
            submitter=job.submitter,
            attempt=job.attempt,
            spec=job.spec,
            progress=job.progress,
            result=job.result,
            error=job.error,
            created=job.created,
            finished=job.finished,
        )


class JobPage(BaseModel):
    items: list[JobOut]
