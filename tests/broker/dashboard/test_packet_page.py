"""The packet page: what gates pulls, what was verified, who took it; and nothing that was not checked."""

import importlib
import io
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from sqlalchemy import text

from broker.services import gate, packets
from m2kt.client.predicates import OUTCOME
from m2kt.errors import NotPullable
from m2kt.scan import Outcome
from m2kt.signing import sign_packet
from m2kt.signing.keys import public_text
from m2kt.signing.statement import attest
from tests.broker.conftest import make_packet

DEPLOY = Path(__file__).parents[3] / "deploy"

pytestmark = pytest.mark.usefixtures("enrolled")


@pytest.fixture
def browse(browse):
    """The same browser for the same role."""
    found = {}

    def one(role="viewer"):
        if role not in found:
            found[role] = browse(role)
        return found[role]

    return one


@pytest.fixture
def teacher(client_of, keys):
    return client_of(keys.teacher)


@pytest.fixture
def publish(teacher, keys, run_scans):
    def one(*arguments, **named) -> str:
        found = teacher.publish(sign_packet(make_packet(*arguments, **named), keys.teacher))["packet_id"]
        run_scans()
        return found

    return one


def rows(page: str, table: str) -> list[list[str]]:
    """The words in each row of a table of this class."""
    inside = page.split(f'<table class="{table}">')[1].split("</table>")[0]
    return [re.findall(r'class="word ([a-z-]+)"', row) for row in inside.split("<tr>")[2:]]


# The gate


def test_the_page_and_a_pull_ask_the_same_function(publish, browse, teacher, session, client_of, keys, monkeypatch):
    packet_id = publish()
    asked = []
    judge = gate.judge
    monkeypatch.setattr(gate, "judge", lambda *given: asked.append(given[0].packet_id) or judge(*given))
    browse().get(f"/packets/{packet_id}")
    assert asked == [packet_id]
    client_of(keys.student).fetch(packet_id)
    assert set(asked[1:]) == {packet_id}
    assert len(asked) > 1


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ("state = 'revoked', reason = 'wrong'", {"not-revoked", "approved"}),
        ("state = 'expired'", {"approved"}),
        ("state = 'quarantined'", {"approved"}),
        ("good_until = now() - interval '1 s'", {"verdict-in-force"}),
    ],
)
def test_each_check_fails_by_its_name_and_pulls_are_refused(publish, session, browse, change, failed):
    packet_id = publish()
    session.execute(text(f"UPDATE packets SET {change}"))  # noqa: S608 - a constant of this test
    session.commit()
    session.expire_all()
    packet = packets.get(session, packet_id)
    found = gate.look(session, packet)
    assert {each.name for each in found if each.outcome != Outcome.PASS} == failed
    assert all(each.next_step for each in found if each.refusal)
    with pytest.raises(NotPullable):
        packets.pullable(session, packet_id)
    page = browse().get(f"/packets/{packet_id}").text
    assert "students may pull it" not in page
    assert [words for words in rows(page, "gate") if words == ["fail"]]


def test_a_packet_that_no_scan_saw_has_not_passed_the_gate(teacher, keys, browse):
    packet_id = teacher.publish(sign_packet(make_packet(), keys.teacher))["packet_id"]
    page = browse().get(f"/packets/{packet_id}").text
    assert ["not-run"] in rows(page, "gate")
    assert "nobody can pull it" in page


def test_a_packet_of_a_key_that_never_counted_says_so(publish, session, browse):
    packet_id = publish()
    session.execute(text("UPDATE agent_keys SET revoked = now() - interval '1 day'"))
    session.commit()
    page = browse().get(f"/packets/{packet_id}").text
    assert "nobody can pull it now: key-revoked" in page


# Verifying on the server


def verified(browse, packet_id) -> dict[str, str]:
    page = browse().get(f"/packets/{packet_id}/verification").text
    names = re.findall(r'<th scope="row">([a-z-]+):', page)
    return dict(zip(names, re.findall(r'class="word ([a-z-]+)"', page), strict=True))


def test_the_broker_verifies_the_stored_bytes_again(publish, browse):
    found = verified(browse, publish())
    assert len(found) == 8
    assert set(found.values()) == {"pass"}


def test_bytes_that_somebody_changed_fail_by_name_and_nothing_after_them_passes(publish, browse, session):
    packet_id = publish()
    session.execute(text("ALTER TABLE chunks DISABLE TRIGGER ALL"))
    session.execute(text("UPDATE chunks SET data = set_byte(data, length(data) - 1, 7)"))
    session.commit()
    found = verified(browse, packet_id)
    assert found["stored-bytes"] == "fail"
    assert {found[each] for each in ("container", "signature", "structure", "packet-id", "receipt")} == {"not-run"}


def test_a_receipt_that_waits_for_the_log_is_not_in_it(teacher, keys, browse):
    packet_id = teacher.publish(sign_packet(make_packet(), keys.teacher))["packet_id"]
    found = verified(browse, packet_id)
    assert (found["receipt"], found["inclusion"], found["checkpoint"]) == ("pass", "not-run", "not-run")


def test_a_log_that_no_longer_matches_fails_by_name_and_the_page_stands(publish, browse, session):
    packet_id = publish()
    session.execute(text("ALTER TABLE log_tiles DISABLE TRIGGER ALL"))
    session.execute(text("UPDATE log_tiles SET hashes = set_byte(hashes, 0, (get_byte(hashes, 0) + 1) % 256)"))
    session.commit()
    found = verified(browse, packet_id)
    assert (found["packet-id"], found["inclusion"], found["checkpoint"]) == ("pass", "fail", "not-run")
    assert browse("auditor").get(f"/packets/{packet_id}").status_code == 200


# The bundle


def unpacked(answer, directory):
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
        tar.extractall(directory, filter="data")
    (root,) = directory.iterdir()
    return root


def run(root, *arguments):
    told = [sys.executable, *arguments]
    return subprocess.run(told, cwd=root, capture_output=True, text=True, timeout=60, check=False)


def test_the_bundle_verifies_itself_offline(publish, browse, tmp_path, keys):
    packet_id = publish()
    answer = browse("auditor").get(f"/packets/{packet_id}/bundle")
    root = unpacked(answer, tmp_path)
    signer = next((root / "keys").glob("signer-*.pub"))
    assert (root / "keys" / "broker.pub").read_text().strip() == public_text(keys.broker.public_key())
    packet = run(root, "verify_packet.py", "packet.m2kt", "--key", f"keys/{signer.name}")
    assert (packet.returncode, packet_id in packet.stdout) == (0, True), packet.stderr
    receipt = run(root, "verify_receipt.py", ".", "--key", "keys/broker.pub")
    assert (receipt.returncode, packet_id in receipt.stdout) == (0, True), receipt.stderr
    assert "--key keys/signer-" in (root / "README.txt").read_text()


@pytest.mark.parametrize(
    ("file", "said"),
    [("packet.m2kt", "other-bytes"), ("receipt.json", "signature-invalid"), ("proof.txt", "log-proof-invalid: root")],
)
def test_a_bundle_that_was_altered_is_refused_by_name(publish, browse, tmp_path, file, said, monkeypatch, capsys):
    root = unpacked(browse("auditor").get(f"/packets/{publish()}/bundle"), tmp_path)
    data = (root / file).read_bytes()
    if file == "proof.txt":  # another leaf's place
        changed = re.sub(rb"index (\d+)", lambda found: b"index %d" % (int(found[1]) ^ 1), data)
    else:
        changed = data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]
    (root / file).write_bytes(changed)
    monkeypatch.syspath_prepend(DEPLOY)
    with pytest.raises(SystemExit) as ended:
        importlib.import_module("verify_receipt").main([str(root), "--key", str(root / "keys" / "broker.pub")])
    assert ended.value.code == 1
    assert said in capsys.readouterr().err


def test_bytes_and_bundles_are_for_auditors_and_only_of_what_can_be_pulled(publish, browse, teacher):
    packet_id = publish()
    for what in ("content", "bundle"):
        assert browse("viewer").get(f"/packets/{packet_id}/{what}").status_code == 403
        assert browse("auditor").get(f"/packets/{packet_id}/{what}").status_code == 200
    head = browse().get(f"/packets/{packet_id}/head").content
    whole = browse("auditor").get(f"/packets/{packet_id}/content").content
    assert whole.startswith(head)
    assert len(head) < len(whole)
    teacher.revoke(packet_id, "wrong")
    for what in ("content", "bundle"):
        assert browse("auditor").get(f"/packets/{packet_id}/{what}").status_code == 410


# Lineage, and taking back


def test_the_lineage_is_drawn_listed_and_grows_by_steps(publish, browse):
    first = publish("acme/first")
    second = publish("acme/second", parents=(first,))
    third = publish("acme/third", parents=(second,))
    publish("acme/fourth", parents=(third,))
    page = browse().get(f"/packets/{second}").text
    section = page.split('<section id="lineage"')[1].split("</section>")[0]
    assert section.count('<g class="node here') == 1
    assert [each in section for each in ("acme/first", "acme/third", "acme/fourth")] == [True, True, False]
    assert "One step further down" in section
    assert "One step further up" not in section
    more = browse().get(f"/packets/{second}?up=1&down=2").text
    assert "acme/fourth" in more


def test_more_relatives_than_a_picture_holds_are_all_in_the_table(publish, browse, session):
    first = publish("acme/first")
    wide = [publish(f"acme/child-{n}", parents=(first,)) for n in range(3)]
    session.execute(text("ALTER TABLE packets DISABLE TRIGGER ALL; ALTER TABLE packet_parents DISABLE TRIGGER ALL"))
    session.execute(
        text("""
        INSERT INTO packets (packet_id, kind, name, version, domain, state, teacher, manifest, publisher, publisher_key,
            size, content_sha256, domain_name, teacher_name, teacher_weights, words)
        SELECT 'sha256:' || lpad(to_hex(n), 64, '0'), kind, 'acme/many-' || n, version, domain, state, teacher,
            manifest, publisher, publisher_key, size, content_sha256, domain_name, teacher_name, teacher_weights, words
        FROM packets, generate_series(1, 200) n WHERE packet_id = :like"""),
        {"like": wide[0]},
    )
    session.execute(
        text("INSERT INTO packet_parents (child_id, parent_id) SELECT packet_id, :first FROM packets "
             "WHERE name LIKE 'acme/many-%'"),
        {"first": first},
    )  # fmt: skip
    session.commit()
    page = browse().get(f"/packets/{first}").text
    assert page.count('<a href="/packets/sha256:') > 50
    assert "203 packets within" in page
    assert "and 191 more" in page
    assert len(page) < 150_000
    listed = set()
    for row in range(0, 203, 50):
        found = browse().get(f"/packets/{first}?row={row}").text
        table = found.split("The same as a table")[1].split("</table>")[0]
        listed |= set(re.findall(r"/packets/(sha256:[0-9a-f]{64})", table))
    assert len(listed) == 203


def test_taking_back_shows_what_it_touches_and_is_for_operators(publish, browse, client_of, keys):
    first = publish("acme/first")
    second = publish("acme/second", parents=(first,))
    client_of(keys.student).report_outcome(attest(second, OUTCOME, {"decision": "accepted"}, keys.student))
    operator = browse("operator")
    shown = operator.get(f"/packets/{first}/take-back").text
    assert "1 packets were made of it" in shown
    assert "acme/second" in shown
    assert browse("auditor").post(f"/packets/{first}/revoke", {"reason": "wrong"}).status_code == 403
    assert operator.post(f"/packets/{first}/revoke", {"reason": ""}).status_code == 400
    assert operator.post(f"/packets/{first}/revoke", {"reason": "the teacher was wrong"}).status_code == 303
    assert operator.post(f"/packets/{first}/revoke", {"reason": "again"}).status_code == 303
    admin = client_of(keys.admin)
    assert (admin.show(first)["state"], admin.show(second)["state"]) == ("revoked", "quarantined")
    assert "operator-every@dashboard" in operator.get(f"/packets/{first}").text


def test_what_was_yanked_can_be_taken_again(publish, browse, client_of, keys):
    packet_id, operator = publish(), browse("operator")
    assert operator.post(f"/packets/{packet_id}/yank", {"reason": "slow"}).status_code == 303
    assert "Take the advice back" in operator.get(f"/packets/{packet_id}").text
    assert operator.post(f"/packets/{packet_id}/unyank", {"reason": "fast"}).status_code == 303
    assert client_of(keys.admin).show(packet_id)["state"] == "approved"


# Students, the trail, texts of strangers


def test_who_pulled_is_shown_whether_or_not_a_report_came(publish, browse, client_of, keys):
    packet_id = publish()

    def section():
        page = browse().get(f"/packets/{packet_id}").text.split('<h2 id="students">')[1]
        return page.split('<h2 id="trail">')[0]

    assert "Nobody has pulled it" in section()
    client_of(keys.student).report_outcome(attest(packet_id, OUTCOME, {"decision": "accepted"}, keys.student))
    assert "not from here" in section()
    client_of(keys.admin).pull(packet_id)
    assert "One has pulled it" in section()
    assert "no report" in section().split(">root<")[1]
    client_of(keys.student).pull(packet_id)
    assert "2 have pulled it" in section()
    assert "not from here" not in section()


def test_bytes_that_somebody_takes_from_a_page_are_a_pull(publish, browse, teacher):
    packet_id = publish()
    for what in ("content", "bundle"):
        assert browse("auditor").get(f"/packets/{packet_id}/{what}").status_code == 200
    (told,) = teacher.pulls(packet_id)
    assert told["agent"].endswith("@dashboard")


def test_students_are_shown_by_what_they_signed_with_their_interval(publish, browse, client_of, keys, session):
    packet_id = publish()
    told = {"decision": "accepted", "before": "0.25", "after": "0.75", "interval": ["0.3", "0.7"], "confidence": "0.95"}
    client_of(keys.student).report_outcome(attest(packet_id, OUTCOME, told, keys.student))
    page = browse().get(f"/packets/{packet_id}").text
    section = page.split('<h2 id="students">')[1]
    for expected in ("stu", "0.250", "0.750", "+0.500", "[+0.300, +0.700]", 'aria-label="gain +0.500'):
        assert expected in section
    session.execute(text("ALTER TABLE attestations DISABLE TRIGGER ALL"))
    session.execute(text("UPDATE attestations SET signer = 'nobody' WHERE predicate_type = 'urn:m2kt:outcome:v1'"))
    session.commit()
    doubted = browse().get(f"/packets/{packet_id}").text.split('<h2 id="students">')[1]
    assert "nothing of it is believed" in doubted
    assert "0.750" not in doubted


def test_every_statement_of_the_trail_leads_to_its_proof_and_to_its_whole(publish, browse):
    packet_id, viewer = publish(), browse()
    page = viewer.get(f"/packets/{packet_id}").text
    proofs = re.findall(r'href="(/v1/log/proof/inclusion/[0-9a-f]{64})"', page)
    assert len(proofs) >= 3
    assert viewer.get(proofs[0]).text.startswith("c2sp.org/tlog-proof@v1\nindex ")
    whole = re.findall(rf'href="(/packets/{packet_id}/statements/\d+)"', page)
    assert viewer.get(whole[0]).json()["payloadType"] == "application/vnd.in-toto+json"
    assert viewer.get(f"/packets/{packet_id}/statements/999999999").status_code == 404


def test_a_long_trail_has_pages(publish, browse, client_of, keys):
    packet_id, viewer = publish(), browse()
    for number in range(20):
        told = {"decision": "accepted", "time": str(number)}
        client_of(keys.student).report_outcome(attest(packet_id, OUTCOME, told, keys.student))
    page = viewer.get(f"/packets/{packet_id}").text
    older = re.search(r'href="(/packets/[^"]+\?trail=\d+)#trail"', page)
    assert older
    assert "urn:m2kt:receipt:v1" not in page.split('<section id="trail"')[1]
    assert "urn:m2kt:receipt:v1" in viewer.get(older[1]).text.split('<section id="trail"')[1]


def test_texts_of_strangers_neither_steer_nor_fill_the_page(publish, browse, client_of, keys):
    packet_id = publish()
    told = {
        "decision": "accepted",
        "reason": "<img src=x onerror=alert(1)> ‮evil‬ " + "x" * 10_000,
        "student": "</td><script>alert(1)</script>",
    }
    client_of(keys.student).report_outcome(attest(packet_id, OUTCOME, told, keys.student))
    client_of(keys.teacher).revoke(packet_id, "‮ <b>wrong</b> " + "y" * 480)
    page = browse().get(f"/packets/{packet_id}").text
    assert len(page) < 150_000
    for forbidden in ("<img src=x", "<script>alert", "‮", "<b>", "x" * 700):
        assert forbidden not in page
    assert "\\u202e" in page
    assert "characters)" in page
