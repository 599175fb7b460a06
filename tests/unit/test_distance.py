"""Distances against dense arithmetic, and the memory they take."""

from __future__ import annotations

import math
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

from metareval.errors import LoadError
from metareval_backends import weights
from metareval_backends.distance import factor_distance, weight_distance
from metareval_backends.folder import find_checkpoint
from tests.tiny_checkpoints import adapted, llava, opt, rewrite, same_function, save, set_config

TARGETS = ["q_proj", "fc1"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("distances")
    save(llava(0), root / "base")
    save(llava(1), root / "other")
    for seed in (1, 2):
        save(adapted(llava(0), seed), root / f"lora{seed}")
    save(adapted(llava(0), 3, r=2, target_modules=r".*language_model.*\.(k_proj|v_proj)"),
         root / "lora3")  # fmt: skip
    save(adapted(llava(0), 1).merge_and_unload(), root / "merged1")
    return root


def dense(one: nn.Module, other: nn.Module) -> tuple[float, float]:
    pairs = [(p.detach().double(), q.detach().double()) for p, q in
             zip(one.parameters(), other.parameters(), strict=True)]  # fmt: skip
    distance = math.sqrt(sum(float(((p - q) ** 2).sum()) for p, q in pairs))
    return distance, distance / math.sqrt(sum(float((q**2).sum()) for _, q in pairs))


def deltas(model: Any) -> dict[str, torch.Tensor]:
    return {
        name: module.get_delta_weight("default").detach().double()
        for name, module in model.named_modules()
        if hasattr(module, "get_delta_weight")
    }


# Adapters


@pytest.mark.parametrize("options", [{}, {"r": 2, "target_modules": ["q_proj", "v_proj"]},
                                     {"r": 12, "use_rslora": True}])  # fmt: skip
def test_adapters_equal_dense_products(tmp_path: Path, options: dict[str, Any]) -> None:
    one = adapted(opt(ffn=24), 1, target_modules=TARGETS)
    two = adapted(opt(ffn=24), 2, **{"target_modules": TARGETS, **options})
    p, q = deltas(one), deltas(two)
    squares = sum(float(((p.get(n, 0.0) - q.get(n, 0.0)) ** 2).sum()) for n in {*p, *q})
    size = sum(float((d**2).sum()) for d in q.values())
    seen = weight_distance(str(save(one, tmp_path / "1")), str(save(two, tmp_path / "2")))
    assert seen.kind == "adapters"
    assert seen.n_tensors == len({*p, *q})
    assert seen.distance == pytest.approx(math.sqrt(squares), rel=1e-6)
    assert seen.relative == pytest.approx(math.sqrt(squares / size), rel=1e-6)


def test_same_function_written_differently(stored: Path, tmp_path: Path) -> None:
    other = rewrite(tmp_path / "rewritten", stored / "lora1", same_function)
    seen = weight_distance(str(stored / "lora1"), str(other))
    assert seen.relative < 1e-6
    assert factor_distance(str(stored / "lora1"), str(other)) > 1.0


def test_distance_is_a_metric(stored: Path) -> None:
    names = [str(stored / f"lora{i}") for i in (1, 2, 3)]
    d = {(a, b): weight_distance(a, b).distance for a in names for b in names}
    assert all(d[a, a] < 1e-9 for a in names)
    assert all(d[a, b] == pytest.approx(d[b, a], rel=1e-12) for a, b in d)
    assert all(d[a, c] <= d[a, b] + d[b, c] for a in names for b in names for c in names)


def test_scale_counts_in_products_not_in_factors(stored: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(stored / "lora1", tmp_path / "scaled"))
    set_config(folder, lora_alpha=16)
    seen = weight_distance(str(folder), str(stored / "lora1"))
    assert seen.relative == pytest.approx(1.0)
    assert factor_distance(str(folder), str(stored / "lora1")) == 0.0


def test_names_of_an_older_version_are_not_other_modules(stored: Path, tmp_path: Path) -> None:
    def older(tensors: dict[str, Any]) -> dict[str, Any]:
        new, old = "model.model.language_model.", "model.language_model.model."
        return {key.replace(new, old): value for key, value in tensors.items()}

    folder = rewrite(tmp_path / "older", stored / "lora1", older)
    seen = weight_distance(str(folder), str(stored / "lora1"))
    assert (seen.distance, seen.n_tensors) == (pytest.approx(0, abs=1e-12), 4)


def test_adapter_that_adds_nothing(stored: Path, tmp_path: Path) -> None:
    folder = rewrite(
        tmp_path / "zero",
        stored / "lora1",
        lambda t: {k: np.zeros_like(v) if "lora_B" in k else v for k, v in t.items()},
    )
    assert math.isnan(weight_distance(str(stored / "lora1"), str(folder)).relative)
    assert weight_distance(str(folder), str(stored / "lora1")).relative == pytest.approx(1.0)


def test_adapters_of_two_bases(tmp_path: Path, stored: Path) -> None:
    wide = save(adapted(llava(hidden=32)), tmp_path / "wide")
    with pytest.raises(LoadError, match=r"q_proj' has the shape \(16, 16\) in .*\(16, 32\)"):
        weight_distance(str(stored / "lora1"), str(wide))
    with pytest.raises(LoadError, match="Use weight_distance"):
        factor_distance(str(stored / "lora1"), str(wide))


def test_factors_of_other_modules_or_ranks(stored: Path, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="differ in the modules"):
        factor_distance(str(stored / "lora1"), str(stored / "lora3"))
    narrow = save(adapted(llava(), 1, r=2), tmp_path / "narrow")
    with pytest.raises(LoadError, match="takes different ranks"):
        factor_distance(str(stored / "lora1"), str(narrow))


def test_factor_distance_by_hand(stored: Path) -> None:
    tensors = [find_checkpoint(str(stored / f"lora{i}")) for i in (1, 2)]
    one, two = (dict(weights.iterate(t)) for t in tensors)
    expected = np.mean([np.linalg.norm(one[k] - two[k]) for k in one])
    assert factor_distance(*tensors) == pytest.approx(float(expected), rel=1e-6)


# Full weights


def test_full_weights_equal_dense_arithmetic(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "BLOCK", 100)
    expected = dense(llava(0), llava(1))
    seen = weight_distance(str(stored / "base"), str(stored / "other"))
    assert (seen.distance, seen.relative) == pytest.approx(expected, rel=1e-9)
    assert (seen.kind, seen.n_tensors) == ("full", len(list(llava().parameters())))
    shards = save(llava(0), tmp_path / "shards", max_shard_size="20KB")
    assert weight_distance(str(shards), str(stored / "base")).distance == 0.0


def test_adapter_against_full_weights(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "BLOCK", 100)
    base, other = str(stored / "base"), str(stored / "other")
    expected = dense(adapted(llava(0), 1).merge_and_unload(), llava(1))
    seen = weight_distance(str(stored / "lora1"), other, base=base)
    assert (seen.distance, seen.relative) == pytest.approx(expected, rel=1e-7)
    assert seen.kind == "merged"
    turned = weight_distance(other, str(stored / "lora1"), base=base)
    assert turned.distance == pytest.approx(seen.distance, rel=1e-12)
    assert (
        weight_distance(str(stored / "lora1"), str(stored / "merged1"), base=base).relative < 1e-7
    )
    added = weight_distance(str(stored / "lora1"), base, base=base).distance
    zero = weight_distance(str(stored / "lora1"), str(stored / "lora2")).distance
    apart = weight_distance(str(stored / "lora2"), str(stored / "merged1"), base=base).distance
    assert apart == pytest.approx(zero, rel=1e-5)
    assert added > 0


def test_full_weights_saved_by_another_version(stored: Path, tmp_path: Path) -> None:
    def older(tensors: dict[str, Any]) -> dict[str, Any]:
        new, old = "vision_tower.", "vision_tower.vision_model."
        out = {key.replace(new, old): value for key, value in tensors.items()}
        out["vision_tower.vision_model.embeddings.position_ids"] = np.arange(5)
        out["language_model.model.layers.0.self_attn.rotary_emb.inv_freq"] = np.ones(4, np.float32)
        return out

    folder = rewrite(tmp_path / "older", stored / "base", older)
    seen = weight_distance(str(folder), str(stored / "base"))
    assert (seen.distance, seen.n_tensors) == (0.0, len(list(llava().parameters())))


def test_tied_head_that_one_file_spells_out(tmp_path: Path) -> None:
    plain, other = save(opt(0), tmp_path / "plain"), save(opt(1), tmp_path / "other")
    head = "model.decoder.embed_tokens.weight"
    spelt = rewrite(tmp_path / "spelt", plain, lambda t: {**t, "lm_head.weight": t[head].copy()})
    assert weight_distance(str(spelt), str(plain)).distance == 0.0
    assert weight_distance(str(spelt), str(other)) == weight_distance(str(plain), str(other))
    untied = rewrite(tmp_path / "untied", plain, lambda t: {**t, "lm_head.weight": t[head] + 1})
    with pytest.raises(LoadError, match=r"'lm_head.weight' in the first alone"):
        weight_distance(str(untied), str(plain))


def test_checkpoints_that_do_not_match(stored: Path, tmp_path: Path) -> None:
    model = save(opt(), tmp_path / "opt")
    with pytest.raises(LoadError, match=r"different tensors: .*and \d+ more in the first alone"):
        weight_distance(str(stored / "base"), str(model))
    more = save(opt(vocabulary=41), tmp_path / "more")
    with pytest.raises(LoadError, match=r"embed_tokens.*\(40, 16\).*\(41, 16\)"):
        weight_distance(str(model), str(more))
    with pytest.raises(LoadError, match=r"pass base=None, or the folder"):
        weight_distance(str(stored / "lora1"), str(stored / "base"))
    with pytest.raises(LoadError, match=r"'model|'language_model.layers.*does not have"):
        weight_distance(str(stored / "lora1"), str(model), base=str(model))
    wide = save(llava(hidden=32), tmp_path / "wide")
    with pytest.raises(LoadError, match=r"\(16, 16\) in the module .*\(16, 32\)"):
        weight_distance(str(stored / "lora1"), str(wide), base=str(wide))
    with pytest.raises(LoadError, match="is an adapter itself"):
        weight_distance(str(stored / "lora1"), str(stored / "base"), base=str(stored / "lora2"))


def test_weights_that_are_not_numbers_or_quantised(stored: Path, tmp_path: Path) -> None:
    def spoil(tensors: dict[str, Any]) -> dict[str, Any]:
        key = min(tensors)
        values = tensors[key].copy()
        values.flat[0] = np.nan
        return {**tensors, key: values}

    for name in ("base", "lora1"):
        folder = rewrite(tmp_path / name, stored / name, spoil)
        with pytest.raises(LoadError, match="not finite"):
            weight_distance(str(folder), str(stored / name))
    folder = rewrite(tmp_path / "codes", stored / "base", dict)
    set_config(folder, quantization_config={"bits": 4})
    with pytest.raises(LoadError, match="quantised"):
        weight_distance(str(folder), str(stored / "base"))


def test_memory_does_not_grow_with_the_model(
    tmp_path: Path, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "BLOCK", 2**17)
    config = (stored / "base" / "config.json").read_text()
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(config)
        # 64 MB in tensors of 4 MB, and one of 16 MB.
        tensors = {f"layers.{i}.weight": rng.random((1024, 1024), np.float32) for i in range(12)}
        tensors["embed.weight"] = rng.random((4096, 1024), np.float32)
        save_file(tensors, tmp_path / name / "model.safetensors", metadata={"format": "pt"})
    lora = tmp_path / "lora"
    lora.mkdir()
    (lora / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 8, "lora_alpha": 8}')
    factors = {}
    for i in range(12):
        factors[f"base_model.model.layers.{i}.lora_A.weight"] = rng.random((8, 1024), np.float32)
        factors[f"base_model.model.layers.{i}.lora_B.weight"] = rng.random((1024, 8), np.float32)
    save_file(factors, lora / "adapter_model.safetensors", metadata={"format": "pt"})
    folder = {name: str(tmp_path / name) for name in ("a", "b", "lora")}
    for arguments in (
        {"a": folder["a"], "b": folder["b"]},
        {"a": folder["lora"], "b": folder["b"], "base": folder["a"]},
        {"a": folder["lora"], "b": folder["lora"]},
    ):
        tracemalloc.start()
        try:
            weight_distance(**arguments)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        # Blocks of 1 MB in float64, a handful at a time, beside 128 MB of weights.
        assert peak < 10e6, f"{peak / 1e6:.1f} MB"
