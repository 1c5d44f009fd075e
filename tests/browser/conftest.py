"""A real Chromium before a real broker. Everything that the pages' policy forbids, and every error of a script, fails
the test in which it happens."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from bench import browsing
from m2kt.client import Client
from tests.daemons import until
from tests.stack import Stack


@dataclass(frozen=True)
class Visitor:
    """Somebody who is signed in, in a browser of their own. ``faults``: what no page may do."""

    context: BrowserContext
    page: Page
    url: str
    name: str
    faults: list[str]

    def open(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def tab_to(self, text: str, most: int = 120) -> None:
        """Press Tab until what has the focus is called ``text``, as somebody without a mouse would."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if text in self.page.evaluate(CALLED):
                return
        raise AssertionError(f"Tab never reached {text!r}: {self.page.url}")


CALLED = """() => {
  const it = document.activeElement;
  return [it.labels?.[0]?.innerText, it.getAttribute("aria-label"), it.innerText].filter(Boolean).join(" ");
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for the tests of a module: the loop that drives it must not live beside those of other tests."""
    if browsing.program() is None:
        told = "there is no chromium: apt-get install chromium"
        pytest.fail(told) if os.environ.get("CI") else pytest.skip(told)
    with browsing.chromium() as browser:
        yield browser


Visit = Callable[..., Visitor]


@pytest.fixture(scope="session")
def cookies(running_stack: Stack) -> Callable[[str], tuple[str, str]]:
    """The account of a role, made when it is asked for first: passwords are slow."""
    found: dict[str, tuple[str, str]] = {}

    def one(role: str) -> tuple[str, str]:
        if role not in found:
            with running_stack.client() as admin:
                name = f"browsing-{role}"
                found[role] = name, browsing.sign_in(admin, running_stack.url, name, role)
        return found[role]

    return one


@pytest.fixture
def visit(chromium, running_stack: Stack, cookies: Callable[[str], tuple[str, str]]) -> Iterator[Visit]:
    """``visit("operator")``: a visitor of this role; ``scripts=False`` for a browser that runs none."""
    visitors: list[Visitor] = []

    def one(role: str = "viewer", *, scheme: str = "light", scripts: bool = True) -> Visitor:
        name, cookie = cookies(role)
        context = chromium.new_context(color_scheme=scheme, java_script_enabled=scripts, reduced_motion="reduce")
        context.set_default_timeout(30_000)
        context.add_cookies([{"name": "m2kt", "value": cookie, "url": running_stack.url}])
        page = context.new_page()
        faults = browsing.watch(context, page) if scripts else []
        visitors.append(Visitor(context, page, running_stack.url, name, faults))
        return visitors[-1]

    yield one
    faults = [fault for each in visitors for fault in each.faults]
    for each in visitors:
        each.context.close()
    assert faults == []


@pytest.fixture
def admin(running_stack: Stack) -> Iterator[Client]:
    with running_stack.client() as client:
        yield client


def state_of(client: Client, packet_id: str, state: str) -> None:
    """Wait until a packet is in this state."""
    until(lambda: client.show(packet_id)["state"] == state, f"{packet_id} to be {state}")
