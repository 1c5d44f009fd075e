"""While a student aligns, neither a domain nor a teacher can be imported. Each case runs in a process of its own."""

import subprocess
import sys

import pytest

from m2kt.domains import packages

NAMES = sorted({*packages(), "teacher_agent", "broker"})


def run(code: str) -> str:
    """What a process prints that isolates itself and then does ``code``."""
    whole = f"from student_agent.isolation import isolate\nfrom importlib import import_module\n{code}"
    done = subprocess.run([sys.executable, "-P", "-c", whole], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_there_is_a_domain_to_be_kept_out() -> None:
    assert "m2kt_domain_chains" in NAMES


@pytest.mark.parametrize("name", [*NAMES, "teacher_agent.extract", "broker.main"])
def test_what_could_know_the_answers_cannot_be_imported(name: str) -> None:
    assert "ok" in run(f"import_module({name!r}); print('ok')")
    assert "may not be imported while a student aligns" in run(f"isolate(); import_module({name!r})")


def test_a_domain_cannot_be_loaded_by_its_entry_point_either() -> None:
    assert "DomainError" in run("from m2kt.domains import load; isolate(); load('chains')")


def test_what_alignment_needs_can_still_be_imported() -> None:
    assert "ok" in run("isolate(); import m2kt.packet, m2kt.signing, student_agent.probes; print('ok')")


@pytest.mark.parametrize("name", NAMES)
def test_a_process_that_holds_one_already_is_refused(name: str) -> None:
    said = run(f"import {name}; isolate()")
    assert "AlignmentRefused" in said
    assert f"already holds {name}" in said
