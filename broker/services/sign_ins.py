"""Browsers in which somebody is signed in: opened with a password, known by a cookie, ended by the clock."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from broker.models import Account, SignIn
from broker.services import rates
from broker.storage.driver import driver
from m2kt.errors import RateLimited

NOW = func.clock_timestamp()
SEEN_EVERY = timedelta(minutes=1)
TRIES_HERE, TRIES = 6, 60
"""A minute: of one address at one account, and of all addresses at it."""


@dataclass(frozen=True)
class Terms:
    """How long a sign-in lasts, and how long without being used."""

    life: timedelta
    idle: timedelta


def throttle(session: Session, name: str, address: str) -> None:
    """Count a try; `RateLimited` when there were too many. Its own transaction: a try that fails counts, too.

    By account and address, so that nobody locks out another by guessing; by account with far more room, for guesses
    from many addresses.
    """
    who = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    for caller, most in ((f"sign-in {who} {address}", TRIES_HERE), (f"sign-in {who}", TRIES)):
        left = rates.spend(driver(session), caller, most)
        if left.retry_after:
            raise RateLimited(
                "too many passwords were tried for this account",
                hint=f"Wait {left.retry_after} s. Forgotten? `m2kt dashboard account reset NAME` makes a new one.",
            )


def find(session: Session, name: str) -> Account | None:
    return session.scalar(select(Account).where(Account.name == name, Account.disabled.is_(None)))


def open_(session: Session, account: Account, terms: Terms) -> str | None:
    """A new sign-in; what its cookie holds is here and nowhere else. None when the account changed since it was found:
    checking a password takes a while."""
    same = select(Account.id).where(
        Account.id == account.id, Account.password == account.password, Account.disabled.is_(None)
    )
    if session.scalar(same) is None:
        return None
    token = secrets.token_urlsafe(32)
    ends = session.scalars(select(NOW + terms.life)).one()
    session.add(SignIn(account_id=account.id, token_sha256=_digest(token), expires=ends))
    session.flush()
    return token


def of(session: Session, token: str, terms: Terms) -> SignIn | None:
    """The sign-in of this cookie, if it has not ended. That it was used is noted at most once a minute."""
    wanted = select(SignIn, NOW).where(SignIn.token_sha256 == _digest(token), SignIn.closed.is_(None))
    found = session.execute(wanted).one_or_none()
    if found is None:
        return None
    row, now = found
    if row.expires <= now or now - row.seen >= terms.idle or row.account.disabled is not None:
        return None
    if now - row.seen >= SEEN_EVERY:
        session.execute(update(SignIn).where(SignIn.id == row.id).values(seen=NOW))
    return row  # type: ignore[no-any-return]  # a tuple of the two


def end(session: Session, token: str) -> None:
    session.execute(
        update(SignIn).where(SignIn.token_sha256 == _digest(token), SignIn.closed.is_(None)).values(closed=NOW)
    )


def end_all(session: Session, account_id: int) -> None:
    session.execute(update(SignIn).where(SignIn.account_id == account_id, SignIn.closed.is_(None)).values(closed=NOW))


def forget(session: Session, older_than: timedelta) -> None:
    """Drop what ended long ago."""
    session.execute(delete(SignIn).where(SignIn.expires < NOW - older_than))


def csrf(token: str) -> str:
    """What forms of this sign-in must hold: follows from the cookie, and does not lead back to it."""
    return hmac.new(token.encode(), b"m2kt form", sha256).hexdigest()


def _digest(token: str) -> str:
    """Enough for 256 random bits."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
