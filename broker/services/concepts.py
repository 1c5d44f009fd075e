"""Nearest concepts: which approved packets hold a concept like this one?

Concepts of different teachers live in different spaces: an angle between them means nothing. So a search stays within
one *space*: one teacher's weights, read by one operator, of one width. The query is a concept of a packet, never a
vector, so that nobody can probe what packets hold.

A concept's code is its direction: 128 halves. Up to that width it is exact; wider ones go through one fixed random
projection per width (Johnson and Lindenstrauss), so similarities of unlike concepts are off by about 0.09. Small
spaces are searched exactly, large ones through an HNSW index that follows its own distance order past what the filters
take out (``hnsw.iterative_scan``). The table is there only where pgvector is: migration 0010.
"""

import json
import logging
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from broker.models import ConceptSpace, Packet, PacketState
from broker.services import packets
from broker.services.scopes import EVERYWHERE, Scope
from broker.storage import BlobStore
from m2kt.errors import NotFound, NotInstalled, PacketError
from m2kt.packet import read_packet

WIDTH = 128
EXACT_VECTORS = 20_000
"""Spaces of up to so many concepts are searched without the index."""

BITE = 20
MAX_CONCEPTS = 4096
"""Of one packet; the others of a packet that has more cannot be found."""

CENTROIDS = "concepts/centroids"

log = logging.getLogger(__name__)

_THERE = text("SELECT to_regclass('concept_vectors') IS NOT NULL")
_CODE = text("SELECT space, code::text FROM concept_vectors WHERE packet_seq = :seq AND concept = :concept")
_KEEP = text(
    "INSERT INTO concept_vectors (packet_seq, concept, space, code) VALUES (:seq, :concept, :space, :code ::halfvec) "
    "ON CONFLICT DO NOTHING"
)
_DROP = text("WITH gone AS (DELETE FROM concept_vectors WHERE packet_seq = :seq RETURNING space) "
             "SELECT space, count(*) FROM gone GROUP BY space")  # fmt: skip
_FOUND = """
    SELECT p.packet_id, p.name, p.version, v.concept, v.distance
    FROM (SELECT packet_seq, concept, {distance} AS distance FROM concept_vectors
          WHERE space = :space AND packet_seq <> :seq AND (CAST(:projects AS text[]) IS NULL
              OR (SELECT project FROM packets WHERE seq = packet_seq) = ANY (CAST(:projects AS text[])))
          ORDER BY {distance} LIMIT :some) v
    JOIN packets p ON p.seq = v.packet_seq WHERE p.state = 'approved' ORDER BY v.distance, p.seq, v.concept LIMIT :limit
"""
_INDEXED = text(_FOUND.format(distance="(code <-> (:code)::halfvec)"))
_EXACT = text(_FOUND.format(distance="((code <-> (:code)::halfvec) + 0)"))  # an expression that no index serves
_FOLLOW = text(
    "SELECT set_config('hnsw.iterative_scan', 'strict_order', true), set_config('hnsw.ef_search', :ef, true)"
)


@dataclass(frozen=True)
class Near:
    packet_id: str
    name: str
    version: str
    concept: int
    similarity: float
    """Cosine of the angle between the codes: 1 is the same direction."""


@dataclass(frozen=True)
class Neighbours:
    space: ConceptSpace
    exact: bool
    """Whether every concept of the space was looked at."""
    items: list[Near]


def nearest(session: Session, packet_id: str, concept: int, limit: int, scope: Scope = EVERYWHERE) -> Neighbours:
    """The concepts of the scope's other approved packets that are nearest to one of this packet, which must be pullable
    itself."""
    _require_pgvector(session)
    packet = packets.pullable(session, packet_id, scope)
    found = session.execute(_CODE, {"seq": packet.seq, "concept": concept}).one_or_none()
    if found is None:
        raise NotFound(
            f"packet {packet_id} has no concept {concept} that can be searched",
            hint="Look at its manifest; what was approved just now can be searched in a few seconds.",
        )
    space = session.get_one(ConceptSpace, found.space)
    exact = space.vectors <= EXACT_VECTORS
    words = {
        "space": space.id,
        "seq": packet.seq,
        "code": found[1],
        "limit": limit,
        "some": 2 * limit + 20,
        "projects": None if scope.projects is None else sorted(scope.projects),
    }
    if not exact:
        session.execute(_FOLLOW, {"ef": str(min(1000, max(80, 2 * limit + 20)))})
    rows = session.execute(_EXACT if exact else _INDEXED, words)
    return Neighbours(space, exact, [_near(*row) for row in rows])


def _near(packet_id: str, name: str, version: str, concept: int, distance: float) -> Near:
    """Of unit vectors: cos = 1 - |a - b|^2 / 2."""
    return Near(packet_id, name, version, concept, round(1 - distance**2 / 2, 4))


def _require_pgvector(session: Session) -> None:
    if not session.scalar(_THERE):
        raise NotInstalled("this broker's database has no pgvector: nearest concepts cannot be searched")


def index_some(session: Session, store: BlobStore) -> int:
    """Make the concepts of some approved packets findable, and those of packets that are no longer approved not;
    returns of how many."""
    if not session.scalar(_THERE):
        return 0
    _drop_some(session)
    due = select(Packet).where(~Packet.concepts_indexed, Packet.state == PacketState.APPROVED).order_by(Packet.seq)
    found = list(session.scalars(due.limit(BITE).with_for_update(skip_locked=True)))
    for each in found:
        _index(session, store, each)
        each.concepts_indexed = True
    session.flush()
    return len(found)


def _index(session: Session, store: BlobStore, packet: Packet) -> None:
    if not any(each["name"] == CENTROIDS for each in packet.manifest["tensors"]):
        return
    data = b"".join(store.read(session, packet.content_sha256, 0, packet.size))
    try:
        centroids = read_packet(data).tensors[CENTROIDS]
    except PacketError as error:
        log.warning("packet %s: its concepts cannot be read: %s", packet.packet_id, error.detail)
        return
    space = _space(session, packet, centroids.shape[1])
    codes = encode(np.asarray(centroids[:MAX_CONCEPTS], np.float32))
    rows = [
        {"seq": packet.seq, "concept": number, "space": space, "code": literal(code)}
        for number, code in enumerate(codes)
    ]
    session.execute(_KEEP, rows)
    _count(session, space, len(rows))


def _space(session: Session, packet: Packet, width: int) -> int:
    key = {
        "weights_sha256": packet.teacher["weights_sha256"],
        "operator": packet.manifest["extraction"]["operator"],
        "width": width,
    }
    session.execute(insert(ConceptSpace).values(key).on_conflict_do_nothing())
    return session.scalars(select(ConceptSpace.id).filter_by(**key)).one()


def _drop_some(session: Session) -> None:
    over = select(Packet).where(Packet.concepts_indexed, Packet.state != PacketState.APPROVED).limit(BITE)
    for each in session.scalars(over.with_for_update(skip_locked=True)):
        for space, count in session.execute(_DROP, {"seq": each.seq}):
            _count(session, space, -count)
        each.concepts_indexed = False
    session.flush()


def _count(session: Session, space: int, change: int) -> None:
    held = session.get_one(ConceptSpace, space, with_for_update=True, populate_existing=True)
    held.vectors += change


def encode(vectors: NDArray[np.float32]) -> NDArray[np.float16]:
    """Codes [n, 128] of concepts [n, d]: unit length, padded or projected."""
    n, width = vectors.shape
    if width <= WIDTH:
        codes = np.zeros((n, WIDTH), np.float32)
        codes[:, :width] = vectors
    else:
        codes = vectors @ _projection(width)
    norms = np.linalg.norm(codes, axis=1, keepdims=True)
    found: NDArray[np.float16] = (codes / np.maximum(norms, 1e-12)).astype(np.float16)
    return found


@cache
def _projection(width: int) -> NDArray[np.float32]:
    """[d, 128], the same on every host and for ever: codes that were made with another could not be compared."""
    return np.random.Generator(np.random.PCG64(width)).standard_normal((width, WIDTH)).astype(np.float32)


def literal(code: NDArray[np.float16]) -> str:
    """As pgvector reads it."""
    return json.dumps([float(each) for each in code])
