"""Weights read tensor by tensor equal what torch and peft make of them."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from metareval.errors import LoadError
from metareval_backends import weights
from metareval_backends.folder import find_checkpoint
from metareval_backends.safetensors_header import read_header
from metareval_backends.weights import (
    canonical,
    canonical_name,
    delta_weights,
    iterate,
    read_tensor,
    tensor_names,
)
from tests.tiny_checkpoints import adapted, llava, opt, rewrite, save, set_config


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(llava(), tmp_path_factory.mktemp("full") / "llava", max_shard_size="20KB")


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str
)
def test_types_are_read_exactly(tmp_path: Path, dtype: torch.dtype) -> None:
    values = torch.randn(3, 5, dtype=torch.float64).to(dtype)
    values[0, :4] = torch.tensor([0.0, -0.0, math.inf, 1e-7], dtype=dtype)
    save_file({"x": values, "y": values[0, 0].clone(), "z": values[:0]}, tmp_path / "x.safetensors")
    for name, entry in read_header(tmp_path / "x.safetensors").items():
        seen = read_tensor(name, entry)
        expected = {"x": values, "y": values[0, 0], "z": values[:0]}[name].double().numpy()
        assert seen.dtype == (np.float64 if dtype == torch.float64 else np.float32)
        assert seen.shape == expected.shape
        assert np.array_equal(seen.astype(np.float64), expected)


def test_iterate_yields_every_tensor_of_all_shards(full: Path) -> None:
    found = find_checkpoint(str(full))
    expected = {k: v for path in found.weights for k, v in load_file(path).items()}
    seen = dict(iterate(found))
    assert tuple(seen) == tensor_names(found) == tuple(sorted(expected))
    assert all(np.array_equal(seen[k], v.numpy()) for k, v in expected.items())


def test_integers_are_left_out_and_codes_refused(tmp_path: Path) -> None:
    def with_positions(tensors: dict[str, Any]) -> dict[str, Any]:
        return {**tensors, "position_ids": np.arange(3)}

    folder = rewrite(tmp_path / "positions", save(llava(), tmp_path / "x"), with_positions)
    found = find_checkpoint(str(folder))
    assert "position_ids" in tensor_names(found)
    assert "position_ids" not in dict(iterate(found))
    codes = torch.zeros(4, dtype=torch.float8_e4m3fn)
    save_file({"x": codes}, folder / "model.safetensors")
    with pytest.raises(LoadError, match=r"F8_E4M3.*not quantised"):
        list(iterate(find_checkpoint(str(folder))))


def test_blocks_join_to_the_tensor(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "BLOCK", 50)
    for name, entry in find_checkpoint(str(full)).tensors().items():
        whole = read_tensor(name, entry)
        flat = [block for _, block in weights.blocks(name, entry)]
        assert max(map(len, flat)) <= 50
        assert np.array_equal(np.concatenate(flat), whole.reshape(-1))
        rows = list(weights.blocks(name, entry, rows=True))
        assert np.array_equal(np.concatenate([block for _, block in rows]), whole)
        assert [first for first, _ in rows] == np.cumsum([0, *(len(b) for _, b in rows)])[
            :-1
        ].tolist()


def test_file_cut_while_it_is_read(tmp_path: Path) -> None:
    folder = save(llava(), tmp_path / "cut")
    entries = find_checkpoint(str(folder)).tensors()
    with (folder / "model.safetensors").open("r+b") as stream:
        stream.truncate(5000)
    name = max(entries, key=lambda n: entries[n].stop)
    with pytest.raises(LoadError, match=r"truncated: found 0 of .* changed while"):
        read_tensor(name, entries[name])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_rslora": True},
        {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {r"layers\.1\..*v_proj": 3}},
        {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"q_proj": 5}, "use_rslora": True},
        {"target_modules": ["q_proj", "fc1", "fc2", "embed_tokens"]},
    ],
)
def test_delta_weights_equal_those_of_peft(tmp_path: Path, options: dict[str, Any]) -> None:
    model = adapted(opt(ffn=24), **{"target_modules": ["q_proj", "v_proj"], **options})
    folder = save(model, tmp_path / "lora", save_embedding_layers=False)
    expected = {
        canonical_name(name.removeprefix("base_model.model.")): module.get_delta_weight("default")
        for name, module in model.named_modules()
        if hasattr(module, "get_delta_weight")
    }
    deltas = list(delta_weights(find_checkpoint(str(folder))))
    assert [d.module for d in deltas] == sorted(expected)
    for module, b, a, scale in deltas:
        wanted = expected[module].detach().numpy()
        assert (len(b), a.shape[1]) == wanted.shape
        assert np.allclose(scale * b @ a, wanted, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [{"bias": "lora_only"}, {"use_dora": True}, {"modules_to_save": ["fc1"]}],
)
def test_adapters_that_change_more_than_products(tmp_path: Path, options: dict[str, Any]) -> None:
    folder = save(adapted(opt(), target_modules=["q_proj"], **options), tmp_path / "lora")
    with pytest.raises(LoadError, match=rf"more than products .*{next(iter(options))}.*Merge it"):
        list(delta_weights(find_checkpoint(str(folder))))


def test_delta_weights_of_what_is_no_plain_adapter(full: Path, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="full weights; expected an adapter"):
        list(delta_weights(find_checkpoint(str(full))))
    folder = save(adapted(llava()), tmp_path / "lora")
    with pytest.raises(LoadError, match=r"more than products .*lora_bias=True"):
        list(delta_weights(find_checkpoint(str(set_config(folder, lora_bias=True)))))
    with pytest.raises(LoadError, match="LoRA alone"):
        list(delta_weights(find_checkpoint(str(set_config(folder, peft_type="LOHA")))))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("vision_tower.vision_model.encoder.layers.0.x", "model.vision_tower.encoder.layers.0.x"),
        ("language_model.model.decoder.layers.1.fc1", "language_model.decoder.layers.1.fc1"),
        ("language_model.lm_head.weight", "lm_head.weight"),
    ],
)
def test_names_of_versions_agree(one: str, other: str) -> None:
    assert canonical_name(one) == canonical_name(other)


def test_two_names_of_one_tensor() -> None:
    with pytest.raises(LoadError, match=r"holds 'model\.a' and 'a'"):
        canonical(["model.a", "a"], who="It")


def test_reading_needs_no_torch() -> None:
    code = (
        "import sys, metareval_backends.distance, metareval_backends.fingerprints; "
        "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'peft')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_names_on_disk_meet_those_of_the_model(full: Path) -> None:
    on_disk = {canonical_name(n) for n in tensor_names(find_checkpoint(str(full)))}
    assert on_disk == {canonical_name(n) for n, _ in llava().named_parameters()}
