"""Tables. Importing this package fills ``Base.metadata``."""

from broker.db import Base
from broker.models.agent import Agent, Nonce, Role
from broker.models.attestation import Attestation
from broker.models.blob import Blob, Chunk
from broker.models.job import LIVE, Job, JobKind, JobNeed, JobState
from broker.models.outbox import Outbox
from broker.models.packet import TRANSITIONS, Packet, PacketSignature, PacketState
from broker.models.trail import JobEvent, JobLog

__all__ = [
    "LIVE",
    "TRANSITIONS",
    "Agent",
    "Attestation",
    "Base",
    "Blob",
    "Chunk",
    "Job",
    "JobEvent",
    "JobKind",
    "JobLog",
    "JobNeed",
    "JobState",
    "Nonce",
    "Outbox",
    "Packet",
    "PacketSignature",
    "PacketState",
    "Role",
]
