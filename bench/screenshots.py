"""``python -m bench.screenshots``: the pictures in docs/images, of a small broker of its own, light and dark."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page

from bench import browsing
from bench.embedded import Stack, embedded
from m2kt.client import Client
from m2kt.signing import sign_packet
from m2kt.signing.keys import PrivateKey, generate
from tests.small import small_packet

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images"
SIZE = {"width": 1100, "height": 760}
PATIENCE = 120.0


def main() -> int:
    """Write them; each is of what is there, nothing is drawn by hand."""
    FOLDER.mkdir(exist_ok=True)
    with embedded({"M2KT_APPROVALS": '{"name:robots/": 1}'}) as stack, browsing.chromium() as browser:
        paths = _fill(stack)
        with stack.client() as admin:
            cookie = browsing.sign_in(admin, stack.url, "carol", "operator")
        for name, (path, scheme) in paths.items():
            context = browser.new_context(color_scheme=scheme, viewport=SIZE)  # type: ignore[arg-type]  # as said above
            context.add_cookies([{"name": "m2kt", "value": cookie, "url": stack.url}])
            _take(context.new_page(), stack.url + path, FOLDER / f"dashboard-{name}.png")
            context.close()
    return 0


def _take(page: Page, address: str, target: Path) -> None:
    answer = page.goto(address, wait_until="networkidle")
    assert answer is not None
    assert answer.ok, f"{address}: {answer.status}"
    page.screenshot(path=target)


def _fill(stack: Stack) -> dict[str, tuple[str, str]]:
    """A packet that was approved, one that waits, a job that failed; the pages to take, and in which theme."""
    teacher = generate()
    with stack.client() as admin, Client(stack.url, teacher) as client:
        admin.register_agent("ada", "teacher", teacher.public_key())
        good = _publish(client, teacher, "acme/addition", "1.0.0", "approved")
        waiting = _publish(client, teacher, "robots/addition", "1.0.0", "quarantined")
        client.move_channel("acme/addition", "stable", version="1.0.0", etag=None)
        client.submit_job("noop", {"seconds": "many"})
        _wait(lambda: bool(next(iter(admin.jobs(kind="noop")))["state"] == "failed"))
    return {
        "overview": ("/", "light"),
        "review": (f"/packets/{waiting}/review", "dark"),
        "packet": (f"/packets/{good}", "light"),
    }


def _publish(client: Client, key: PrivateKey, name: str, version: str, state: str) -> str:
    packet_id: str = client.publish(sign_packet(small_packet(version, name), key))["packet_id"]
    _wait(lambda: bool(client.show(packet_id)["state"] == state))
    return packet_id


def _wait(look: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
