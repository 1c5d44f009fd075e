"""Tables. Importing this package fills ``Base.metadata``."""

from broker.db import Base
from broker.models.account import Account, PersonRole, SignIn
from broker.models.agent import Agent, AgentKey, KeyStatement, Nonce, Role
from broker.models.attestation import Attestation
from broker.models.blob import Blob, Chunk
from broker.models.channel import Channel, ChannelHead
from broker.models.exchange import (
    Exchange,
    ExchangeComplaint,
    ExchangePeer,
    ExchangeRound,
    ExchangeState,
    ExchangeTurn,
    PeerState,
    Phase,
)
from broker.models.feed import FeedEvent
from broker.models.job import LIVE, Job, JobKind, JobNeed, JobState
from broker.models.lineage import PacketParent, Restatement
from broker.models.outbox import Outbox
from broker.models.outcome import OutcomeReport
from broker.models.packet import PULLABLE, TAKEN, TRANSITIONS, Packet, PacketSignature, PacketState
from broker.models.pull import Pull
from broker.models.seal import BESIDE_PGVECTOR, DERIVED, RowCount, Sealed
from broker.models.search import ConceptSpace, PacketTag
from broker.models.session import Activation, AgentSession, Enrolment
from broker.models.tlog import LogCheckpoint, LogLeaf, LogTile
from broker.models.trail import JobEvent, JobLog
from broker.models.transport import IdempotencyKey, PendingBlob, RateLimit, Upload, UploadPart, UploadState

__all__ = [
    "BESIDE_PGVECTOR",
    "DERIVED",
    "LIVE",
    "PULLABLE",
    "TAKEN",
    "TRANSITIONS",
    "Account",
    "Activation",
    "Agent",
    "AgentKey",
    "AgentSession",
    "Attestation",
    "Base",
    "Blob",
    "Channel",
    "ChannelHead",
    "Chunk",
    "ConceptSpace",
    "Enrolment",
    "Exchange",
    "ExchangeComplaint",
    "ExchangePeer",
    "ExchangeRound",
    "ExchangeState",
    "ExchangeTurn",
    "FeedEvent",
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
    "OutcomeReport",
    "Packet",
    "PacketParent",
    "PacketSignature",
    "PacketState",
    "PacketTag",
    "PeerState",
    "PendingBlob",
    "PersonRole",
    "Phase",
    "Pull",
    "RateLimit",
    "Restatement",
    "Role",
    "RowCount",
    "Sealed",
    "SignIn",
    "Upload",
    "UploadPart",
    "UploadState",
]
