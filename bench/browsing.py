"""A real Chromium before a dashboard: signed in, watched for what its policy forbids, asked by axe-core."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from m2kt.client import Client

PASSWORD = "a sentence that nobody guesses"  # noqa: S105  # of accounts that live as long as a run
GRAVE = ("serious", "critical")
LISTEN = "addEventListener('securitypolicyviolation', e => tell(`${e.violatedDirective} ${e.blockedURI} ${e.sample}`))"


def program() -> str | None:
    """Where this machine has Chromium."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program(), args=[*root, "--disable-gpu"])
        yield browser
        browser.close()


def watch(context: BrowserContext, page: Page) -> list[str]:
    """What no page may do, as it happens: break the policy, or let an error of a script through."""
    faults: list[str] = []
    context.expose_binding("tell", lambda _, said: faults.append(f"policy: {said}"))
    context.add_init_script(LISTEN)
    page.on("pageerror", lambda error: faults.append(f"script: {error}"))
    page.on("console", lambda said: _note(faults, said))
    return faults


def _note(faults: list[str], said: ConsoleMessage) -> None:
    if said.type == "error" and "Content Security Policy" in said.text:
        faults.append(f"policy: {said.text}")


def findings(page: Page) -> list[str]:
    """What axe-core finds serious or critical, in both themes; in the second only what depends on it."""
    from axe_playwright_python.sync_playwright import Axe

    found, axe = [], Axe()
    for scheme, rules in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of the two
        result = axe.run(page, options={"resultTypes": ["violations"], **rules})
        found += [
            f"{scheme} {page.url}: {each['id']} {node['target']} {node['failureSummary']}"
            for each in result.response["violations"]
            if each["impact"] in GRAVE
            for node in each["nodes"]
        ]
    return found


def sign_in(admin: Client, url: str, name: str, role: str) -> str:
    """A new account, in by the front door, with a password of its own; what its cookie holds."""
    told = admin.make_account(name, role)["password"]
    with httpx.Client(base_url=url, headers={"Origin": url}, timeout=60) as http:
        http.post("/sign-in", data={"name": name, "password": told})
        csrf = re.search(r'name="csrf" value="(\w+)"', http.get("/account").text)
        assert csrf, "there is no form to change the password with"
        form = {"csrf": csrf[1], "old": told, "new": PASSWORD, "again": PASSWORD}
        http.post("/account", data=form)
        return http.cookies["m2kt"]
