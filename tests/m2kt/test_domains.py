"""Domains come through an entry-point group; what is wrong with one is said by name."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from m2kt import domains
from m2kt.errors import DomainError

MODULE = """
class Squares:
    name = "squares"
    version = "2.0.0"

    def probes(self, seed, count):
        return (f"{seed + n} squared is" for n in range(count))


domain = Squares()
broken = object()
unnamed = Squares()
unnamed.name = 7
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a distribution into a directory of its own: a module, and the metadata that installers write."""

    def put(package: str = "m2kt_domain_squares", source: str = MODULE, **entries: str) -> None:
        (tmp_path / f"{package}.py").write_text(source)
        metadata = tmp_path / f"{package}-2.0.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 2.0.0\n")
        lines = [f"{name.replace('_', '-')} = {package}:{value}" for name, value in entries.items()]
        (metadata / "entry_points.txt").write_text("\n".join([f"[{domains.GROUP}]", *lines, ""]))
        installed.append(package)

    installed: list[str] = []
    monkeypatch.syspath_prepend(tmp_path)
    yield put
    for package in installed:
        sys.modules.pop(package, None)


def test_a_plug_in_is_found_by_its_entry_point(install: Install) -> None:
    install(squares="domain")
    found = domains.load("squares")
    assert (found.name, found.version) == ("squares", "2.0.0")
    assert list(found.probes(3, 2)) == ["3 squared is", "4 squared is"]


def test_an_unknown_domain_is_refused_and_the_registered_ones_named(install: Install) -> None:
    install(squares="domain", cubes="domain")
    with pytest.raises(DomainError, match=r"'sqares'.*registered: .*cubes, .*squares") as caught:
        domains.load("sqares")
    assert domains.GROUP in caught.value.hint


def test_without_any_domain_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domains, "registered", dict)
    with pytest.raises(DomainError, match="registered: none"):
        domains.load("squares")


@pytest.mark.parametrize("value", ["broken", "unnamed", "Squares"])
def test_what_is_no_domain_is_refused(install: Install, value: str) -> None:
    install(squares=value)
    with pytest.raises(DomainError, match=f"m2kt_domain_squares:{value} is not a domain"):
        domains.load("squares")


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import a_module_that_is_not_there", "ModuleNotFoundError"),
        ("other = 1", "AttributeError"),
        ("raise ValueError('its table is missing')", "its table is missing"),
    ],
)
def test_a_plug_in_that_does_not_load_is_named_with_its_cause(install: Install, source: str, cause: str) -> None:
    install(source=source, squares="domain")
    with pytest.raises(DomainError, match=f"m2kt_domain_squares:domain .*{cause}"):
        domains.load("squares")


def test_looking_at_what_is_registered_imports_no_plug_in(install: Install) -> None:
    install(squares="domain")
    assert "m2kt_domain_squares" in domains.packages()
    assert "squares" in domains.registered()
    assert "m2kt_domain_squares" not in sys.modules
