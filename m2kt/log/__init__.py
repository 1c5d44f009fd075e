"""The transparency log's mathematics and formats: RFC 6962 trees, C2SP tiles, checkpoints, proofs and witnesses.

Nothing here speaks to a broker: `m2kt.client` does, and the broker's sequencer writes what this package computes.
"""

from m2kt.log.checkpoints import Checkpoint, Policy, Seen, issue, open_checkpoint, require_fresh
from m2kt.log.memory import Memory
from m2kt.log.notes import Kind, Note, NoteKey
from m2kt.log.proofs import Proof
from m2kt.log.witness import Witness

__all__ = [
    "Checkpoint",
    "Kind",
    "Memory",
    "Note",
    "NoteKey",
    "Policy",
    "Proof",
    "Seen",
    "Witness",
    "issue",
    "open_checkpoint",
    "require_fresh",
]
