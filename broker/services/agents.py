"""Who may speak, as what, and whose signatures on packets count."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from broker.models import Agent, AgentKey, Role
from broker.services import keyring
from broker.services.scopes import DEFAULT, EVERY, Scope, home
from m2kt.errors import Conflict, Forbidden, KeyFileError, NotFound, UsageError
from m2kt.signing.keys import (
    KeyId,
    PrivateKey,
    PublicKey,
    Trusted,
    TrustStore,
    key_id,
    load_private,
    load_trusted,
    parse_public,
)
from m2kt.signing.validity import ALWAYS, Validity

PUBLISHING = frozenset({Role.TEACHER, Role.WORKER, Role.ADMIN})
"""Roles whose signatures on a packet count."""

WIDE = frozenset({Role.ADMIN, Role.AUDITOR, Role.WORKER})
"""Roles that may be at home in every project, and are where nobody says otherwise."""

PEERS = frozenset({Role.TEACHER, Role.STUDENT, Role.WORKER})
"""Roles whose signatures on predictions count, in an exchange of which they are peers."""


@dataclass(frozen=True)
class Principal:
    """A holder of a key that this broker knows, and when that key counts."""

    name: str
    role: Role
    key_id: KeyId
    key: PublicKey
    validity: Validity = ALWAYS
    project: str = EVERY
    agent_id: int | None = None
    """Its row; None for those whom the settings name."""
    session: str | None = None
    """What its request was signed with, besides the key."""
    draining: bool = False

    @property
    def scope(self) -> Scope:
        return Scope.of(self.project)

    @classmethod
    def of(cls, name: str, role: Role, key: PublicKey, validity: Validity = ALWAYS) -> "Principal":
        return cls(name, role, key_id(key), key, validity)


Standing = Mapping[KeyId, Principal]
"""Holders of keys whom the settings name; the database cannot revoke them, the lines in their files can."""


def read_standing(admin_keys: Path, worker_key: Path | None) -> Standing:
    """The administrators whose public keys (``NAME.pub``) lie in ``admin_keys``, and the broker's own worker."""
    files = [(path.stem, load_trusted(path)) for path in sorted(admin_keys.glob("*.pub"))]
    if not files:
        raise KeyFileError(f"{admin_keys} holds no *.pub file", hint="Put an administrator's public key there first.")
    found = [Principal.of(name, Role.ADMIN, each.key, each.validity) for name, each in files]
    if worker_key is not None:
        found.append(Principal.of("worker", Role.WORKER, load_private(worker_key).public_key()))
    return {each.key_id: each for each in found}


def _principal(row: AgentKey) -> Principal:
    agent, key = row.agent, parse_public(row.public_key)
    return Principal(agent.name, agent.role, key_id(key), key, row.validity, project=agent.project, agent_id=agent.id)


def holders(
    session: Session,
    standing: Standing,
    keys: Iterable[str],
    roles: Collection[Role],
    project: str | None = None,
) -> list[Principal]:
    """Those who hold, or held, one of ``keys`` (ids) and have one of ``roles``; of one project, if it is named."""
    wanted = set(keys)
    found = select(AgentKey).join(Agent).where(AgentKey.key_id.in_(wanted), Agent.role.in_(roles))
    rows = session.scalars(found.where(Agent.project.in_((project, EVERY))) if project else found)
    named = (each for each in standing.values() if each.key_id in wanted and each.role in roles)
    return [*map(_principal, rows), *named]


def trusted(
    session: Session,
    standing: Standing,
    keys: Iterable[str],
    roles: Collection[Role],
    project: str | None = None,
) -> TrustStore:
    """The keys of `holders`. Whether they count is asked after the signature is verified (`TrustStore.require_valid`),
    so that the refusal can name the rule."""
    return TrustStore(Trusted(each.key, each.validity) for each in holders(session, standing, keys, roles, project))


def prune_nonces(session: Session, older_than_seconds: int) -> None:
    """Forget nonces of requests that are too old to be accepted anyway."""
    session.execute(
        text("DELETE FROM nonces WHERE seen_at < clock_timestamp() - make_interval(secs => :age)"),
        {"age": older_than_seconds},
    )


def home_of(by: Principal, role: Role, project: str | None) -> str:
    """The project of an agent that ``by`` lets in: the one that is named, or what the role is at home in."""
    if project is None and by.project == EVERY:
        return EVERY if role in WIDE else DEFAULT
    where = home(by.project, project)
    if where == EVERY and role not in WIDE:
        raise UsageError(f"a {role} belongs to one project, not to every one")
    return where


def register(
    session: Session,
    signer: PrivateKey,
    name: str,
    role: Role,
    key: PublicKey,
    validity: Validity = ALWAYS,
    project: str | None = None,
) -> tuple[Agent, bool]:
    """Register an agent; True when it is new. Repeating equal content changes nothing. ``signer``: the broker's key."""
    where = project or (EVERY if role in WIDE else DEFAULT)
    fresh = session.scalars(
        insert(Agent).values(name=name, role=role, project=where).on_conflict_do_nothing().returning(Agent)
    ).first()
    if fresh is not None:
        keyring.add(session, signer, fresh, key, validity)
        return fresh, True
    found = get(session, name)
    if (found.role, found.project, found.present.key_id) != (role, where, key_id(key)) or found.revoked_at is not None:
        raise Conflict(f"there is an agent {name} with another role, project or key, or it was revoked")
    return found, False


def get(session: Session, name: str) -> Agent:
    """The agent, locked until the transaction ends."""
    agent = session.scalar(select(Agent).where(Agent.name == name).with_for_update())
    if agent is None:
        raise NotFound(f"there is no agent {name}", hint="List them with `m2kt agent list`.")
    return agent


def find(session: Session, name: str) -> Agent:
    """The agent, to be looked at."""
    agent = session.scalar(select(Agent).where(Agent.name == name))
    if agent is None:
        raise NotFound(f"there is no agent {name}", hint="List them with `m2kt agent list`.")
    return agent


def page(session: Session, scope: Scope, *, after: int, limit: int) -> list[Agent]:
    """Agents in order of registration, from the one after id ``after``: those of the scope, and those who are at home
    in every project and so in these, too."""
    wanted = select(Agent).where(Agent.id > after, or_(scope.within(Agent.project), Agent.project == EVERY))
    return list(session.scalars(wanted.order_by(Agent.id).limit(limit)))


def drain(session: Session, name: str, *, wanted: bool) -> Agent:
    """Have an agent take no more work, finish what it has and end; or let it work again."""
    agent = get(session, name)
    if agent.revoked_at is not None:
        raise Conflict(f"{name} was revoked", hint="It gets no work anyway.")
    if wanted != (agent.draining is not None):
        agent.draining = session.scalar(select(func.now())) if wanted else None
        session.flush()
    return agent


def rotate(
    session: Session, signer: PrivateKey, name: str, key: PublicKey, proof: bytes, overlap: timedelta, by: Principal
) -> Agent:
    """Let an agent's key be followed by another one. Only the agent itself may, with the key that it has."""
    agent = get(session, name)
    if agent.revoked_at is not None or by.key_id != agent.present.key_id:
        raise Forbidden("only the holder of an agent's present key may rotate it")
    keyring.rotate(session, signer, agent, key, proof, overlap)
    return agent


def revoke(session: Session, signer: PrivateKey, name: str, since: datetime | None = None) -> Agent:
    """Take an agent's keys out of use; the second time changes nothing, unless it was lost earlier than we thought.
    What follows from it for sessions, leases and tokens: `broker.services.leaving`."""
    agent = get(session, name)
    keyring.revoke(session, signer, agent, since)
    if agent.revoked_at is None:
        agent.revoked_at = session.scalar(select(func.now()))
        session.flush()
    return agent
