"""Small checkpoints of the real classes, written where a test wants them."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model
from safetensors.numpy import load_file, save_file
from torch import nn
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    OPTConfig,
    OPTForCausalLM,
)
from transformers.utils import logging

LLAVA_TARGETS = r".*language_model.*\.(q_proj|v_proj)"

# Opcodes for os.mkdir: whoever unpickles this leaves a folder behind.
PAYLOAD = "cos\nmkdir\n(V{mark}\ntR."


def llava(seed: int = 0, *, hidden: int = 16) -> LlavaForConditionalGeneration:
    torch.manual_seed(seed)
    size: dict[str, Any] = {
        "hidden_size": hidden,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    vision = CLIPVisionConfig(**size, image_size=16, patch_size=8, projection_dim=16)
    text = LlamaConfig(
        **size, num_key_value_heads=2, vocab_size=40, max_position_embeddings=64, head_dim=8
    )
    config = LlavaConfig(
        vision_config=vision.to_dict(), text_config=text.to_dict(), image_token_index=5
    )
    return LlavaForConditionalGeneration(config).eval()


def opt(seed: int = 0, *, hidden: int = 16, ffn: int = 16, vocabulary: int = 40) -> OPTForCausalLM:
    torch.manual_seed(seed)
    config = OPTConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        word_embed_proj_dim=hidden,
        ffn_dim=ffn,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=32,
        dropout=0.0,
    )
    return OPTForCausalLM(config).eval()


def save(model: nn.Module, folder: Path, **options: Any) -> Path:
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # peft still asks for it by the old name.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated")
            model.save_pretrained(str(folder), **options)  # type: ignore[operator]
    finally:
        logging.enable_progress_bar()
    return folder


def adapted(model: nn.Module, seed: int = 0, **options: Any) -> Any:
    """Return the model with an adapter whose factors are both random."""
    options = {"r": 4, "lora_alpha": 8, "target_modules": LLAVA_TARGETS, **options}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated")
        # About merging; the tests compare functions.
        warnings.filterwarnings("ignore", "Model has `tie_word_embeddings=True`")
        made = get_peft_model(model, LoraConfig(**options))  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "lora_" in name:
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return made.eval()


def rewrite(folder: Path, source: Path, change: Any) -> Path:
    """Copy a checkpoint, with its tensors changed by a function of the dictionary."""
    folder.mkdir()
    for path in source.iterdir():
        if path.suffix == ".safetensors":
            tensors: dict[str, NDArray[Any]] = load_file(path)
            tensors = {k: np.ascontiguousarray(v) for k, v in change(tensors).items()}
            save_file(tensors, folder / path.name, metadata={"format": "pt"})
        else:
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


def set_config(folder: Path, **changes: Any) -> Path:
    name = "adapter_config.json" if (folder / "adapter_config.json").exists() else "config.json"
    config = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**config, **changes}))
    return folder


def same_function(tensors: dict[str, NDArray[Any]], seed: int = 0) -> dict[str, NDArray[Any]]:
    """Write each pair of factors differently: B M and inv(M) A."""
    rng = np.random.default_rng(seed)
    out = dict(tensors)
    for key, b in tensors.items():
        if ".lora_B." not in key:
            continue
        other = key.replace(".lora_B.", ".lora_A.")
        m = 10 * np.linalg.qr(rng.normal(size=(b.shape[1],) * 2)).Q
        out[key] = (b.astype(np.float64) @ m).astype(np.float32)
        out[other] = np.linalg.solve(m, tensors[other].astype(np.float64)).astype(np.float32)
    return out


def write_examples(root: Path) -> Path:
    """Write a LLaVA, the same in shards, an OPT, and an adapter on each."""
    save(llava(), root / "llava")
    save(llava(), root / "sharded", max_shard_size="20KB")
    save(adapted(llava(), seed=1), root / "lora")
    save(opt(), root / "opt")
    save(adapted(opt(), seed=1, target_modules=["q_proj", "v_proj"]), root / "opt-lora")
    return root
