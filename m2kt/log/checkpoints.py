"""Checkpoints (C2SP tlog-checkpoint): a log's size and root, signed by the log and cosigned by witnesses.

The log's own key signs twice: plainly, and with the time. The second is what says *now*: a log that is still alive
signs its newest checkpoint again and again, so an old time shows that somebody holds the news back.
"""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from m2kt.errors import CheckpointInvalid, LogFrozen, UsageError
from m2kt.log.notes import Kind, Note, NoteKey, Signed, cosign, is_name, sign, verify
from m2kt.signing.keys import KeyId, PrivateKey, PublicKey, key_id

MAX_AGE_SECONDS = 3600
SKEW_SECONDS = 300
"""How far a signer's clock may run ahead of ours."""

RESERVED = "cosignature/v1"
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)


@dataclass(frozen=True)
class Checkpoint:
    """A tree's size and root, and which log's. We write no extension lines and take none: nobody audits them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """The checkpoint in a note's text; `CheckpointInvalid` for another spelling."""
        lines = text.split("\n")
        if len(lines) != 4 or not is_origin(lines[0]) or not _SIZE.fullmatch(lines[1]):
            raise CheckpointInvalid("a checkpoint has three lines: origin, size and root")
        try:
            root = base64.b64decode(lines[2], validate=True)
        except (binascii.Error, ValueError):
            root = b""
        found = cls(lines[0], int(lines[1]), root)
        if len(root) != 32 or found.text != text:
            raise CheckpointInvalid("the root of a checkpoint is 32 bytes in base64")
        return found


def is_origin(text: str) -> bool:
    """A name of a log. Never the header of a cosignature: a plain signature could then pass for one."""
    return is_name(text) and text != RESERVED


@dataclass(frozen=True)
class Policy:
    """What a reader asks of a log's checkpoints: ``quorum`` of ``witnesses``, and a signed time within ``max_age``.

    The time counts that ``quorum`` witnesses confirm; without a quorum, the log's own.
    """

    origin: str
    keys: tuple[PublicKey, ...]
    witnesses: tuple[NoteKey, ...] = ()
    quorum: int = 0
    max_age: int = MAX_AGE_SECONDS

    def __post_init__(self) -> None:
        if not 0 <= self.quorum <= len({key_id(each.key) for each in self.witnesses}):
            raise UsageError(f"a quorum of {self.quorum} needs as many witnesses, each with a key of its own")

    @property
    def note_keys(self) -> tuple[NoteKey, ...]:
        own = (NoteKey(self.origin, key, kind) for key in self.keys for kind in Kind)
        return (*own, *self.witnesses)


@dataclass(frozen=True)
class Seen:
    """A checkpoint whose signatures were verified; ``note`` are its bytes, ``time`` is when it was the newest."""

    checkpoint: Checkpoint
    note: bytes
    time: int


def issue(checkpoint: Checkpoint, key: PrivateKey, time: int) -> Note:
    """The log's own two signatures."""
    signatures = (sign(checkpoint.origin, key, checkpoint.text), cosign(checkpoint.origin, key, checkpoint.text, time))
    return Note(checkpoint.text, signatures)


def open_checkpoint(data: bytes, policy: Policy) -> Seen:
    """The checkpoint in a note, once all of this holds:

    1. it is a note with a checkpoint of the log that ``policy`` names;
    2. a key of the log signed it plainly;
    3. a quorum of witnesses cosigned it;
    4. a time is signed: by the quorum, or by the log where no quorum is asked for.

    `CheckpointInvalid` otherwise. How old it may be is `require_fresh`'s to say.
    """
    # 1.
    note = Note.from_bytes(data)
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != policy.origin:
        raise CheckpointInvalid(f"it is a checkpoint of {checkpoint.origin!a}, expected {policy.origin}")
    signed = verify(note, policy.note_keys)
    # 2.
    if not any(each.by.kind is Kind.NOTE for each in signed):
        raise CheckpointInvalid("no key of the log signed the checkpoint")
    # 3.
    witnesses = {key_id(each.key) for each in policy.witnesses}
    times = _latest(signed)
    confirmed = sorted((time for who, time in times.items() if who in witnesses), reverse=True)
    if len(confirmed) < policy.quorum:
        raise CheckpointInvalid(f"{len(confirmed)} of the witnesses cosigned it, {policy.quorum} must")
    # 4.
    own = sorted(time for who, time in times.items() if who not in witnesses)
    counted = confirmed[policy.quorum - 1 : policy.quorum] if policy.quorum else own[-1:]
    if not counted:
        raise CheckpointInvalid("no time is signed with the checkpoint")
    return Seen(checkpoint, data, counted[0])


def _latest(signed: Sequence[Signed]) -> dict[KeyId, int]:
    """The latest signed time of each key. By key and not by name: cosignatures do not cover the name."""
    found: dict[KeyId, int] = {}
    for each in signed:
        if each.time is not None:
            who = key_id(each.by.key)
            found[who] = max(each.time, found.get(who, 0))
    return found


def require_fresh(seen: Seen, policy: Policy, now: int) -> None:
    """`LogFrozen` when the newest signed time is older than the policy allows; a time ahead of ours is no time."""
    if seen.time > now + SKEW_SECONDS:
        raise CheckpointInvalid(f"the checkpoint was signed {seen.time - now} s in the future")
    if now - seen.time > policy.max_age:
        raise LogFrozen(f"the newest checkpoint was signed {now - seen.time} s ago, {policy.max_age} s are allowed")


Prove = Callable[[int, int], Sequence[bytes]]
"""Consistency proof between two sizes."""
