"""What loaded checkpoints compute, and which do not fit a model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlavaForConditionalGeneration, OPTForCausalLM

from metareval.errors import LoadError
from metareval_backends.checkpoints import find_checkpoint, load_adapter, load_full
from tests.tiny_checkpoints import (
    PAYLOAD,
    adapted,
    llava,
    opt,
    rewrite,
    save,
    set_config,
    write_examples,
)

CPU: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
IDS = torch.tensor([[1, 7, 8, 9]])


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_examples(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture
def copied(stored: Path, tmp_path: Path) -> Callable[[str], Path]:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(stored / name, tmp_path / name))

    return copy


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        out: torch.Tensor = model(input_ids=IDS).logits
    return out


def test_pickle_beside_safetensors_is_ignored(
    tmp_path: Path, copied: Callable[[str], Path]
) -> None:
    mark = tmp_path / "executed"
    folder = copied("llava")
    (folder / "pytorch_model.bin").write_text(PAYLOAD.format(mark=mark))
    model = load_full(find_checkpoint(str(folder)), LlavaForConditionalGeneration, **CPU)
    assert torch.equal(logits(model), logits(llava()))
    adapter = copied("lora")
    (adapter / "adapter_model.bin").write_text(PAYLOAD.format(mark=mark))
    load_adapter(model, find_checkpoint(str(adapter)), base_name="llava")
    assert not mark.exists()


@pytest.mark.parametrize("name", ["llava", "sharded"])
def test_full_weights_compute_what_they_did(
    stored: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    model = load_full(find_checkpoint(str(stored / name)), LlavaForConditionalGeneration, **CPU)
    assert not model.training
    assert torch.equal(logits(model), logits(llava()))
    assert capfd.readouterr().err == ""


def test_full_weights_saved_by_an_older_version(stored: Path, tmp_path: Path) -> None:
    def older(tensors: dict[str, Any]) -> dict[str, Any]:
        new, old = "vision_tower.", "vision_tower.vision_model."
        return {key.replace(new, old): value for key, value in tensors.items()}

    folder = rewrite(tmp_path / "older", stored / "llava", older)
    model = load_full(find_checkpoint(str(folder)), LlavaForConditionalGeneration, **CPU)
    pairs = zip(model.parameters(), llava().parameters(), strict=True)
    assert all(torch.equal(p, q) for p, q in pairs)


def test_full_weights_with_other_names_or_shapes(
    stored: Path, tmp_path: Path, copied: Callable[[str], Path]
) -> None:
    def drop(tensors: dict[str, Any]) -> dict[str, Any]:
        out = dict(tensors)
        out["language_model.model.extra.weight"] = out.pop("language_model.model.norm.weight")
        return out

    folder = rewrite(tmp_path / "dropped", stored / "llava", drop)
    with pytest.raises(LoadError, match=r"missing: .*norm.*not of the model: .*extra"):
        load_full(find_checkpoint(str(folder)), LlavaForConditionalGeneration, **CPU)
    folder = copied("llava")
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["vocab_size"] = 41
    set_config(folder, **config)
    with pytest.raises(LoadError, match=r"shape \(40, 16\), expected \(41, 16\)"):
        load_full(find_checkpoint(str(folder)), LlavaForConditionalGeneration, **CPU)
    config["text_config"]["hidden_size"] = "many"
    set_config(folder, **config)
    with pytest.raises(LoadError, match="could not be loaded as Llava"):
        load_full(find_checkpoint(str(folder)), LlavaForConditionalGeneration, **CPU)


def test_full_weights_of_another_kind(stored: Path) -> None:
    with pytest.raises(LoadError, match=r"model_type 'opt' in config\.json; expected 'llava'"):
        load_full(find_checkpoint(str(stored / "opt")), LlavaForConditionalGeneration, **CPU)
    with pytest.raises(LoadError, match="is an adapter"):
        load_full(find_checkpoint(str(stored / "lora")), LlavaForConditionalGeneration, **CPU)


def on_base(stored: Path, folder: Path, base: str = "llava") -> torch.nn.Module:
    kind = OPTForCausalLM if base == "opt" else LlavaForConditionalGeneration
    model = load_full(find_checkpoint(str(stored / base)), kind, **CPU)
    adapter = load_adapter(model, find_checkpoint(str(folder)), base_name=base)
    assert not adapter.training
    assert not any(p.requires_grad for p in adapter.parameters())
    return adapter


def test_adapter_computes_what_it_did(stored: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seen = logits(on_base(stored, stored / "lora"))
    assert torch.equal(seen, logits(adapted(llava(), seed=1)))
    assert (seen - logits(llava())).abs().max() > 1e-3
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "options",
    [
        {"use_rslora": True},
        {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {r"layers\.1\..*v_proj": 3}},
        {"target_modules": ["q_proj", "fc1"], "bias": "lora_only"},
        {"target_modules": ["embed_tokens", "q_proj"]},
        {"use_dora": True},
        {"modules_to_save": ["final_layer_norm"]},
    ],
)
def test_settings_of_adapters(stored: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    made = adapted(opt(), **{"target_modules": ["q_proj", "v_proj"], "r": 4, **options})
    folder = save(made, tmp_path / "made", save_embedding_layers=False)
    assert torch.allclose(logits(on_base(stored, folder, "opt")), logits(made), atol=1e-6)


def test_adapter_with_names_of_an_older_version(stored: Path, tmp_path: Path) -> None:
    def older(tensors: dict[str, Any]) -> dict[str, Any]:
        new, old = "model.model.language_model.", "model.language_model.model."
        return {key.replace(new, old): value for key, value in tensors.items()}

    folder = rewrite(tmp_path / "older", stored / "lora", older)
    assert "base_model.model.language_model.model.layers.0.self_attn.q_proj.lora_A.weight" in (
        find_checkpoint(str(folder)).tensors()
    )
    assert torch.equal(logits(on_base(stored, folder)), logits(on_base(stored, stored / "lora")))


def test_adapter_for_another_base(stored: Path, tmp_path: Path) -> None:
    saying = r"opt-lora' does not fit the base 'llava', which has no module 'model\.decoder\.layers"
    with pytest.raises(LoadError, match=rf"{saying}\.0.*shape \(16, 16\).*trained on"):
        on_base(stored, stored / "opt-lora")
    wide = save(adapted(llava(hidden=32)), tmp_path / "wide")
    with pytest.raises(LoadError, match=r"does not fit.*q_proj.*\(16, 32\).*\(16, 16\)"):
        on_base(stored, wide)


def test_name_of_the_base_alone_does_not_matter(
    copied: Callable[[str], Path], stored: Path
) -> None:
    folder = set_config(copied("lora"), base_model_name_or_path="someone/else")
    on_base(stored, folder)


@pytest.mark.parametrize(
    ("changes", "saying"),
    [
        ({"peft_type": "IA3"}, "type 'IA3'; LoRA alone"),
        ({"peft_type": None}, "LoRA alone"),
        ({"init_lora_weights": "pissa"}, "changes the base too"),
        ({"init_lora_weights": "corda"}, "changes the base too"),
        ({"megatron_config": {"x": 1}, "megatron_core": "os"}, "megatron_config"),
        ({"layer_replication": [[0, 2]]}, "layer_replication"),
        ({"made_up": 1}, "made_up"),
        ({"r": 5}, "expected the rank 5"),
        ({"r": "4"}, "r='4'"),
        ({"r": 0}, "expected the rank 0"),
        ({"lora_alpha": float("nan")}, "lora_alpha=nan"),
        ({"rank_pattern": [1]}, "rank_pattern"),
        ({"alpha_pattern": {"(": 1}}, "regular expression"),
        ({"use_dora": True}, "lacks"),
    ],
)
def test_settings_that_are_refused(
    stored: Path, copied: Callable[[str], Path], changes: dict[str, Any], saying: str
) -> None:
    folder = set_config(copied("lora"), **changes)
    with pytest.raises(LoadError) as caught:
        on_base(stored, folder)
    assert saying in str(caught.value)


def test_adapter_with_tensors_lost_or_left_over(stored: Path, tmp_path: Path) -> None:
    def first_b(tensors: dict[str, Any]) -> str:
        return min(key for key in tensors if "lora_B" in key)

    def lose(tensors: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in tensors.items() if key != first_b(tensors)}

    def add(tensors: dict[str, Any]) -> dict[str, Any]:
        return {**tensors, "base_model.model.nowhere.bias": tensors[first_b(tensors)]}

    with pytest.raises(LoadError, match="factor A alone"):
        on_base(stored, rewrite(tmp_path / "lost", stored / "lora", lose))
    with pytest.raises(LoadError, match=r"nowhere\.bias.*no place"):
        on_base(stored, rewrite(tmp_path / "added", stored / "lora", add))
    with pytest.raises(LoadError, match="no LoRA factors"):
        on_base(stored, rewrite(tmp_path / "none", stored / "lora", lambda t: {"x": t[first_b(t)]}))


def test_second_adapter_in_one_model(stored: Path) -> None:
    model = on_base(stored, stored / "lora")
    found = find_checkpoint(str(stored / "lora"))
    with pytest.raises(LoadError, match="carries an adapter already"):
        load_adapter(model.get_base_model(), found, base_name="llava")  # type: ignore[operator]
