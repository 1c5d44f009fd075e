"""Accounts of people at the dashboard. Part of `m2kt.client.Client`."""

from collections.abc import Iterator
from urllib.parse import quote

from m2kt.client.paging import Calls
from m2kt.client.transport import Json


class AccountCalls(Calls):
    """For administrators."""

    def make_account(self, name: str, role: str, *, project: str | None = None, password: str | None = None) -> Json:
        """An account of the dashboard; ``password`` of the answer lets its holder in once."""
        body = {"name": name, "role": role, "project": project, "password": password}
        return self._transport.post("/v1/accounts", body)

    def accounts(self) -> Iterator[Json]:
        return self._items("/v1/accounts", {"limit": 200})

    def reset_account(self, name: str) -> Json:
        """A new one-time password; the account is signed out everywhere."""
        return self._transport.post(f"/v1/accounts/{quote(name)}/reset")

    def disable_account(self, name: str) -> Json:
        return self._transport.post(f"/v1/accounts/{quote(name)}/disable")
