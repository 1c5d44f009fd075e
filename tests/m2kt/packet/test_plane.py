"""K points in two dimensions, as pictures show them and reports tell of them."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from broker.dashboard.drawing import concepts as drawing
from broker.dashboard.drawing.svg import LIGHT
from m2kt.errors import TensorError
from m2kt.packet import plane as planes
from m2kt.packet.plane import MOST_TOLD, Plane, heard, spread_over, told, turned_onto


def test_the_plane_is_that_of_the_leading_components_and_every_run_has_the_same():
    rows = np.random.default_rng(3).normal(size=(40, 6)) * [9, 5, 1, 1, 1, 1]
    plane = planes.principal(rows)
    centred = rows - rows.mean(0)
    values = np.linalg.eigvalsh(centred.T @ centred)[::-1]
    assert plane.shares == pytest.approx(tuple(values[:2] / values.sum()))
    assert (plane.points**2).sum(0) == pytest.approx(values[:2])
    assert np.array_equal(plane.points, planes.principal(rows).points)
    assert "exact SVD" in plane.method


def test_a_large_packet_gets_the_same_plane_by_a_seeded_method_that_says_so(monkeypatch):
    rows = np.random.default_rng(4).normal(size=(80, 50)) * np.linspace(9, 1, 50) ** 2
    exact = planes.principal(rows)
    monkeypatch.setattr(planes, "EXACT_WORK", 0)
    found = planes.principal(rows)
    assert "seed 0" in found.method
    assert found.shares == pytest.approx(exact.shares, rel=1e-3)
    assert np.abs(found.points - exact.points).max() < 0.05 * np.abs(exact.points).max()


@pytest.mark.parametrize("rows", [np.zeros((3, 4)), np.full((1, 2), 3e38), np.array([[3e38], [-3e38]])])
def test_degenerate_rows_have_a_plane_too(rows):
    plane = planes.principal(rows.astype(np.float64))
    assert np.isfinite(plane.points).all()
    assert np.isfinite(plane.shares).all()
    ElementTree.fromstring(drawing.draw(plane, str, [0] * len(rows), LIGHT, "x"))  # noqa: S314 - our own


@pytest.fixture
def plane() -> Plane:
    return planes.principal(np.random.default_rng(7).normal(size=(20, 5)))


def test_what_a_report_tells_is_what_is_heard(plane):
    there = spread_over(plane, np.arange(0, 40, 2), 41)
    found = heard(told(there), 41)
    assert found.method == plane.method
    assert found.shares == pytest.approx(plane.shares, abs=1e-6)
    assert np.isnan(found.points[1::2]).all()
    assert np.nanmax(np.abs(found.points - there.points)) < np.abs(plane.points).max() / 30_000


def test_a_report_stays_small_however_many_concepts_there_are():
    many = planes.principal(np.random.default_rng(8).normal(size=(5 * MOST_TOLD + 1, 3)))
    report = told(many)
    assert (report["every"], len(report["points"])) == (6, 4 * -(-4 * 501 // 3))
    assert np.isfinite(heard(report, len(many.points)).points).all(1).sum() == 501


BROKEN = {
    "no points": {"points": None},
    "not base64": {"points": "§"},
    "half a point": {"points": "AAA="},
    "too few": {"points": "AAAAAA=="},
    "another packet's": {"concepts": 21},
    "every none": {"every": 0},
    "no scale": {"scale": "0"},
    "endless": {"scale": "inf"},
    "no number": {"scale": "x"},
    "three shares": {"shares": ["0", "0", "0"]},
    "shares above one": {"shares": ["0", "2"]},
    "a method that fills the page": {"method": "x" * 121},
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_what_is_no_map_is_refused(plane, broken):
    with pytest.raises(TensorError, match="not a map"):
        heard({**told(plane), **broken}, 20)


def test_a_plane_that_was_turned_mirrored_scaled_and_moved_lies_on_the_first_again(plane):
    turn = np.array([[0.6, 0.8], [0.8, -0.6]])
    other = replace(plane, points=3 * plane.points @ turn + [5, 7])
    missing = replace(other, points=np.where(np.arange(20)[:, None] == 4, np.nan, other.points))
    found = turned_onto(missing, plane)
    assert np.isnan(found.points[4]).all()
    assert np.nanmax(np.abs(found.points - plane.points)) < 1e-9
    assert "Procrustes" in found.method


def test_one_point_is_left_where_it_is(plane):
    lone = replace(plane, points=np.full((20, 2), np.nan))
    assert turned_onto(lone, plane) is lone
