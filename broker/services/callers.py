"""Who calls, decided for every request anew: what the agent is now, whether its nonce is fresh, which session is its.

A key id is the digest of its key, so keys can be remembered; nothing else is. One statement burns the nonce and reads
the rest, so that replicas agree and a revocation counts from the next request on.
"""

from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import namedtuple_row

from broker.db import Driver
from broker.errors import NonceUsed
from broker.models import Role
from broker.services.agents import Principal, Standing
from broker.storage import Order
from m2kt.errors import SessionEnded, SessionRequired, UnknownKey
from m2kt.signing.http import SignedRequest
from m2kt.signing.keys import KeyId, PublicKey, key_id, parse_public
from m2kt.signing.validity import Validity

REMEMBERED = 10_000
BEATS = 6
"""A session that was silent for so many beats does not stop whoever calls without one."""

Told = Any
"""A row of `_BURN`, by names."""

_KEY = "SELECT public_key FROM agent_keys WHERE key_id = %(key)s"
_BURN = """
    WITH {also} burnt AS (
        INSERT INTO nonces (key_id, nonce) VALUES (%(key)s, %(nonce)s) ON CONFLICT DO NOTHING RETURNING 1
    )
    SELECT EXISTS (SELECT FROM burnt) AS fresh, clock_timestamp() AS now,
        set_config('synchronous_commit',
            CASE WHEN %(durable)s THEN current_setting('synchronous_commit') ELSE 'off' END, true),
        a.id, a.name, a.role, a.project, a.draining, k.public_key, k.not_before, k.not_after, k.revoked,
        s.session, s.epoch, s.host, s.opened, s.seen
    FROM (SELECT 1) AS always
    LEFT JOIN agent_keys k ON k.key_id = %(key)s
    LEFT JOIN agents a ON a.id = k.agent_id
    LEFT JOIN agent_sessions s ON s.agent_id = a.id AND s.closed IS NULL
"""


class Callers:
    """Tells who signed a request. ``beat_seconds``: how often sessions say that they live."""

    def __init__(self, standing: Standing, beat_seconds: float) -> None:
        self._standing = standing
        self._patience = timedelta(seconds=BEATS * beat_seconds)
        self._keys: dict[KeyId, PublicKey] = {}

    def remembered(self, key: KeyId) -> PublicKey | None:
        """The key with this id, as far as nobody has to be asked for it."""
        return self._standing[key].key if key in self._standing else self._keys.get(key)

    def key(self, connection: Driver, key: KeyId) -> PublicKey | None:
        """The key with this id, whether or not it counts."""
        if key in self._standing:
            return self._standing[key].key
        if key not in self._keys:
            row = connection.execute(_KEY, {"key": key}).fetchone()
            found = parse_public(row[0]) if row else None
            if found is None or key_id(found) != key:  # a row that was changed behind our back is nobody's
                return None
            if len(self._keys) >= REMEMBERED:
                self._keys.clear()
            self._keys[key] = found
            return found
        return self._keys.get(key) or self.key(connection, key)

    def burn(
        self, connection: Driver, request: SignedRequest, *, durable: bool = True, also: Order | None = None
    ) -> Told:
        """Use the nonce up, and read what `judge` needs; and ``also`` do what must be committed before the request
        goes on. The caller commits before anybody judges: the nonce of a request that is refused stays used.

        A nonce that is not ``durable`` could be forgotten by a crash of Postgres within its first second. That would
        let a read be repeated, which changes nothing; waiting for the disk would be a good part of a small pull.
        """
        values = {"key": request.key_id, "nonce": request.nonce, "durable": durable, **(also.values if also else {})}
        statement = _BURN.format(also=f"also AS ({also.sql})," if also else "")
        row: Told | None = connection.cursor(row_factory=namedtuple_row).execute(statement, values).fetchone()
        assert row is not None, "one is always there"
        return row

    def judge(self, row: Told, request: SignedRequest, *, alone: bool) -> Principal:
        """The caller; `NonceUsed`, `KeyNotValid`, `SessionEnded` or `SessionRequired` for one who may not call now.

        ``alone``: whether this request may come without the session that its agent has.
        """
        if not row.fresh:
            raise NonceUsed("the nonce of this request was used before")
        known = self._standing.get(request.key_id) or self._registered(row, request)
        known.validity.require(row.now, known.name)
        if request.session is not None:
            _require_present(row, request.session, known.name)
        elif row.session is not None and not alone and row.now - row.seen < self._patience:
            raise SessionRequired(
                f"{known.name} runs as session {row.epoch} on {row.host or 'a host'}: what changes something must come "
                "from there"
            )
        return known

    def _registered(self, row: Told, request: SignedRequest) -> Principal:
        if row.id is None:
            raise UnknownKey(f"no registered agent has the key {request.key_id[:16]}")
        return Principal(
            row.name,
            Role(row.role),
            request.key_id,
            parse_public(row.public_key),
            Validity(row.not_before, row.not_after, row.revoked),
            project=row.project,
            agent_id=row.id,
            session=request.session,
            draining=row.draining is not None,
        )


def _require_present(row: Told, session: str, name: str) -> None:
    if row.session == session:
        return
    if row.session is None:
        raise SessionEnded(f"this session of {name} has ended", hint="Start the agent again: it opens a new one.")
    raise superseded(name, row.epoch, row.host, row.opened)


def superseded(name: str, epoch: int, host: str | None, opened: datetime) -> SessionEnded:
    """The error of a session that another one followed."""
    where = f" on {host}" if host else ""
    return SessionEnded(f"session {epoch} of {name}, opened{where} at {opened:%H:%M:%S} UTC, has taken its place")
