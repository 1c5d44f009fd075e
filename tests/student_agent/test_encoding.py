"""The encoder job, on a tiny untrained teacher: packets of anchors in, a small encoder out."""

import json
from pathlib import Path

import numpy as np
import pytest

from m2kt.agent.child import run_child
from m2kt.anchors import read_set
from m2kt.errors import AlignmentRefused, UsageError
from m2kt.neural.encoders import text_encoder
from m2kt.signing import TrustStore
from m2kt.signing.keys import generate, write_private, write_public
from student_agent.distil import unit
from student_agent.encoding import load_tokenizer, open_anchor_packets, read, vectors
from teacher_agent import anchoring
from tests.models import tiny_student

WORDS = tuple(f"w{number}" for number in range(40))
PAIRS = [f"{one} {other}" for one in WORDS for other in WORDS if one != other]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root: Path = tmp_path_factory.mktemp("encoding")
    key = generate()
    write_private(root / "key.pem", key)
    write_public(root / "key.pub", key.public_key())
    (root / "pairs.txt").write_text("\n".join(PAIRS[::2]))
    (root / "words.txt").write_text("\n".join(WORDS))
    tiny_student(root / "teacher", WORDS, seed=1)
    for packet, name, prompt in (("pairs", "pairs", "{}"), ("words", "words", "{}"), ("asked", "words", "w1 {}")):
        anchoring.run(
            {
                "model": str(root / "teacher"),
                "set": str(root / f"{name}.txt"),
                "name": f"acme/{name}",
                "version": "1.0.0",
                "prompt": prompt,
                "key": str(root / "key.pem"),
                "out": str(root / f"{packet}.m2kt"),
            }
        )
    return root


def spec_of(root: Path, packets: tuple[str, ...], sets: tuple[str, ...]) -> dict[str, object]:
    named = {"anchors": [str(root / f"{each}.m2kt") for each in packets], "sets": [str(root / each) for each in sets]}
    return {
        **named,
        "trust": str(root / "key.pub"),
        "tokenizer": str(root / "teacher"),
        "out": str(root / "out"),
        "epochs": 4,
    }


def test_an_encoder_is_learned_from_two_packets_and_read_again(root):
    told = run_child("student_agent", "encoder", spec_of(root, ("pairs", "words"), ("pairs.txt", "words.txt")))
    assert told["activations_moved"] == len(PAIRS[::2]) + len(WORDS)
    card = json.loads((root / "out" / "encoder.json").read_text())
    assert set(card["anchors"]) == {"pairs", "words"}
    made = vectors(read(root / "out"), load_tokenizer(root / "teacher"), PAIRS[1::2])
    wanted = unit(text_encoder(root / "teacher").encode(PAIRS[1::2]))
    by_chance = np.roll(wanted, 7, 0)
    assert (made * wanted).sum(1).mean() > 0.8 > (made * by_chance).sum(1).mean()


@pytest.mark.parametrize(
    ("packets", "sets", "said"),
    [
        (("pairs",), ("words",), "the anchor set changed"),
        (("pairs", "asked"), ("pairs", "words"), "not of one teacher and one reading"),
        (("pairs",), ("pairs", "words"), "1 packets of anchors and 2 sets"),
    ],
)
def test_packets_that_share_no_space_or_no_set_are_refused(root, packets, sets, said):
    found = [(root / f"{each}.m2kt").read_bytes() for each in packets]
    held = [read_set(root / f"{each}.txt") for each in sets]
    with pytest.raises(AlignmentRefused, match=said):
        open_anchor_packets(found, TrustStore.from_path(root / "key.pub"), held)


def test_a_directory_without_an_encoder_is_named(tmp_path):
    with pytest.raises(UsageError, match="holds no encoder"):
        read(tmp_path)
