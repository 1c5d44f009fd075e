"""The packet page in a real browser: verified there and not believed, traced and taken back, compared."""

import base64
import json
from dataclasses import replace

import httpx
import numpy as np
import pytest

from bench import browsing
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate, load_private, public_text
from tests.broker.conftest import make_packet
from tests.daemons import until
from tests.small import packet_of, small_knowledge

pytestmark = pytest.mark.browser

STEPS = ("container", "signature", "structure", "packet-id", "receipt", "inclusion", "checkpoint")


@pytest.fixture(scope="module")
def teacher(running_stack):
    return load_private(running_stack.agent("verified-teacher", "teacher"))


@pytest.fixture(scope="module")
def publish(running_stack, teacher):
    """Publish a packet, and wait until a scan has decided and its receipt is logged."""

    def one(packet) -> str:
        with running_stack.client(teacher) as client, httpx.Client(base_url=running_stack.url) as http:
            found = client.publish(sign_packet(packet, teacher))["packet_id"]
            until(lambda: client.show(found)["state"] in ("approved", "quarantined"), "the scan of a packet")
            until(lambda: http.get(f"/v1/packets/{found}/receipt").json()["proof"], "the receipt in the log")
        return found

    return one


@pytest.fixture(scope="module")
def versions(publish):
    """Two of one name; in the second a concept has another answer."""
    small = small_knowledge()
    moved = np.array(small.centroids)
    moved[4] = moved[0]
    first = publish(packet_of(small, "1.0.0", "verified/addition"))
    return first, publish(packet_of(replace(small, centroids=moved), "2.0.0", "verified/addition"))


def verified(page) -> dict[str, str]:
    """Press the button, and read each step's word."""
    status = page.locator("#by-browser [role=status]")
    page.get_by_role("button", name="Verify in this browser").click()
    page.wait_for_function("() => / ms\\)/.test(document.querySelector('#by-browser [role=status]').textContent)")
    assert status.inner_text()
    words = page.locator("#by-browser tr[data-step] .word").all_inner_texts()
    return dict(zip(STEPS, (each[2:] for each in words), strict=True))


def said(page) -> str:
    return page.locator("#by-browser [role=status]").inner_text()


def change(page, what, altered) -> None:
    """Somebody in the middle, or the broker itself, gives this instead."""

    def answer(route):
        response = route.fetch()
        route.fulfill(response=response, body=altered(response.body()))

    page.route(f"**/packets/*/{what}", answer)


def in_evidence(**changes):
    def altered(body):
        told = json.loads(body)
        return json.dumps({**told, **{name: each(told[name]) for name, each in changes.items()}})

    return altered


def flip(data: bytes, place: int = -5) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


def test_a_packet_is_verified_in_the_browser(visit, versions):
    page = visit("auditor").open(f"/packets/{versions[0]}")
    assert page.locator("#by-browser .word").all_inner_texts() == ["– not run"] * len(STEPS)
    assert verified(page) == dict.fromkeys(STEPS, "pass")
    assert said(page).startswith("Verified in this browser.")


def other_leaf(proof):
    head, index, rest = proof.split("\n", 2)
    return f"{head}\nindex {int(index.removeprefix('index ')) ^ 1}\n{rest}"


def other_signature(receipt):
    envelope = json.loads(base64.b64decode(receipt))
    sig = flip(base64.b64decode(envelope["signatures"][0]["sig"]))
    envelope["signatures"][0]["sig"] = base64.b64encode(sig).decode()
    return base64.b64encode(json.dumps(envelope, separators=(",", ":"), sort_keys=True).encode()).decode()


TAMPERED = {
    "bytes": ("content", flip, "packet-id"),
    "signature": ("content", lambda body: body.replace(b'"sig":"', b'"sig":"AAAA', 1), "container"),
    "one bit of the signature": (
        "content",
        lambda body: flip(body, body.index(b'"sig":"') + 12),
        "signature",
    ),
    "receipt": ("evidence", in_evidence(receipt=other_signature), "receipt"),
    "inclusion": ("evidence", in_evidence(proof=other_leaf), "inclusion"),
    "checkpoint": ("evidence", in_evidence(proof=lambda text: text.replace("\n— ", "\n— x", 2)), "checkpoint"),
    "keys": ("evidence", in_evidence(signers=lambda _: [public_text(generate().public_key())]), "signature"),
}


@pytest.mark.parametrize(("what", "altered", "failed"), TAMPERED.values(), ids=TAMPERED)
def test_what_was_tampered_with_fails_by_name_and_never_passes(visit, versions, what, altered, failed):
    page = visit("auditor").open(f"/packets/{versions[0]}")
    change(page, what, altered)
    found = verified(page)
    assert found[failed] == "fail"
    assert failed in said(page)
    assert "Do not use this packet" in said(page)
    assert "Verified" not in said(page)


def test_keys_from_elsewhere_are_the_only_ones_that_count_then(visit, versions, teacher, admin):
    page = visit("auditor").open(f"/packets/{versions[0]}")
    page.get_by_text("Trust only keys that I have from elsewhere").click()
    field = page.locator("#by-browser textarea")
    field.fill(public_text(generate().public_key()))
    found = verified(page)
    assert (found["signature"], found["receipt"]) == ("fail", "fail")
    field.fill(f"{public_text(teacher.public_key())}\n{public_text(admin.broker_key())}")
    assert set(verified(page).values()) == {"pass"}


def test_a_browser_without_ed25519_says_so_and_passes_nothing_that_needs_it(visit, versions):
    visitor = visit("auditor")
    visitor.context.add_init_script(
        "const real = SubtleCrypto.prototype.importKey; SubtleCrypto.prototype.importKey = function (f, k, a, ...r) {"
        " return a === 'Ed25519' ? Promise.reject(new DOMException('', 'NotSupportedError')) :"
        " real.call(this, f, k, a, ...r); }"
    )
    page = visitor.open(f"/packets/{versions[0]}")
    found = verified(page)
    assert [found[each] for each in ("signature", "receipt", "inclusion", "checkpoint")] == ["not run"] * 4
    assert "no Ed25519 in this browser" in page.locator("#by-browser").inner_text()
    assert said(page).startswith("Not verified:")


def test_who_may_not_have_the_bytes_verifies_what_was_signed_and_is_told_what_was_not_looked_at(visit, versions):
    page = visit("viewer").open(f"/packets/{versions[0]}")
    found = verified(page)
    assert [found[each] for each in ("signature", "inclusion", "checkpoint")] == ["pass"] * 3
    assert [found[each] for each in ("container", "structure", "packet-id", "receipt")] == ["not run"] * 4
    assert said(page).startswith("Not verified:")


def test_a_packet_that_was_revoked_while_its_page_was_open_is_not_verified(visit, publish, admin):
    packet_id = publish(make_packet("verified/revoked"))
    page = visit("auditor").open(f"/packets/{packet_id}")
    admin.revoke(packet_id, "its teacher was wrong")
    assert "not run" in verified(page).values()
    assert "It is revoked since this page was made" in said(page)
    assert "approved" not in page.locator("#by-browser [role=status]").get_attribute("class")


def test_the_server_verifies_again_in_its_place_on_the_page(visit, versions):
    page = visit("viewer").open(f"/packets/{versions[0]}")
    page.get_by_role("button", name="Verify on the server now").click()
    page.get_by_text("The broker verified it just now").wait_for()
    assert page.url.endswith(versions[0])


def test_a_lineage_is_traced_with_the_keyboard_and_its_origin_taken_back(visit, publish, admin):
    first = publish(make_packet("traced/first"))
    second = publish(make_packet("traced/second", parents=(first,)))
    third = publish(make_packet("traced/third", parents=(second,)))
    visitor = visit("operator")
    page = visitor.open(f"/packets/{third}")
    visitor.tab_to("One step further up")
    page.keyboard.press("Enter")
    page.locator("#lineage svg").get_by_text("traced/first@1.0.0", exact=True).wait_for()
    page.locator(f'#lineage svg a[href="/packets/{first}"]').focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="traced/first@1.0.0").wait_for()
    visitor.tab_to("Take it back")
    page.keyboard.press("Enter")
    page.get_by_text("2 packets were made of it").wait_for()
    visitor.tab_to("everybody who pulls it reads this")
    page.keyboard.type("the teacher was wrong")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="revoked").wait_for()
    until(lambda: admin.show(third)["state"] == "quarantined", "the cascade")
    assert admin.show(first)["state"] == "revoked"
    assert visitor.name in page.locator("#trail").inner_text()


def test_two_versions_are_compared_with_the_keyboard_only(visit, versions):
    visitor = visit("viewer")
    page = visitor.open(f"/packets/{versions[1]}")
    visitor.tab_to("From version")
    page.keyboard.press("Home")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("1 moved").wait_for()
    assert "another answer" in page.locator("main").inner_text()
    visitor.tab_to("verified/addition@1.0.0")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="verified/addition@1.0.0").wait_for()


def test_the_contents_come_when_they_are_looked_at_and_without_scripts_are_a_page(visit, versions):
    page = visit("viewer").open(f"/packets/{versions[0]}")
    page.get_by_role("link", name="Open its contents").scroll_into_view_if_needed()
    page.get_by_text("1 to 9 of 9 concepts").wait_for()
    page.locator('img[src*="/maps/states"]').scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('img[src*=\"/maps/states\"]').naturalWidth > 100")
    still = visit("viewer", scripts=False).open(f"/packets/{versions[0]}")
    assert "needs JavaScript" in still.locator("#by-browser").inner_text()
    still.get_by_role("link", name="Open its contents").click()
    assert "1 to 9 of 9 concepts" in still.content()


def test_no_page_of_a_packet_has_a_serious_finding_in_either_theme(visit, versions, publish):
    first, second = versions
    publish(make_packet("verified/child", parents=(second,)))
    visitor = visit("admin")
    paths = [
        f"/packets/{second}",
        f"/packets/{second}/contents",
        f"/packets/{second}/difference?against={first}",
        f"/packets/{second}/verification",
        f"/packets/{second}/take-back",
    ]
    assert [each for path in paths for each in browsing.findings(visitor.open(path))] == []
