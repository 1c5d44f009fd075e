"""Tables. Importing this package fills ``Base.metadata``."""

from broker.db import Base
from broker.models.agent import Agent, AgentKey, KeyStatement, Nonce, Role
from broker.models.attestation import Attestation
from broker.models.blob import Blob, Chunk
from broker.models.job import LIVE, Job, JobKind, JobNeed, JobState
from broker.models.outbox import Outbox
from broker.models.packet import TRANSITIONS, Packet, PacketSignature, PacketState
from broker.models.search import ConceptSpace, PacketTag
from broker.models.tlog import LogCheckpoint, LogLeaf, LogTile
from broker.models.trail import JobEvent, JobLog
from broker.models.transport import IdempotencyKey, PendingBlob, RateLimit, Upload, UploadPart, UploadState

__all__ = [
    "LIVE",
    "TRANSITIONS",
    "Agent",
    "AgentKey",
    "Attestation",
    "Base",
    "Blob",
    "Chunk",
    "ConceptSpace",
    "IdempotencyKey",
    "Job",
    "JobEvent",
    "JobKind",
    "JobLog",
    "JobNeed",
    "JobState",
    "KeyStatement",
    "LogCheckpoint",
    "LogLeaf",
    "LogTile",
    "Nonce",
    "Outbox",
    "Packet",
    "PacketSignature",
    "PacketState",
    "PacketTag",
    "PendingBlob",
    "RateLimit",
    "Role",
    "Upload",
    "UploadPart",
    "UploadState",
]
