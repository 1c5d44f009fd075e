"""Accounts of people: made by administrators, with a password that is good for one change of it.

What somebody does at the dashboard is done by the broker on their word: statements name them ``NAME@dashboard``, which
no agent can be called (docs/decisions/0004-people.md).
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from broker.models import Account, PersonRole, Role
from broker.services import enrolments, passwords, sign_ins
from broker.services.agents import Principal
from broker.services.scopes import EVERY, Scope, home
from m2kt.errors import Conflict, NotFound
from m2kt.signing.keys import PublicKey, key_id

SUFFIX = "@dashboard"


@dataclass(frozen=True)
class Person:
    """Who looks at a page. Without a name: anybody, where the settings open the dashboard."""

    name: str
    role: PersonRole
    scope: Scope
    project: str = EVERY
    account_id: int | None = None
    csrf: str = ""
    """What the forms of this browser's sign-in must send back."""

    @property
    def signed(self) -> str:
        """As statements and rows name them."""
        return self.name + SUFFIX

    def may(self, role: str) -> bool:
        return self.role.may(PersonRole(role))

    def acting(self, broker: PublicKey) -> Principal:
        """As services want to have who decides. The caller has asked for the role; the key is that of the broker,
        which signs in their place."""
        return Principal(self.signed, Role.ADMIN, key_id(broker), broker, project=self.project)


def add(
    session: Session,
    name: str,
    role: PersonRole,
    *,
    by: Principal,
    project: str | None = None,
    password: str | None = None,
) -> tuple[Account, str]:
    """A new account and its one-time password, or the given one."""
    where = (project or EVERY) if by.project == EVERY else home(by.project, project)
    told = password or passwords.one_time()
    values = {"name": name, "role": role, "project": where, "password": passwords.keep(told), "made_by": by.name}
    row = session.scalars(insert(Account).values(values).on_conflict_do_nothing().returning(Account)).first()
    if row is None:
        raise Conflict(f"there is an account {name} already", hint="Give it another password, or choose another name.")
    return row, told


def get(session: Session, name: str, scope: Scope) -> Account:
    """The account, locked; outside the scope there is none."""
    row = session.scalar(select(Account).where(Account.name == name).with_for_update())
    if row is None or not scope.has(row.project):
        raise NotFound(f"there is no account {name}", hint="List them with `m2kt dashboard account list`.")
    return row


def page(session: Session, scope: Scope, *, after: int, limit: int) -> list[Account]:
    wanted = select(Account).where(Account.id > after, scope.within(Account.project))
    return list(session.scalars(wanted.order_by(Account.id).limit(limit)))


def reset(session: Session, name: str, scope: Scope) -> tuple[Account, str]:
    """A new one-time password; every browser in which the account is signed in is signed out."""
    row, told = get(session, name, scope), passwords.one_time()
    row.password, row.must_change = passwords.keep(told), True
    sign_ins.end_all(session, row.id)
    session.flush()
    return row, told


def disable(session: Session, name: str, scope: Scope) -> Account:
    """Let an account in no more, at once; its unused tokens and its approvals of waiting packets count no more."""
    row = get(session, name, scope)
    row.disabled = row.disabled or session.scalar(select(func.clock_timestamp()))
    sign_ins.end_all(session, row.id)
    enrolments.withdraw_of(session, name + SUFFIX)
    session.flush()
    return row


def change(session: Session, account_id: int, old: str, new: str) -> bool:
    """Give an account the password that its holder chose; False when the old one is not its. Other browsers are
    signed out by the caller's next sign-in."""
    row = session.get_one(Account, account_id, with_for_update=True)
    if old == new or not passwords.matches(old, row.password):
        return False
    row.password, row.must_change = passwords.keep(new), False
    session.flush()
    return True


def active(session: Session, names: Collection[str]) -> set[str]:
    """Those of these accounts that may review now."""
    wanted = select(Account.name, Account.role).where(Account.name.in_(names), Account.disabled.is_(None))
    return {name for name, role in session.execute(wanted) if role.may(PersonRole.OPERATOR)}
