"""Tables. Importing this package fills ``Base.metadata``."""

from broker.db import Base
from broker.models.agent import Agent, AgentKey, KeyStatement, Nonce, Role
from broker.models.attestation import Attestation
from broker.models.blob import Blob, Chunk
from broker.models.job import Job, JobKind, JobState
from broker.models.packet import TRANSITIONS, Packet, PacketSignature, PacketState
from broker.models.tlog import LogCheckpoint, LogLeaf, LogTile

__all__ = [
    "TRANSITIONS",
    "Agent",
    "AgentKey",
    "Attestation",
    "Base",
    "Blob",
    "Chunk",
    "Job",
    "JobKind",
    "JobState",
    "KeyStatement",
    "LogCheckpoint",
    "LogLeaf",
    "LogTile",
    "Nonce",
    "Packet",
    "PacketSignature",
    "PacketState",
    "Role",
]
