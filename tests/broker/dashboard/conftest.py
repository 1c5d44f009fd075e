"""People who are signed in, as browsers without scripts."""

from collections.abc import Callable
from dataclasses import dataclass

import httpx
import pytest

from broker.models import PersonRole, Role
from broker.services import accounts, passwords, sign_ins
from broker.services.agents import Principal
from broker.web import people
from tests.broker.conftest import URL

CHOSEN = "a long enough one"


@dataclass(frozen=True)
class Browser:
    """Follows no redirects, so that tests see them."""

    http: httpx.Client
    csrf: str
    token: str

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(path, headers=headers)

    def post(self, path: str, fields: dict[str, str] | None = None, **headers: str) -> httpx.Response:
        told = {"Origin": URL, **headers}
        return self.http.post(path, data={"csrf": self.csrf, **(fields or {})}, headers=told)


@pytest.fixture(scope="session", autouse=True)
def quick_digests():
    """Slow digests are what passwords need and tests do not."""
    before, passwords.COST = passwords.COST, 2**4
    passwords._nobody.cache_clear()
    yield
    passwords.COST = before
    passwords._nobody.cache_clear()


Browse = Callable[..., Browser]


@pytest.fixture
def browse(session, transport, settings, keys) -> Browse:
    """A browser in which an account of this role is signed in; made when it is not there yet."""
    opened = []

    def browser(role: str = "viewer", project: str = "*", name: str | None = None) -> Browser:
        name = name or f"{role}-{'every' if project == '*' else project}"
        root = Principal.of("root", Role.ADMIN, keys.admin.public_key())
        account, _ = accounts.add(session, name, PersonRole(role), by=root, project=project, password=CHOSEN)
        account.must_change = False
        session.flush()
        token = sign_ins.open_(session, account, people.terms(settings))
        session.commit()
        http = httpx.Client(base_url=URL, transport=transport, cookies={people.cookie_name(settings): token})
        opened.append(http)
        return Browser(http, sign_ins.csrf(token), token)

    yield browser
    for each in opened:
        each.close()
