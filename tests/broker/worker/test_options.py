"""What a worker offers, and what a child sees of it."""

import pytest

from broker.models import JobKind
from broker.services.jobs import Offer
from broker.worker.crew import lanes
from broker.worker.options import Options, environment, memory_mib, parse


def test_options_become_an_offer():
    words = [
        "--slots",
        "2",
        "--device",
        "cuda:1",
        "--device",
        "cpu",
        "--site",
        "x",
        "--model",
        "m",
        "--memory-mib",
        "8",
    ]
    options = parse(words)
    assert options.offer == Offer(True, 8, frozenset({"m"}), "x")
    assert [options.device(n) for n in range(3)] == ["cuda:1", "cpu", "cuda:1"]
    assert Options().device(0) is None


@pytest.mark.parametrize(
    "words", [["--slots", "0"], ["--device", "tpu"], ["--device", "cuda:x"], ["--kind", "unknown"]]
)
def test_bad_options_are_usage(words, capsys):
    with pytest.raises(SystemExit) as left:
        parse(words)
    assert left.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_there_is_a_lane_for_each_slot_and_none_without_work():
    names = [each.name for each in lanes(Options(slots=2))]
    assert names == ["scans", "noops", "pauses", "models-0", "models-1"]
    assert [each.name for each in lanes(Options(kinds=frozenset({JobKind.SCAN})))] == ["scans"]
    assert [each.name for each in lanes(Options(kinds=frozenset({JobKind.EXCHANGE})))] == ["models-0"]
    assert list(lanes(Options(kinds=frozenset({"future"})))) == []


@pytest.mark.parametrize(
    ("device", "visible", "seen"),
    [
        (None, "0", {}),
        ("cpu", None, {"CUDA_VISIBLE_DEVICES": ""}),
        ("cuda", None, {"CUDA_VISIBLE_DEVICES": "0"}),
        ("cuda:1", "3,GPU-abc", {"CUDA_VISIBLE_DEVICES": "GPU-abc"}),
        ("cuda:2", "3", {"CUDA_VISIBLE_DEVICES": "2"}),
    ],
)
def test_a_child_sees_its_own_gpu_only(device, visible, seen):
    assert environment(device, visible) == seen


def test_a_container_offers_what_it_may_use(tmp_path):
    limit = tmp_path / "memory.max"
    limit.write_text(f"{64 << 20}\n")
    assert memory_mib(limit) == 64
    limit.write_text("max\n")
    assert memory_mib(limit) == memory_mib(tmp_path / "absent") > 64
