"""`m2kt job`: labels, events on lines, logs; and `m2kt worker run`."""

import json
import os
import sys

import pytest

from tests.m2kt.cli.conftest import FakeBroker, Run

JOB = "11111111-2222-4333-8444-555555555555"


def test_labels_and_terms_go_with_the_order(run: Run, broker: FakeBroker, key_file) -> None:
    broker.say("POST", "/v1/jobs", {"id": JOB, "kind": "noop", "state": "queued"}, status=201)
    words = ["--label", "gpu", "--label", "memory_mib=8", "--label", "site=x", "--priority", 3, "--once", "k"]
    ended = run("job", "submit", "noop", "--broker", broker.url, "--key", key_file, *words, "-o", "id")
    assert (ended.status, ended.out.strip()) == (0, JOB), ended.err
    sent = json.loads(broker.bodies[0])
    assert (sent["labels"], sent["priority"]) == ({"gpu": True, "memory_mib": 8, "site": "x"}, 3)


@pytest.mark.parametrize("label", ["gpu=1", "memory_mib=x", "site=", "colour=red"])
def test_a_word_that_is_no_label_is_named(run: Run, broker: FakeBroker, key_file, label: str) -> None:
    ended = run("job", "submit", "noop", "--broker", broker.url, "--key", key_file, "--label", label)
    assert (ended.status, broker.asked) == (2, [])
    assert label in ended.err


def test_worker_run_becomes_the_worker(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    became = []
    monkeypatch.setattr(os, "execv", lambda path, argv: became.append(argv))
    assert run("worker", "run", "--slots", 2, "--device", "cuda:0", "--site", "x").status == 0
    assert became == [[sys.executable, "-m", "broker.worker", "--slots", "2", "--device", "cuda:0", "--site", "x"]]
