"""What is in a packet, as its pages show it: numbers, pictures, and the difference between two."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from sqlalchemy import text

from broker.dashboard.drawing import concepts as drawing
from broker.services import contents, differences
from m2kt.client.predicates import OUTCOME
from m2kt.packet import plane as planes
from m2kt.packet.controls import decoded
from m2kt.signing import sign_packet
from m2kt.signing.statement import attest
from tests.broker.conftest import make_packet
from tests.small import SYMBOLS, negated_knowledge, next_knowledge, packet_of, small_knowledge


def opened(knowledge, weights="w") -> contents.Contents:
    answers = np.asarray(knowledge.anchor_strings, np.int64)[decoded(knowledge)]
    return contents.Contents("sha256:" + "0" * 64, weights, "op", knowledge, answers)


# Numbers


def test_the_difference_finds_added_removed_and_moved_and_puts_other_answers_first():
    small = small_knowledge()
    moved = np.array(small.centroids)
    moved[4] = moved[0] * 2  # another answer
    moved[5] = moved[5] + np.float16(0.05)
    before = opened(small)
    after = opened(replace(small, centroids=moved))
    found = differences.of_concepts(before, after)
    assert (found.added, found.removed, found.unmoved) == ([], [], 7)
    assert [each.grounding for each in found.moved] == [("1", "1"), ("1", "2")]
    assert (found.moved[0].before, found.moved[0].after) == ("2", "0")
    assert found.moved[0].distance > found.moved[1].distance > 0
    grown = differences.of_concepts(opened(small), opened(negated_knowledge()))
    assert grown.added == [("0",), ("1",), ("2",)]
    assert differences.of_concepts(opened(negated_knowledge()), opened(small)).removed == grown.added


def test_concepts_of_other_weights_are_compared_by_what_they_say_on_shared_symbols():
    small, turned = small_knowledge(), small_knowledge()
    basis, _ = np.linalg.qr(np.random.default_rng(9).normal(size=(8, 8)))
    turned = replace(
        turned,
        centroids=(small.centroids.astype(np.float64) @ basis).astype(np.float32),
        anchors=(small.anchors.astype(np.float64) @ basis).astype(np.float32),
    )
    found = differences.of_concepts(opened(small), opened(turned, weights="another"))
    assert "3 symbols that both have" in found.method
    assert max((each.distance for each in found.moved), default=0) < 1e-4
    nothing = differences.of_concepts(opened(small), opened(next_knowledge(), weights="another"))
    assert "not compared" in nothing.method


def test_fields_that_differ_are_named_by_their_path():
    before = {"a": {"b": 1}, "rows": [{"name": "x", "d": 1}, {"name": "y", "d": 2}], "same": "s"}
    after = {"a": {"b": 2}, "rows": [{"name": "y", "d": 3}], "same": "s", "new": ["p", "q"]}
    found = {each.field: (each.before, each.after) for each in differences.of_manifests(before, after)}
    assert found == {"a.b": ("1", "2"), "rows[x].d": ("1", None), "rows[y].d": ("2", "3"), "new": (None, "p, q")}


def test_only_so_many_points_are_drawn_and_which_is_said():
    assert len(drawing.drawn(10)) == 10
    assert len(drawing.drawn(4096)) <= drawing.MOST_POINTS
    assert list(drawing.drawn(1801))[:2] == [0, 4]


# Pages

pages = pytest.mark.usefixtures("enrolled")


@pytest.fixture
def viewer(browse):
    return browse()


@pytest.fixture
def publish(client_of, keys, run_scans):
    def one(packet) -> str:
        found = client_of(keys.teacher).publish(sign_packet(packet, keys.teacher))["packet_id"]
        run_scans()
        return found

    return one


@pages
def test_the_contents_are_a_table_maps_and_templates(publish, viewer):
    packet_id = publish(packet_of(small_knowledge()))
    page = viewer.get(f"/packets/{packet_id}/contents").text
    assert "1 to 9 of 9 concepts" in page
    assert "PCA by exact SVD" in page
    assert "No student has reported where the concepts came to lie" in page
    assert "Swap at 4" in page
    assert ">0.70<" in page
    pictures = re.findall(r'<img src="([^"]+)"', page)
    assert len(pictures) == 4
    for each in pictures:
        answer = viewer.get(each.replace("&amp;", "&"))
        assert answer.headers["content-type"] == "image/svg+xml"
        assert "max-age" in answer.headers["cache-control"]
        root = ElementTree.fromstring(answer.text)  # noqa: S314 - our own
        assert root.tag.endswith("svg")
        again = viewer.get(each.replace("&amp;", "&"), **{"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304


@pages
def test_what_students_say_about_their_alignment_stands_beside_the_map(publish, viewer, client_of, keys):
    packet_id = publish(packet_of(small_knowledge()))
    told = {"decision": "accepted", "alignment": {"agreement": "1", "residual": "0.0123", "shared_symbols": 3}}
    client_of(keys.student).report_outcome(attest(packet_id, OUTCOME, told, keys.student))
    assert "0.0123" in viewer.get(f"/packets/{packet_id}/contents").text


@pages
def test_the_map_after_an_alignment_is_the_one_that_a_student_signed(publish, viewer, client_of, keys):
    packet_id = publish(packet_of(small_knowledge()))
    places = planes.principal(np.random.default_rng(2).normal(size=(7, 4)))
    mapped = planes.told(planes.spread_over(places, np.arange(7), 9))
    told = {"decision": "accepted", "alignment": {"agreement": "1", "map": mapped}}
    client_of(keys.student).report_outcome(attest(packet_id, OUTCOME, told, keys.student))
    page = viewer.get(f"/packets/{packet_id}/contents").text
    (number,) = set(re.findall(r"alignments/(\d+)", page))
    drawn = viewer.get(f"/packets/{packet_id}/alignments/{number}").text
    assert "7 of 9 concepts" in drawn
    assert "(Procrustes)" in drawn
    assert viewer.get(f"/packets/{packet_id}/contents?student={2**40}").status_code == 200
    # once the packet is gone from the student, how it lay there is still on record
    client_of(keys.student).report_outcome(attest(packet_id, OUTCOME, {"decision": "removed"}, keys.student))
    assert f"alignments/{number}" in viewer.get(f"/packets/{packet_id}/contents").text


@pages
@pytest.mark.parametrize("broken", [{}, {"points": "?"}, {"concepts": 9, "every": 1, "points": "", "scale": "nan"}])
def test_a_map_that_cannot_be_read_is_said_to_be_one(publish, viewer, client_of, keys, broken):
    packet_id = publish(packet_of(small_knowledge()))
    told = {"decision": "accepted", "alignment": {"agreement": "1", "map": {"x": 1, **broken}}}
    number = client_of(keys.student).report_outcome(attest(packet_id, OUTCOME, told, keys.student))["id"]
    assert "cannot be read" in viewer.get(f"/packets/{packet_id}/contents").text
    assert viewer.get(f"/packets/{packet_id}/alignments/{number}").status_code == 404
    assert viewer.get(f"/packets/{packet_id}/alignments/{2**40}").status_code == 404


@pages
def test_bytes_are_not_opened_before_a_scan_says_that_their_structure_holds(client_of, keys, viewer, run_scans):
    packet = packet_of(small_knowledge())
    packet_id = client_of(keys.teacher).publish(sign_packet(packet, keys.teacher))["packet_id"]
    assert "its bytes are not opened before" in viewer.get(f"/packets/{packet_id}").text
    assert viewer.get(f"/packets/{packet_id}/contents").status_code == 409
    run_scans()
    assert viewer.get(f"/packets/{packet_id}/contents").status_code == 200


@pages
def test_a_verdict_that_somebody_forged_opens_nothing(publish, viewer, session):
    packet_id = publish(packet_of(small_knowledge()))
    session.execute(text("ALTER TABLE attestations DISABLE TRIGGER ALL"))
    session.execute(text("UPDATE attestations SET signer = 'nobody' WHERE predicate_type = 'urn:m2kt:scan:v1'"))
    session.commit()
    assert viewer.get(f"/packets/{packet_id}/contents").status_code == 409


@pages
def test_what_is_too_large_for_a_page_is_not_read(publish, viewer, monkeypatch):
    packet_id = publish(packet_of(small_knowledge()))
    monkeypatch.setitem(contents.MOST, "concepts/centroids", (8, 8))
    answer = viewer.get(f"/packets/{packet_id}/contents")
    assert answer.status_code == 409
    assert "this page looks at up to 8×8" in answer.text


@pages
def test_a_packet_of_another_kind_says_that_it_holds_no_concepts(publish, viewer):
    packet_id = publish(make_packet())
    assert "holds no concepts" in viewer.get(f"/packets/{packet_id}").text


@pages
def test_symbols_of_strangers_are_text_in_tables_and_pictures(publish, viewer):
    evil = ("<script>alert(1)</script>", "‮drow", '"><img src=x>' + "z" * 990)
    packet_id = publish(packet_of(next_knowledge(evil)))
    page = viewer.get(f"/packets/{packet_id}/contents").text
    shown = [page, *(viewer.get(f"/packets/{packet_id}/{each}").text for each in ("maps/states", "graphs/0"))]
    for each in shown:
        for forbidden in ("<script>alert", "‮", "<img src=x", "z" * 200):
            assert forbidden not in each
    for each in shown[1:]:
        ElementTree.fromstring(each)  # noqa: S314 - our own


@pages
def test_two_versions_are_compared_from_the_one_before_or_the_one_that_is_chosen(publish, viewer):
    small = small_knowledge()
    moved = np.array(small.centroids)
    moved[4] = moved[0]
    first = publish(packet_of(small, "1.0.0"))
    second = publish(packet_of(replace(small, centroids=moved), "2.0.0"))
    page = viewer.get(f"/packets/{second}/difference").text
    assert "0 added, 0 removed, 1 moved, 8 as they were" in page
    assert "another answer" in page
    assert "tensors[concepts/centroids].sha256" in page
    back = viewer.get(f"/packets/{first}/difference?against={second}").text
    assert "1 moved" in back
    assert "There is no earlier version" in viewer.get(f"/packets/{first}/difference").text


@pages
def test_a_packet_of_another_project_cannot_be_compared_with(publish, browse, client_of, keys, session):
    packet_id = publish(packet_of(small_knowledge()))
    session.execute(text("UPDATE packets SET project = 'beta' WHERE packet_id = :id"), {"id": packet_id})
    session.commit()
    mine = publish(packet_of(small_knowledge(), name="tests/other"))
    stranger = browse("admin", "default")
    assert stranger.get(f"/packets/{mine}/difference?against={packet_id}").status_code == 404
    assert stranger.get(f"/packets/{mine}/difference?against={mine}").status_code == 200


def test_names_of_symbols_are_those_of_the_packet():
    assert opened(small_knowledge()).grounding(4) == ("1", "1")
    assert opened(small_knowledge()).answer(4) == SYMBOLS[2]
