"""Enrolment: a token that an administrator made lets in one key, which was made on the agent's own host."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from hashlib import sha256

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from broker.models import Agent, Enrolment, Role
from broker.services import agents
from broker.services.agents import Principal
from broker.services.scopes import EVERY, Scope
from m2kt.errors import Conflict, Forbidden, NotFound, TokenExpired, TokenRefused, TokenScope, TokenUsed
from m2kt.signing.keys import PrivateKey, PublicKey, key_id

PREFIX = "m2kt-enrol."
NOW = func.clock_timestamp()


@dataclass(frozen=True)
class Wanted:
    """What an agent says it is. Without a role or a project it takes the token's."""

    name: str
    role: Role | None = None
    project: str | None = None


def make(
    session: Session, by: Principal, role: Role, project: str | None, pattern: str | None, lifetime: timedelta
) -> tuple[Enrolment, str]:
    """A token, to be used once within ``lifetime``; only its digest stays here."""
    where = agents.home_of(by, role, project)
    token = PREFIX + secrets.token_urlsafe(32)
    row = Enrolment(
        token_sha256=_digest(token),
        role=role,
        project=where,
        name_pattern=pattern,
        made_by=by.name,
        expires=session.scalars(select(NOW + lifetime)).one(),
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    return row, token


def enrol(session: Session, signer: PrivateKey, token: str, wanted: Wanted, key: PublicKey) -> tuple[Agent, bool]:
    """Spend a token on the holder of ``key``; True when the agent is new.

    The token is spent in the transaction that registers the key. The key that spent it may come again, after a lost
    answer; nobody else may (`TokenUsed`). `TokenRefused` for an unknown token, `TokenExpired`, `TokenScope`.
    """
    row = session.scalar(select(Enrolment).where(Enrolment.token_sha256 == _digest(token)).with_for_update())
    if row is None:
        raise TokenRefused("this broker has made no such token")
    if row.used is not None:
        return _again(session, row, wanted, key), False
    if row.expires <= session.scalars(select(NOW)).one():
        raise TokenExpired(f"the token ended at {row.expires:%Y-%m-%d %H:%M:%S} UTC, without being used")
    _require_scope(row, wanted)
    agent, fresh = agents.register(session, signer, wanted.name, Role(row.role), key, project=row.project)
    row.used, row.agent_id, row.key_id = session.scalars(select(NOW)).one(), agent.id, key_id(key)
    session.flush()
    return agent, fresh


def withdraw(session: Session, enrolment_id: int, scope: Scope) -> Enrolment:
    """Let a token end now; one that was used stays as it is."""
    row = session.get(Enrolment, enrolment_id, with_for_update=True)
    if row is None or not scope.has(row.project):
        raise NotFound(f"there is no token {enrolment_id}", hint="List them with `m2kt agent tokens`.")
    if row.used is not None:
        raise Conflict(f"token {enrolment_id} was used", hint="Revoke the agent instead: `m2kt agent revoke`.")
    row.expires = min(row.expires, session.scalars(select(NOW)).one())
    session.flush()
    return row


def withdraw_of(session: Session, maker: str) -> None:
    """Let every unused token of somebody end: whoever lost their key may have lost these, too."""
    mine = update(Enrolment).where(Enrolment.made_by == maker, Enrolment.used.is_(None), Enrolment.expires > NOW)
    session.execute(mine.values(expires=NOW).execution_options(synchronize_session=False))


def page(session: Session, scope: Scope, *, before: int | None, limit: int) -> list[Enrolment]:
    """Tokens without their words, newest first."""
    wanted = select(Enrolment).where(scope.within(Enrolment.project)).order_by(Enrolment.id.desc()).limit(limit)
    return list(session.scalars(wanted if before is None else wanted.where(Enrolment.id < before)))


def _again(session: Session, row: Enrolment, wanted: Wanted, key: PublicKey) -> Agent:
    agent = session.get(Agent, row.agent_id)
    if agent is None or row.key_id != key_id(key) or agent.name != wanted.name:
        raise TokenUsed(f"the token was used at {row.used:%Y-%m-%d %H:%M:%S} UTC, for another key or name")
    _require_scope(row, wanted)
    if agent.revoked_at is not None:
        raise Forbidden(f"{agent.name} was revoked", hint="An agent does not come back: enrol it with another name.")
    return agent


def _require_scope(row: Enrolment, wanted: Wanted) -> None:
    asked = {"role": (wanted.role, row.role), "project": (wanted.project, row.project)}
    for what, (said, allowed) in asked.items():
        if said is not None and said != allowed:
            shown = "every project" if allowed == EVERY else allowed
            raise TokenScope(f"the token is for the {what} {shown}, not for {said}")
    if row.name_pattern is not None and not fnmatchcase(wanted.name, row.name_pattern):
        raise TokenScope(f"the token is for names like {row.name_pattern}, not for {wanted.name}")


def _digest(token: str) -> str:
    """Enough for 256 random bits: nobody can try them all, however fast the hash."""
    return sha256(token.encode()).hexdigest()
