"""The keys of agents: the first, those that follow it, and their end. Each step is a statement of the broker that the
log holds: whose key it is, and since when it counts no more, cannot be changed quietly."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from sqlalchemy import Select, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from broker.models import Agent, AgentKey, KeyStatement
from broker.services import tlog
from broker.services.scopes import EVERY, Scope
from m2kt.client.predicates import KEY
from m2kt.errors import Conflict, SignatureError, UsageError
from m2kt.packet import PacketId
from m2kt.signing.dsse import Envelope
from m2kt.signing.keys import PrivateKey, PublicKey, key_id, public_text, rotation_message
from m2kt.signing.statement import Statement, attest
from m2kt.signing.validity import ALWAYS, Validity, time_text


def now(session: Session) -> datetime:
    """The database's clock: hosts disagree."""
    at: datetime = session.scalars(select(func.clock_timestamp())).one()
    return at


def add(session: Session, signer: PrivateKey, agent: Agent, key: PublicKey, validity: Validity = ALWAYS) -> AgentKey:
    """Give an agent a key that nobody has had; ``signer`` is the broker's."""
    values = {
        "agent_id": agent.id,
        "key_id": key_id(key),
        "public_key": public_text(key),
        "not_before": validity.not_before,
        "not_after": validity.not_after,
    }
    row = session.scalars(insert(AgentKey).values(values).on_conflict_do_nothing().returning(AgentKey)).first()
    if row is None:
        raise Conflict("another agent has this key", hint="Every agent has a key of its own: generate one.")
    session.refresh(agent, ["keys"])
    _state(session, signer, agent, row, "added")
    return row


def rotate(
    session: Session, signer: PrivateKey, agent: Agent, key: PublicKey, proof: bytes, overlap: timedelta
) -> AgentKey:
    """Let ``key`` follow the agent's present one, which counts for ``overlap`` longer.

    ``proof`` is the new key's signature over `rotation_message`: nobody can claim a key that is not theirs.
    """
    old = agent.present
    try:
        key.verify(proof, rotation_message(agent.name, old.key_id, key_id(key)))
    except InvalidSignature as error:
        raise SignatureError("the new key did not sign the rotation", hint="Use `m2kt agent rotate`.") from error
    end = now(session) + overlap
    old.not_after = min(end, old.not_after) if old.not_after else end
    if old.not_before and old.not_before >= old.not_after:
        raise UsageError("the present key has not begun to count")
    session.flush()
    _state(session, signer, agent, old, "ends")
    return add(session, signer, agent, key)


def revoke(session: Session, signer: PrivateKey, agent: Agent, since: datetime | None) -> None:
    """Take all keys of an agent out of use. A later ``since`` than an earlier one changes nothing."""
    told = now(session)
    if since is not None and since > told:
        raise UsageError("a key is revoked now, or since a time that has passed")
    for row in agent.keys:
        revoked = min(since or told, row.revoked or told)
        if row.revoked is None or revoked < row.revoked:
            row.revoked = revoked
            session.flush()
            _state(session, signer, agent, row, "revoked")


def page(session: Session, scope: Scope, *, after: int, limit: int) -> list[KeyStatement]:
    """Statements about the keys of these projects' agents, and of those at home in every project; oldest first."""
    wanted = select(KeyStatement).where(KeyStatement.id > after).order_by(KeyStatement.id).limit(limit)
    return list(session.scalars(_shown(wanted, scope)))


def newest(session: Session, scope: Scope, *, before: int | None, limit: int) -> list[KeyStatement]:
    """The same, newest first, from the one before ``before``."""
    wanted = select(KeyStatement).order_by(KeyStatement.id.desc()).limit(limit)
    return list(session.scalars(_shown(wanted if before is None else wanted.where(KeyStatement.id < before), scope)))


def read(row: KeyStatement) -> Mapping[str, Any]:
    """What a statement says. Not verified here: `m2kt log verify` does that from outside."""
    return Statement.from_bytes(Envelope.from_bytes(row.envelope).payload).predicate


def _shown(wanted: Select[KeyStatement], scope: Scope) -> Select[KeyStatement]:
    if scope.projects is not None:
        shown = or_(scope.within(Agent.project), Agent.project == EVERY)
        return wanted.where(KeyStatement.key_id.in_(select(AgentKey.key_id).join(Agent).where(shown)))
    return wanted


def _state(session: Session, signer: PrivateKey, agent: Agent, row: AgentKey, event: str) -> None:
    limits = {"not_before": row.not_before, "not_after": row.not_after, "revoked": row.revoked}
    predicate = {
        "event": event,
        "name": agent.name,
        "role": agent.role.value,
        "project": agent.project,
        "public_key": row.public_key,
        **{name: time_text(each) for name, each in limits.items() if each is not None},
        "at": now(session).isoformat(),
    }
    envelope = attest(PacketId(f"sha256:{row.key_id}"), KEY, predicate, signer)
    session.add(KeyStatement(key_id=row.key_id, envelope=envelope.to_bytes()))
    tlog.append(session, KEY, envelope.pae)
    session.flush()
