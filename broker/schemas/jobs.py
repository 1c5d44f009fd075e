"""Jobs as they are ordered and shown."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from broker.models import Job, JobEvent, JobKind, JobState
from broker.schemas.types import JsonObject, ProjectName
from broker.services.orders import Terms

Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$")]
"""A label or a key: one word."""

KindName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
"""The name of a kind, whether or not this version knows it."""

MemoryMib = Annotated[int, Field(ge=0, le=2**31 - 1)]


class Labels(BaseModel):
    """What a worker must have to take the job."""

    model_config = ConfigDict(extra="forbid")

    gpu: bool = False
    memory_mib: MemoryMib = 0
    model: Word | None = None
    site: Word | None = None


class JobIn(BaseModel):
    """A scan is not in the list: publishing makes it."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal[JobKind.EXTRACT, JobKind.ALIGN, JobKind.VERIFY, JobKind.AGGREGATE, JobKind.EXCHANGE, JobKind.NOOP]
    spec: JsonObject = Field(default_factory=dict)
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    labels: Labels = Field(default_factory=Labels)
    dedup_key: Word | None = None
    not_before: AwareDatetime | None = None
    needs: Annotated[list[uuid.UUID], Field(max_length=32)] = Field(default_factory=list)
    limit_seconds: Annotated[float, Field(gt=0, le=604800, allow_inf_nan=False)] | None = None
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    project: ProjectName | None = None
    """Yours, by default; who is at home in every one names one, or means `default`."""

    def terms(self, idempotency_key: str | None) -> Terms:
        return Terms(
            priority=self.priority,
            needs_gpu=self.labels.gpu,
            needs_memory_mib=self.labels.memory_mib,
            needs_model=self.labels.model,
            needs_site=self.labels.site,
            dedup_key=self.dedup_key,
            not_before=self.not_before,
            needs=tuple(sorted(set(self.needs))),
            limit_seconds=self.limit_seconds,
            max_attempts=self.max_attempts,
            idempotency_key=idempotency_key,
            project=self.project,
        )


class JobOut(BaseModel):
    id: uuid.UUID
    kind: str
    state: JobState
    packet_id: str | None
    project: str
    submitter: str
    priority: int
    labels: Labels
    attempt: int
    max_attempts: int
    waits_for: int
    not_before: datetime
    limit_seconds: float | None
    spec: dict[str, Any]
    progress: dict[str, Any] | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created: datetime
    finished: datetime | None

    @classmethod
    def of(cls, job: Job) -> "JobOut":
        labels = Labels.model_construct(
            gpu=job.needs_gpu, memory_mib=job.needs_memory_mib, model=job.needs_model, site=job.needs_site
        )
        same = {name: getattr(job, name) for name in cls.model_fields if name != "labels"}
        return cls(labels=labels, **same)


class JobPage(BaseModel):
    items: list[JobOut]


class EventOut(BaseModel):
    """One step of a job; the data of a server-sent event."""

    what: str
    attempt: int
    detail: dict[str, Any]
    at: datetime

    @classmethod
    def of(cls, event: JobEvent) -> "EventOut":
        return cls(what=event.what, attempt=event.attempt, detail=event.detail, at=event.at)
