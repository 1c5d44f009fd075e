"""Which model reads, and how, as specifications of jobs and options of commands say it.

``model`` is a Hugging Face directory with ``pool``, ``layer``, ``prompt``, ``gguf_file``, ``gguf_sha256``; or
``encoder`` is ``module:function``, which is called with ``settings`` and returns an `Encoder`: any torch module.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from m2kt.errors import UsageError
from m2kt.neural.encoders import Encoder, Pool, Reading, text_encoder

READS = ("pool", "layer", "prompt", "gguf_file", "gguf_sha256")
PLUGGED = ("encoder", "settings")
CHOICES = ("model", *READS, *PLUGGED)
"""Keys of a specification that are about the model."""


def encoder_of(spec: Mapping[str, Any], kind: str = "text") -> Encoder:
    """The encoder that ``spec`` names, for inputs of ``kind`` (``text`` or ``image``); `UsageError` or `ModelError`."""
    if bool(spec.get("model")) == bool(spec.get("encoder")):
        raise UsageError(
            "name one model: a Hugging Face directory (model), or a function that makes an encoder (encoder)",
            hint="docs/real.md has both.",
        )
    if spec.get("encoder"):
        return _plugged(spec)
    if spec.get("settings"):
        raise UsageError("settings are for an encoder's function; a directory has its own configuration")
    if kind != "text":
        raise UsageError(
            f"a Hugging Face directory reads texts here, and these inputs are of kind {kind}",
            hint="Name a function that makes an encoder of images: encoder, as module:function (docs/real.md).",
        )
    given = {name: spec[name] for name in ("gguf_file", "gguf_sha256") if spec.get(name)}
    return text_encoder(Path(spec["model"]), reading_of(spec), **given)


def reading_of(spec: Mapping[str, Any]) -> Reading:
    """How a state is read; `UsageError` for what no model could do. Which layers there are, the model says."""
    pool, layer, prompt = (spec.get(name, getattr(Reading(), name)) for name in ("pool", "layer", "prompt"))
    if pool not in list(Pool):
        raise UsageError(f"no pooling {pool!r}; there are {', '.join(Pool)}")
    if type(layer) is not int or layer < -1:
        raise UsageError(f"layer is a whole number from 0, or -1 for the model's last states, not {layer!r}")
    if not isinstance(prompt, str) or "{}" not in prompt:
        raise UsageError(f"the prompt {prompt!r} has no {{}} where the text goes: every text would be read alike")
    return Reading(Pool(pool), layer, prompt)


def _plugged(spec: Mapping[str, Any]) -> Encoder:
    if said := [name for name in READS if spec.get(name) is not None]:
        raise UsageError(
            f"{', '.join(said)}: only for Hugging Face directories; an encoder's function reads as it does"
        )
    where, settings = spec["encoder"], spec.get("settings") or {}
    module, colon, name = str(where).partition(":")
    if not (module and colon and name):
        raise UsageError(f"{where!r} is no module:function")
    try:
        made = getattr(import_module(module), name)(settings)
    except Exception as error:  # somebody's own code runs here, and may raise anything
        raise UsageError(
            f"{where} makes no encoder: {type(error).__name__}: {error}",
            hint="Look whether its module is on the path (PYTHONPATH), and takes one argument, the settings.",
        ) from error
    if lacks := [each for each in ("encode", "describe", "sha256", "reading") if each not in dir(made)]:
        raise UsageError(f"{where} made a {type(made).__name__}, which lacks {', '.join(lacks)}")
    found: Encoder = made
    return found
