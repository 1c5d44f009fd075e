"""The concepts job on tiny untrained models: packets of static concepts, and every input that it must refuse."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from m2kt.errors import ExtractionRefused, KeyFileError, M2KTError, ModelError, TooLarge, UsageError
from m2kt.neural.encoders import text_encoder
from m2kt.packet import Limits, static
from m2kt.packet.static import LEAST_SUPPORT
from m2kt.signing import TrustStore, verify_packet
from teacher_agent import publishing, teaching
from tests.static_parts import labelled, write_task

Spec = dict[str, Any]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_task(tmp_path_factory.mktemp("teaching"))


@pytest.fixture
def spec(root: Path, tmp_path: Path) -> Spec:
    """A job that would succeed."""
    files = {"model": "teacher", "labelled": "labelled.tsv", "probes": "probes.txt", "set": "set.txt", "key": "key.pem"}
    named = {name: str(root / file) for name, file in files.items()}
    return {**named, "name": "acme/halves", "version": "1.0.0", "out": str(tmp_path / "out.m2kt"), "count": 20}


def test_concepts_are_made_of_probes_that_are_no_training_items(spec: Spec, root: Path) -> None:
    found = teaching.run(spec)
    packet = verify_packet(Path(spec["out"]).read_bytes(), TrustStore.from_path(root / "key.pub")).packet
    knowledge = static.from_tensors(packet.tensors, packet.manifest.symbols)
    assert (found["probes"], found["probes_left_out"]) == (120, 10)
    assert int(knowledge.support.sum()) == 120
    assert knowledge.support.min() >= LEAST_SUPPORT
    assert knowledge.symbols == ("high", "low")
    whole = (knowledge.centroids * knowledge.weight[:, None]).sum(0)
    states = text_encoder(root / "teacher").encode([text for text, _ in labelled()[80:200]])
    assert np.allclose(whole, states.mean(0), atol=0.05)
    assert found["teacher_accuracy"] > 0.9 > found["teacher_chance"]
    assert packet.manifest.confidence["teacher_accuracy"] == f"{found['teacher_accuracy']:.4f}"
    assert (packet.manifest.domain.name, packet.manifest.ledger["labels_moved"]) == ("halves", found["concepts"])
    assert packet.manifest.ledger["teacher_queries_used_to_build"] == 200


def test_a_plain_module_teaches_images(spec: Spec, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    labels = np.array(["dark", "light"] * 60)
    levels = np.where(labels == "dark", 60, 180)[:, None, None] + rng.integers(-40, 40, (120, 8, 8))
    np.savez(tmp_path / "labelled.npz", images=levels[:60].astype(np.uint8), labels=labels[:60])
    np.savez(tmp_path / "probes.npz", images=levels.astype(np.uint8))
    (tmp_path / "set.json").write_text('{"recipe": "strokes/1", "count": 20, "side": 8, "seed": 7}')
    del spec["model"]
    given = {"encoder": "tests.static_parts:image_encoder", "settings": {"seed": 3}, "set": str(tmp_path / "set.json")}
    files = {"labelled": str(tmp_path / "labelled.npz"), "probes": [str(tmp_path / "probes.npz")]}
    found = teaching.run({**spec, **given, **files})
    assert (found["symbols"], found["probes"], found["probes_left_out"]) == (["dark", "light"], 60, 60)


def changed(root: Path, name: str, text: str | bytes) -> str:
    path = root / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


GOOD = "".join(f"{text}\t{name}\n" for text, name in labelled()[:60])


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("labelled", GOOD + "w1 w2 w3\n", r"line 61: no label"),
        ("labelled", GOOD + "w1 w2 w3\t\n", r"line 61: no label"),
        ("labelled", GOOD + "w1 w2 w3\tlow\nw1 w2 w3\thigh\n", r"'w1 w2 w3' is labelled 'high', on line 61 'low'"),
        ("labelled", GOOD + "w1 w2 w3\trare\n", r"labels with too few items: 'rare' has 1"),
        ("labelled", "".join(f"{text}\tonly\n" for text, _ in labelled()[:9]), r"one label only, 'only'"),
        ("labelled", GOOD + "".join(f"{a} {a}\t{'x' * 1025}\n" for a in "abcde"), r"at most 1024 characters"),
        ("labelled", "# nothing\n\n", r"holds no inputs"),
        ("labelled", b"\xff\xfe", r"is not UTF-8"),
        ("probes", "# nothing\n", r"holds no inputs"),
        ("probes", "".join(f"{text}\n" for text, _ in labelled()[:80]), r"0 probes are left outside the labelled"),
        ("probes", "w1 w2 w3\n" * 20, r"1 probes are left"),
        ("set", "w1\nw1\n", r"has input 1 twice"),
    ],
)
def test_files_that_cannot_teach_are_refused_with_the_line_and_the_next_step(
    spec: Spec, tmp_path: Path, file: str, text: str | bytes, why: str
) -> None:
    with pytest.raises(UsageError, match=why) as told:
        teaching.run({**spec, file: changed(tmp_path, f"{file}.txt", text)})
    assert told.value.hint
    assert not Path(spec["out"]).exists()


@pytest.mark.parametrize(
    ("change", "error", "why"),
    [
        ({"labelled": "/nowhere/labelled.tsv"}, UsageError, "cannot read"),
        ({"labelled": "/nowhere/labelled.npz"}, UsageError, "cannot read"),
        ({"model": "/nowhere"}, ModelError, "there is no directory"),
        ({"key": "/nowhere/key.pem"}, KeyFileError, "key.pem"),
        ({"layer": 7}, ModelError, "layers 0 to 1"),
        ({"layer": "last"}, UsageError, "layer is a whole number"),
        ({"pool": "median"}, UsageError, "no pooling 'median'; there are mean, last, first"),
        ({"prompt": "I feel"}, UsageError, "every text would be read alike"),
        ({"count": 0}, UsageError, "count is a whole number from 1"),
        ({"version": "one"}, M2KTError, "semantic version"),
        ({"name": "No Name"}, M2KTError, "name is not a name"),
        ({"domain": "halves@x"}, M2KTError, "version of the domain"),
        ({"probe": "x"}, UsageError, r"unknown \['probe'\]"),
        ({"encoder": "a:b"}, UsageError, "name one model"),
        ({"model": "", "encoder": "no_such_module:f"}, UsageError, "makes no encoder: ModuleNotFoundError"),
        ({"model": "", "encoder": "builtins:dict"}, UsageError, "made a dict, which lacks encode"),
        ({"model": "", "encoder": "x:y", "layer": 0}, UsageError, "layer: only for Hugging Face directories"),
        ({"gguf_file": "model.gguf"}, ModelError, "cannot read"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    spec: Spec, change: dict[str, Any], error: type[M2KTError], why: str
) -> None:
    with pytest.raises(error, match=why):
        teaching.run({**spec, **change})
    assert not Path(spec["out"]).exists()


def test_a_teacher_at_chance_is_refused_unless_guesses_are_wanted(spec: Spec, tmp_path: Path) -> None:
    names = np.random.default_rng(1).permutation([name for _, name in labelled()[:80]])
    dealt = "".join(f"{text}\t{name}\n" for (text, _), name in zip(labelled()[:80], names, strict=True))
    guessing = {**spec, "labelled": changed(tmp_path, "dealt.tsv", dealt)}
    with pytest.raises(ExtractionRefused, match="the teacher is at chance: it is right about"):
        teaching.run(guessing)
    assert teaching.run({**guessing, "force": True})["concepts"] > 1


def test_a_symbol_that_hardly_any_probe_is_said_of_is_refused_with_the_figure(spec: Spec, tmp_path: Path) -> None:
    low = [text for text, name in labelled()[80:] if name == "low"]
    with pytest.raises(ExtractionRefused, match="of too few probes the teacher says 'high' of"):
        teaching.run({**spec, "probes": changed(tmp_path, "low.txt", "\n".join(low))})


def test_a_packet_that_no_reader_would_accept_is_not_written(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "Limits", lambda: Limits(max_packet_bytes=1000))
    with pytest.raises(TooLarge, match="readers accept 1000") as told:
        teaching.run(spec)
    assert "fewer concepts" in told.value.hint
    assert not Path(spec["out"]).exists()
