"""Loading directories, refusing what is none, digests, devices."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from m2kt.errors import ModelError
from m2kt.neural.models import (
    LanguageModel,
    load,
    parameter_count,
    pick_device,
    raw_bytes,
    tokenizer_sha256,
    weights_sha256,
)
from tests.m2kt.neural.conftest import DirectoryOf, ModelOf
from tests.tiny import FAMILIES, make_model

WEIGHTS = "model.safetensors"


@pytest.fixture
def copy(directory_of: DirectoryOf, tmp_path: Path) -> Path:
    """A Llama's directory that a test may spoil."""
    return Path(shutil.copytree(directory_of("llama"), tmp_path / "model"))


def edit_weights(directory: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(directory / WEIGHTS)
    edit(tensors)
    save_file(tensors, directory / WEIGHTS, {"format": "pt"})


# Loading


def test_a_loaded_model_is_frozen_and_in_evaluation_mode(lm: LanguageModel) -> None:
    assert not lm.model.training
    assert not any(each.requires_grad for each in lm.model.parameters())
    assert lm.device == torch.device("cpu")


def test_end_ids_hold_the_tokenizer_s_end_mark(lm: LanguageModel) -> None:
    assert lm.end_ids == [lm.tokenizer.eos_token_id]


def test_end_ids_hold_those_of_the_generation_settings_too(copy: Path) -> None:
    (copy / "generation_config.json").write_text(json.dumps({"eos_token_id": [5, 3]}))
    lm = load(copy)
    assert lm.end_ids == sorted({3, 5, lm.tokenizer.eos_token_id})


def test_a_directory_loads_twice_with_equal_weights(directory_of: DirectoryOf, model_of: ModelOf) -> None:
    for family in FAMILIES:
        assert weights_sha256(load(directory_of(family)).model) == weights_sha256(model_of(family).model)


# What is refused


def remove(name: str) -> Callable[[Path], object]:
    return lambda path: (path / name).unlink()


def write(name: str, data: bytes) -> Callable[[Path], object]:
    return lambda path: (path / name).write_bytes(data)


def drop_a_tensor(path: Path) -> None:
    edit_weights(path, lambda tensors: tensors.pop("model.layers.1.mlp.up_proj.weight"))


def misshape_a_tensor(path: Path) -> None:
    edit_weights(path, lambda tensors: tensors.update({"model.layers.1.mlp.up_proj.weight": torch.zeros(3, 3)}))


def truncate(path: Path) -> None:
    (path / WEIGHTS).write_bytes((path / WEIGHTS).read_bytes()[:-9])


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no directory": (shutil.rmtree, "there is no directory"),
    "no config": (remove("config.json"), "it has no config.json"),
    "no weights": (remove(WEIGHTS), r"holds no \.safetensors weights"),
    "no tokenizer": (remove("tokenizer.json"), "has no tokenizer.json"),
    "config is no JSON": (write("config.json", b"{"), "not a valid JSON"),
    "config is of no language model": (write("config.json", b'{"model_type": "vit"}'), "ViTConfig"),
    "config is of nothing known": (write("config.json", b'{"model_type": "nope"}'), "nope"),
    "tokenizer is no JSON": (write("tokenizer.json", b"{"), "JSONDecodeError"),
    "weights are no safetensors": (write(WEIGHTS, b"PK" * 100), "header too large"),
    "weights are empty": (write(WEIGHTS, b""), "header too small"),
    "weights end early": (truncate, "not fully covered"),
    "weights lack a tensor": (drop_a_tensor, r"lack 1 tensors, such as model\.layers\.1\.mlp\.up_proj\.weight"),
    "weights have another shape": (misshape_a_tensor, "could not be loaded"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_directory_that_is_no_model_is_refused_with_its_reason(copy: Path, case: str) -> None:
    spoil, reason = REFUSED[case]
    spoil(copy)
    with pytest.raises(ModelError, match=reason) as caught:
        load(copy)
    assert str(copy) in caught.value.detail
    assert caught.value.hint


def test_the_reasons_differ() -> None:
    reasons = [reason for _, reason in REFUSED.values()]
    assert len(set(reasons)) == len(reasons)


def test_pickled_weights_are_not_read(copy: Path) -> None:
    torch.save(load_file(copy / WEIGHTS), copy / "pytorch_model.bin")
    (copy / WEIGHTS).unlink()
    with pytest.raises(ModelError, match="pickled weights are not read"):
        load(copy)


def test_code_that_a_directory_brings_never_runs_and_nobody_is_asked(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers would ask on stdin, which in a child process is its lifeline."""
    (copy / "theirs.py").write_text(f"open({str(copy / 'ran')!r}, 'w')")
    config = {"model_type": "theirs", "auto_map": {"AutoConfig": "theirs.C", "AutoModelForCausalLM": "theirs.M"}}
    (copy / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("somebody was asked"))
    with pytest.raises(ModelError, match="trust_remote_code"):
        load(copy)
    assert not (copy / "ran").exists()


# Digests


def test_a_digest_stays_when_the_model_is_saved_again(lm: LanguageModel, tmp_path: Path) -> None:
    lm.model.save_pretrained(tmp_path, max_shard_size="10KB")
    lm.tokenizer.save_pretrained(tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert weights_sha256(load(tmp_path).model) == weights_sha256(lm.model)


def test_one_flipped_bit_of_one_weight_changes_the_digest(lm: LanguageModel, copy: Path) -> None:
    before = weights_sha256(load(copy).model)

    def flip(tensors: dict[str, torch.Tensor]) -> None:
        tensors["model.norm.weight"].view(torch.int32)[3] ^= 1

    edit_weights(copy, flip)
    assert weights_sha256(load(copy).model) != before


def test_models_of_other_seeds_and_families_have_other_digests(tmp_path: Path) -> None:
    made = [make_model("llama", tmp_path / "seed", seed=1)]
    made += [make_model(family, tmp_path / family) for family in FAMILIES]
    digests = {weights_sha256(load(each).model) for each in made}
    assert len(digests) == len(made)
    assert all(len(each) == len("sha256:") + 64 for each in digests)


def test_the_digest_tells_shapes_and_names_apart() -> None:
    weights = torch.arange(6.0)

    def digest(name: str, *shape: int) -> str:
        module = torch.nn.Module()
        module.register_buffer(name, weights.reshape(shape))
        return weights_sha256(module)

    assert len({digest("a", 6), digest("b", 6), digest("a", 2, 3), digest("a", 3, 2)}) == 4


def test_half_precision_is_kept_and_has_a_digest(tmp_path: Path) -> None:
    lm = load(make_model("llama", tmp_path, dtype=torch.bfloat16))
    assert lm.head.weight.dtype == torch.bfloat16
    assert weights_sha256(lm.model).startswith("sha256:")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int64])
def test_raw_bytes_are_in_c_order(dtype: torch.dtype) -> None:
    tensor = torch.arange(6).reshape(2, 3).to(dtype)
    assert raw_bytes(tensor.T.contiguous().T) == raw_bytes(tensor)
    assert len(raw_bytes(tensor)) == 6 * tensor.element_size()


def test_the_tokenizer_s_digest_is_its_file_s(copy: Path) -> None:
    before = tokenizer_sha256(copy)
    (copy / "tokenizer.json").write_bytes((copy / "tokenizer.json").read_bytes() + b"\n")
    assert tokenizer_sha256(copy) != before
    (copy / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="has no tokenizer"):
        tokenizer_sha256(copy)


def test_a_tied_matrix_counts_once(model_of: ModelOf) -> None:
    lm = model_of("qwen3")
    by_name = sum(each.numel() for each in lm.model.state_dict().values())
    assert parameter_count(lm.model) == by_name - lm.head.weight.numel()


# Devices


def test_auto_is_a_device_that_is_there() -> None:
    assert pick_device("auto") == pick_device(pick_device("auto").type)
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:99", "hpu", "meta", "fpga", "nonsense", ""])
def test_a_device_that_is_not_there_is_a_model_error(name: str) -> None:
    with pytest.raises(ModelError, match=f"no device {name!r} here") as caught:
        pick_device(name)
    assert "--device cpu" in caught.value.hint
    assert "\n" not in caught.value.detail


def test_cuda_without_cuda_is_a_model_error() -> None:
    code = "from m2kt.errors import ModelError\nfrom m2kt.neural.models import pick_device\n"
    code += "try: pick_device('cuda')\nexcept ModelError as error: print(error)\n"
    code += "assert pick_device().type == 'cpu'"
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("no device 'cuda' here")
