"""A real Chromium before a real broker. Everything that the pages' policy forbids, and every error of a script, fails
the test in which it happens."""

import itertools
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from m2kt.client import Client
from tests.daemons import until
from tests.stack import Stack

_numbers = itertools.count(1)
PASSWORD = "a sentence that nobody guesses"  # noqa: S105  # of accounts that live as long as a test run
LISTEN = (
    "addEventListener('securitypolicyviolation', e => tell(e.violatedDirective + ' ' + e.blockedURI + ' ' + e.sample))"
)


@dataclass
class Visitor:
    """Somebody who is signed in, in a browser of their own. ``faults``: what no page may do."""

    context: "object"
    page: "object"
    url: str
    name: str
    faults: list[str] = field(default_factory=list)

    def open(self, path: str) -> "object":
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
def chromium() -> "Iterator[object]":
    """One browser for the tests of a module: the loop that drives it must not live beside those of other tests."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        told = "there is no chromium: apt-get install chromium"
        pytest.fail(told) if os.environ.get("CI") else pytest.skip(told)
    with sync_playwright() as playwright:
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=root)
        yield browser
        browser.close()


Visit = Callable[..., Visitor]


@pytest.fixture(scope="session")
def cookies(running_stack: Stack) -> Callable[[str], tuple[str, str]]:
    """The account of a role, made when it is asked for first: passwords are slow."""
    found: dict[str, tuple[str, str]] = {}

    def one(role: str) -> tuple[str, str]:
        if role not in found:
            found[role] = sign_in(running_stack, role)
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
        visitor = Visitor(context, context.new_page(), running_stack.url, name)
        if scripts:
            watch(visitor)
        visitors.append(visitor)
        return visitor

    yield one
    faults = [fault for each in visitors for fault in each.faults]
    for each in visitors:
        each.context.close()
    assert faults == []


def watch(visitor: Visitor) -> None:
    visitor.context.expose_binding("tell", lambda _, said: visitor.faults.append(f"policy: {said}"))
    visitor.context.add_init_script(LISTEN)
    visitor.page.on("pageerror", lambda error: visitor.faults.append(f"script: {error}"))
    visitor.page.on("console", lambda said: _note(visitor, said))


def _note(visitor: Visitor, said: "object") -> None:
    if said.type == "error" and "Content Security Policy" in said.text:
        visitor.faults.append(said.text)


def sign_in(stack: Stack, role: str) -> tuple[str, str]:
    """A new account, in by the front door: its name, and what its cookie holds."""
    name = f"{role}-{next(_numbers)}"
    with stack.client() as admin:
        told = admin.make_account(name, role)["password"]
    with httpx.Client(base_url=stack.url, headers={"Origin": stack.url}) as http:
        http.post("/sign-in", data={"name": name, "password": told})
        csrf = re.search(r'name="csrf" value="(\w+)"', http.get("/account").text)
        assert csrf
        form = {"csrf": csrf[1], "old": told, "new": PASSWORD, "again": PASSWORD}
        assert http.post("/account", data=form).headers["location"] == "/"
        return name, http.cookies["m2kt"]


@pytest.fixture
def admin(running_stack: Stack) -> Iterator[Client]:
    with running_stack.client() as client:
        yield client


def state_of(client: Client, packet_id: str, state: str) -> None:
    """Wait until a packet is in this state."""
    until(lambda: client.show(packet_id)["state"] == state, f"{packet_id} to be {state}")
