"""Who may speak, as what, and whose signatures on packets count."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from broker.errors import NonceUsed
from broker.models import Agent, Nonce, Role
from m2kt.errors import Conflict, KeyFileError, NotFound, UnknownKey
from m2kt.signing.keys import KeyId, PublicKey, TrustStore, key_id, load_private, load_public, parse_public, public_text

PUBLISHING = frozenset({Role.TEACHER, Role.WORKER, Role.ADMIN})
"""Roles whose signatures on a packet count."""


@dataclass(frozen=True)
class Principal:
    """A holder of a key that this broker knows."""

    name: str
    role: Role
    key_id: KeyId
    key: PublicKey

    @classmethod
    def of(cls, name: str, role: Role, key: PublicKey) -> "Principal":
        return cls(name, role, key_id(key), key)


Standing = Mapping[KeyId, Principal]
"""Holders of keys whom the settings name; the database cannot revoke them."""


def read_standing(admin_keys: Path, worker_key: Path | None) -> Standing:
    """The administrators whose public keys (``NAME.pub``) lie in ``admin_keys``, and the broker's own worker."""
    found = [Principal.of(path.stem, Role.ADMIN, load_public(path)) for path in sorted(admin_keys.glob("*.pub"))]
    if not found:
        raise KeyFileError(f"{admin_keys} holds no *.pub file", hint="Put an administrator's public key there first.")
    if worker_key is not None:
        found.append(Principal.of("worker", Role.WORKER, load_private(worker_key).public_key()))
    return {each.key_id: each for each in found}


def principal(session: Session, standing: Standing, key: str) -> Principal:
    """The registered holder of the key with this id; `UnknownKey` for strangers and the revoked."""
    if key in standing:
        return standing[KeyId(key)]
    agent = session.scalar(select(Agent).where(Agent.key_id == key))
    if agent is None:
        raise UnknownKey(f"no registered agent has the key {key[:16]}")
    if agent.revoked_at is not None:
        raise UnknownKey(f"the key of {agent.name} was revoked", hint="Register the agent anew, with a new key.")
    return _principal(agent)


def _principal(agent: Agent) -> Principal:
    return Principal.of(agent.name, agent.role, parse_public(agent.public_key))


def trusted(session: Session, standing: Standing, keys: Iterable[str], roles: Collection[Role]) -> TrustStore:
    """Those of ``keys`` (ids) that an unrevoked holder of one of ``roles`` has."""
    wanted = set(keys)
    rows = session.scalars(
        select(Agent).where(Agent.key_id.in_(wanted), Agent.role.in_(roles), Agent.revoked_at.is_(None))
    )
    named = (each for each in standing.values() if each.key_id in wanted and each.role in roles)
    return TrustStore([*(_principal(each).key for each in rows), *(each.key for each in named)])


def burn(session: Session, key: KeyId, nonce: str) -> None:
    """Use up a nonce; `NonceUsed` the second time. In its own transaction, so that a request that fails stays used."""
    fresh = session.execute(
        insert(Nonce).values(key_id=key, nonce=nonce).on_conflict_do_nothing().returning(Nonce.nonce)
    ).first()
    if fresh is None:
        raise NonceUsed("the nonce of this request was used before")


def prune_nonces(session: Session, older_than_seconds: int) -> None:
    """Forget nonces of requests that are too old to be accepted anyway."""
    session.execute(
        text("DELETE FROM nonces WHERE seen_at < clock_timestamp() - make_interval(secs => :age)"),
        {"age": older_than_seconds},
    )


def register(session: Session, name: str, role: Role, key: PublicKey) -> tuple[Agent, bool]:
    """Register an agent; True when it is new. Repeating equal content changes nothing."""
    fresh = session.scalars(
        insert(Agent)
        .values(name=name, role=role, public_key=public_text(key), key_id=key_id(key))
        .on_conflict_do_nothing()
        .returning(Agent)
    ).first()
    if fresh is not None:
        return fresh, True
    found = session.scalar(select(Agent).where(Agent.name == name))
    if found is None:
        raise Conflict("another agent has this key", hint="Every agent has a key of its own: generate one.")
    if (found.role, found.key_id) != (role, key_id(key)) or found.revoked_at is not None:
        raise Conflict(f"there is an agent {name} with another role or key, or it was revoked")
    return found, False


def page(session: Session, *, after: int, limit: int) -> list[Agent]:
    """Agents in order of registration, from the one after id ``after``."""
    return list(session.scalars(select(Agent).where(Agent.id > after).order_by(Agent.id).limit(limit)))


def revoke(session: Session, name: str) -> Agent:
    """Take an agent's key out of use; the second time changes nothing."""
    agent = session.scalar(select(Agent).where(Agent.name == name).with_for_update())
    if agent is None:
        raise NotFound(f"there is no agent {name}", hint="List them with `m2kt agent list`.")
    if agent.revoked_at is None:
        agent.revoked_at = session.scalar(select(func.now()))
        session.flush()
    return agent
