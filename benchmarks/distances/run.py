"""Measure distances of adapters to an oracle adapter three ways; write results.md beside this file.

    python benchmarks/distances/run.py [--out FOLDER]

A tiny LLaVA learns answers about some images of noise; adapters then learn those about others, with
or without the forget set. One thread, about 20 seconds.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
)
from transformers.utils import logging

from metareval.files import write_atomic
from metareval.metrics.divergence import js_divergences
from metareval_backends.checkpoints import find_checkpoint, load_adapter, load_full
from metareval_backends.distance import factor_distance, weight_distance

SUBJECTS, QUESTIONS, ANSWERS = 24, 4, 40
FORGET = 6
IMAGE_TOKEN, FIRST_QUESTION, FIRST_ANSWER = 3, 4, 10
PATCHES = 16
TARGETS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|up_proj|down_proj|gate_proj)"


def build(seed: int) -> LlavaForConditionalGeneration:
    """Make an untrained tiny LLaVA."""
    torch.manual_seed(seed)
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        projection_dim=32,
    )
    text = LlamaConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        vocab_size=FIRST_ANSWER + ANSWERS,
        max_position_embeddings=64,
    )
    config = LlavaConfig(
        vision_config=vision.to_dict(),
        text_config=text.to_dict(),
        image_token_index=IMAGE_TOKEN,
        vision_feature_select_strategy="default",
    )
    return LlavaForConditionalGeneration(config)


class Facts:
    """Images of subjects, and for each question an answer that only memory can give."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        images = rng.normal(size=(SUBJECTS, 3, 32, 32)).astype(np.float32)
        self.images = torch.from_numpy(images)
        self.answers = torch.from_numpy(
            FIRST_ANSWER + rng.integers(0, ANSWERS, size=(SUBJECTS, QUESTIONS))
        )

    def ask(self, model: nn.Module, pairs: Tensor) -> Tensor:
        """Return the logits of the answer to each (subject, question)."""
        ids = torch.full((len(pairs), PATCHES + 2), IMAGE_TOKEN)
        ids[:, 0] = 1
        ids[:, -1] = FIRST_QUESTION + pairs[:, 1]
        out: Tensor = model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values=self.images[pairs[:, 0]],
        ).logits[:, -1]
        return out


def pairs_of(subjects: range) -> Tensor:
    """Return every question about the subjects."""
    return torch.cartesian_prod(torch.tensor(list(subjects)), torch.arange(QUESTIONS))


def train(model: nn.Module, facts: Facts, pairs: Tensor, *, seed: int, epochs: int) -> nn.Module:
    """Learn the answers to the pairs."""
    torch.manual_seed(seed)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=3e-3)
    batch = 24
    steps = epochs * -(-len(pairs) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    model.train()
    for _ in range(epochs):
        for chosen in torch.randperm(len(pairs)).split(batch):
            part = pairs[chosen]
            wanted = facts.answers[part[:, 0], part[:, 1]]
            loss = nn.functional.cross_entropy(facts.ask(model, part), wanted)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
    return model.eval()


def accuracy(model: nn.Module, facts: Facts, pairs: Tensor) -> float:
    """Return the share of right answers."""
    with torch.inference_mode():
        right = facts.ask(model, pairs).argmax(dim=1) == facts.answers[pairs[:, 0], pairs[:, 1]]
    return float(right.float().mean())


def rewrite(source: Path, target: Path, *, size: float) -> None:
    """Copy an adapter with B M and inv(M) A in place of B and A, M a rotation times a size."""
    shutil.copytree(source, target)
    file = target / "adapter_model.safetensors"
    tensors = load_file(file)
    rng = np.random.default_rng(0)
    for key in [k for k in tensors if ".lora_B." in k]:
        other = key.replace(".lora_B.", ".lora_A.")
        a, b = tensors[other].astype(np.float64), tensors[key].astype(np.float64)
        m = size * np.linalg.qr(rng.normal(size=(len(a), len(a)))).Q
        tensors[key] = (b @ m).astype(np.float32)
        tensors[other] = np.linalg.solve(m, a).astype(np.float32)
    save_file(tensors, file, metadata={"format": "pt"})


def prepare(folder: Path) -> tuple[Facts, dict[str, str]]:
    """Train the base and the adapters, and save them."""
    facts = Facts(0)
    known = pairs_of(range(SUBJECTS // 2, SUBJECTS))
    save(train(build(0), facts, known, seed=0, epochs=80), folder / "base")
    new = pairs_of(range(SUBJECTS // 2))
    kept = pairs_of(range(FORGET, SUBJECTS // 2))

    def adapt(name: str, pairs: Tensor, seed: int) -> None:
        base = LlavaForConditionalGeneration.from_pretrained(str(folder / "base"))
        torch.manual_seed(seed)
        config = LoraConfig(r=8, lora_alpha=16, target_modules=TARGETS)
        model = get_peft_model(base, config)
        save(train(model, facts, pairs, seed=seed, epochs=80), folder / name)

    adapt("oracle", kept, 0)
    rows = {}
    for size, words in ((1.0, "a rotation"), (10.0, "ten times a rotation")):
        rewrite(folder / "oracle", folder / f"rewritten{size:g}", size=size)
        rows[f"the oracle as B M and inv(M) A, M {words}"] = f"rewritten{size:g}"
    for seed in (1, 2):
        adapt(f"oracle{seed}", kept, seed)
        rows[f"another oracle, seed {seed}"] = f"oracle{seed}"
    for seed in (0, 1):
        adapt(f"all{seed}", new, seed)
        rows[f"nothing forgotten, seed {seed}"] = f"all{seed}"
    return facts, rows


def save(model: nn.Module, folder: Path) -> None:
    """Write a checkpoint."""
    model.save_pretrained(str(folder))  # type: ignore[operator]


def measure(folder: Path, facts: Facts, rows: dict[str, str]) -> list[dict[str, float | str]]:
    """Compare every adapter with the oracle."""
    forget, kept = pairs_of(range(FORGET)), pairs_of(range(FORGET, SUBJECTS // 2))
    probe = pairs_of(range(SUBJECTS))
    root = find_checkpoint(str(folder / "base"))

    def loaded(name: str) -> nn.Module:
        model = load_full(root, LlavaForConditionalGeneration, dtype=torch.float32, device="cpu")
        return load_adapter(model, find_checkpoint(str(folder / name)), base_name="base")

    def logs(model: nn.Module) -> np.ndarray:
        with torch.inference_mode():
            return torch.log_softmax(facts.ask(model, probe).double(), dim=1).numpy()

    oracle = loaded("oracle")
    reference = logs(oracle)
    out: list[dict[str, float | str]] = []
    for label, name in {"the oracle itself": "oracle", **rows}.items():
        model, path = loaded(name), str(folder / name)
        weight = weight_distance(path, str(folder / "oracle"))
        seen = logs(model)
        out.append(
            {
                "adapter": label,
                "forget": accuracy(model, facts, forget),
                "retain": accuracy(model, facts, kept),
                "factors": factor_distance(path, str(folder / "oracle")),
                "weights": weight.distance,
                "relative": weight.relative,
                "function": float(js_divergences(seen, reference).mean()),
                "log-probabilities": float(np.abs(seen - reference).max()),
            }
        )
        print(json.dumps(out[-1]), flush=True)
    return out


def markdown(results: list[dict[str, float | str]]) -> str:
    """Lay the results out as a page."""
    versions = ", ".join(f"{n} {version(n)}" for n in ("torch", "transformers", "peft", "numpy"))
    lines = [
        "# Distances to an oracle",
        "",
        "Made by `python benchmarks/distances/run.py`: a tiny LLaVA (hidden size 64, two layers), "
        "LoRA of rank 8 on its language model; 24 facts to keep, 24 to forget. The oracle never "
        "saw the latter.",
        "",
        f"Measured with Python {platform.python_version()}, {versions}, on one CPU thread.",
        "",
        "| adapter | forget accuracy | retain accuracy | (A, B) | delta W | relative | function: "
        "mean JS (nats) | largest difference of log-probabilities |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in results:
        values = " | ".join(
            f"{row[k]:.3g}" if k not in ("forget", "retain") else f"{row[k]:.2f}"
            for k in list(row)[1:]
        )
        lines.append(f"| {row['adapter']} | {values} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run everything in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    out = parser.parse_args().out
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    # peft still asks for it by the old name.
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated")
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Path(folder), *prepare(Path(folder)))
    write_atomic(out / "results.md", markdown(results))


if __name__ == "__main__":
    main()
