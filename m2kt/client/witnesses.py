"""A log's side of C2SP tlog-witness: asking witnesses for cosignatures."""

from dataclasses import dataclass

import httpx

from m2kt.errors import BrokerAway, CheckpointInvalid, LogError, LogRolledBack, SplitView, UsageError
from m2kt.log.checkpoints import Checkpoint, Prove
from m2kt.log.notes import Note, NoteKey, NoteSignature, read_signatures, verify
from m2kt.log.witness import Request

TIMEOUT_SECONDS = 5.0
_ATTEMPTS = 3


@dataclass(frozen=True)
class WitnessAddress:
    """Where a witness answers, and the key that it cosigns with."""

    verifier: NoteKey
    url: str

    @classmethod
    def parse(cls, text: str) -> "WitnessAddress":
        """``<verifier key> <url>``, as `m2kt log witness` prints it."""
        verifier, _, url = text.strip().partition(" ")
        if not url.startswith(("http://", "https://")):
            raise UsageError("a witness is written <verifier key> <url>")
        return cls(NoteKey.parse(verifier), url.rstrip("/"))


class WitnessClient:
    """Asks one witness, and remembers the size that it has."""

    def __init__(self, address: WitnessAddress, transport: httpx.BaseTransport | None = None) -> None:
        self.address = address
        self._old = 0
        self._http = httpx.Client(timeout=TIMEOUT_SECONDS, transport=transport)

    def close(self) -> None:
        self._http.close()

    def cosign(self, data: bytes, prove: Prove) -> NoteSignature:
        """The witness's verified cosignature over the note in ``data``.

        `LogRolledBack` and `SplitView` when the witness has seen what we have not: somebody restored an old database,
        or runs a second log with our key.
        """
        note = Note.from_bytes(data)
        checkpoint = Checkpoint.parse(note.text)
        for _ in range(_ATTEMPTS):
            old = min(self._old, checkpoint.size)
            proof = tuple(prove(old, checkpoint.size))
            response = self._post(Request(old, proof, data).to_bytes())
            if response.status_code == httpx.codes.CONFLICT:
                self._old = self._known_size(response, old, checkpoint)
                continue
            if response.status_code != httpx.codes.OK:
                raise LogError(f"the witness {self.address.verifier.name} answers {response.status_code}")
            found = self._read(note, response.text)
            self._old = checkpoint.size
            return found
        raise LogError(f"the witness {self.address.verifier.name} changes its mind about the size that it has")

    def _post(self, body: bytes) -> httpx.Response:
        try:
            return self._http.post(f"{self.address.url}/add-checkpoint", content=body)
        except httpx.TransportError as error:
            raise BrokerAway(f"the witness {self.address.verifier.name} does not answer: {error}") from error

    def _known_size(self, response: httpx.Response, old: int, checkpoint: Checkpoint) -> int:
        text = response.text.strip()
        size = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
        name = self.address.verifier.name
        if size > checkpoint.size:
            raise LogRolledBack(f"the witness {name} has seen {size} entries, the log has {checkpoint.size}")
        if size == old == checkpoint.size:
            raise SplitView(f"the witness {name} has seen another tree of {size} entries")
        if size < 0:
            raise LogError(f"the witness {name} does not say which size it has")
        return size

    def _read(self, note: Note, lines: str) -> NoteSignature:
        mine = self.address.verifier
        signatures = [each for each in read_signatures(lines) if (each.name, each.hash) == (mine.name, mine.hash)]
        verify(Note(note.text, tuple(signatures)), [mine])
        if len(signatures) != 1:
            raise CheckpointInvalid(f"the witness {mine.name} did not sign once")
        return signatures[0]
