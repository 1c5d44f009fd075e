"""A witness (C2SP tlog-witness): cosigns the checkpoints of logs that it knows, as long as each begins with the last.

It keeps one checkpoint for each log. Checking against it and storing the new one are one step, under a lock, and the
new one is on the disk before the cosignature leaves: else the race that the specification spells out rolls it back.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from m2kt.errors import CheckpointInvalid, ProofInvalid
from m2kt.log.checkpoints import Checkpoint
from m2kt.log.memory import Memory
from m2kt.log.notes import Kind, Note, NoteKey, NoteSignature, cosign, verify
from m2kt.log.proofs import decode_hashes, encode_hashes
from m2kt.log.tree import MAX_PROOF_HASHES, verify_consistency
from m2kt.signing.keys import PrivateKey, PublicKey

SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"
_OLD = re.compile(r"old (0|[1-9][0-9]{0,17})", re.ASCII)


@dataclass(frozen=True)
class Answer:
    """What a witness says: an HTTP status and its body."""

    status: int
    body: str
    media_type: str = TEXT_TYPE


@dataclass(frozen=True)
class Request:
    """``add-checkpoint``: the size that the log thinks we know, the proof from there, and the new checkpoint's note."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    def to_bytes(self) -> bytes:
        return "\n".join([f"old {self.old}", *encode_hashes(self.proof), "", ""]).encode() + self.note

    @classmethod
    def from_bytes(cls, data: bytes) -> "Request":
        """Parse strictly; `ProofInvalid` for what is malformed."""
        head, blank, note = data.partition(b"\n\n")
        try:
            first, *lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError as error:
            raise ProofInvalid("the head of a request is ASCII") from error
        old = _OLD.fullmatch(first)
        if old is None or not blank or len(lines) > MAX_PROOF_HASHES:
            raise ProofInvalid("a request is an old size, at most 63 hashes, a blank line and a checkpoint")
        return cls(int(old[1]), decode_hashes(lines), note)


class Witness:
    """Cosigns as ``name`` with ``key``, for ``logs``: the keys of each origin. ``clock``: seconds since the epoch."""

    def __init__(
        self,
        name: str,
        key: PrivateKey,
        logs: Mapping[str, Sequence[PublicKey]],
        directory: Path,
        clock: Callable[[], int],
    ) -> None:
        self._name, self._key, self._logs, self._clock = name, key, logs, clock
        self._memory = Memory(directory)

    @property
    def verifier(self) -> NoteKey:
        """What logs and their readers need to know of this witness."""
        return NoteKey(self._name, self._key.public_key(), Kind.COSIGNATURE)

    def add_checkpoint(self, body: bytes) -> Answer:
        """Cosign the checkpoint in ``body``, after these checks in this order:

        1. the request can be read (400);
        2. its log is one of ours (404);
        3. that log signed it (403);
        4. it is not smaller than the old size (400);
        5. the old size is what we last cosigned (409 with our size), and at equal size so is the root (409);
        6. it begins with what we last cosigned (422).
        """
        # 1.
        try:
            request = Request.from_bytes(body)
            note = Note.from_bytes(request.note)
            checkpoint = Checkpoint.parse(note.text)
        except (ProofInvalid, CheckpointInvalid) as error:
            return Answer(400, f"{error.detail}\n")
        # 2.
        keys = self._logs.get(checkpoint.origin)
        if not keys:
            return Answer(404, "this witness does not know the log\n")
        # 3.
        try:
            verify(note, [NoteKey(checkpoint.origin, key, Kind.NOTE) for key in keys])
        except CheckpointInvalid as error:
            return Answer(403, f"{error.detail}\n")
        # 4.
        if request.old > checkpoint.size:
            return Answer(400, "the old size is larger than the new one\n")
        return self._advance(request, note, checkpoint)

    def _advance(self, request: Request, note: Note, checkpoint: Checkpoint) -> Answer:
        """Steps 5 and 6, the record and the cosignature, with nobody else in between."""
        with self._memory.shelf(checkpoint.origin).held() as shelf:
            stored = shelf.read()
            last = Checkpoint.parse(Note.from_bytes(stored).text) if stored else None
            # 5.
            size = last.size if last else 0
            if request.old != size:
                return Answer(409, f"{size}\n", SIZE_TYPE)
            if last is not None and size == checkpoint.size and last.root != checkpoint.root:
                return Answer(409, f"{size}\n", SIZE_TYPE)
            # 6.
            try:
                old_root = last.root if last else checkpoint.root
                _check_growth(size, old_root, checkpoint, request.proof)
            except ProofInvalid as error:
                return Answer(422, f"{error.detail}\n")
            shelf.write(note.to_bytes())
            return Answer(200, self._cosign(note).line)

    def _cosign(self, note: Note) -> NoteSignature:
        return cosign(self._name, self._key, note.text, self._clock())


def _check_growth(size: int, old_root: bytes, checkpoint: Checkpoint, proof: Sequence[bytes]) -> None:
    if size:
        return verify_consistency(size, checkpoint.size, old_root, checkpoint.root, proof)
    if proof:
        raise ProofInvalid("from size 0 there is nothing to prove")
