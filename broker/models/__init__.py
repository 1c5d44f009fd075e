"""Tables. Importing this package fills ``Base.metadata``."""

from broker.db import Base
from broker.models.agent import Agent, Nonce, Role
from broker.models.attestation import Attestation
from broker.models.blob import Blob, Chunk
from broker.models.job import Job, JobKind, JobState
from broker.models.packet import TRANSITIONS, Packet, PacketSignature, PacketState

__all__ = [
    "TRANSITIONS",
    "Agent",
    "Attestation",
    "Base",
    "Blob",
    "Chunk",
    "Job",
    "JobKind",
    "JobState",
    "Nonce",
    "Packet",
    "PacketSignature",
    "PacketState",
    "Role",
]
