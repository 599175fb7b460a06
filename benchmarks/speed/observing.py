"""Time one fused pass beside a pass for each of five metrics, as evaluation scripts make them.

    python benchmarks/speed/observing.py [--rounds 5] [--out benchmarks/speed] [--device cuda]

Both sides answer the same samples in batches of the same size. A pass for FA or RA generates
answers; one for MIA, AD or JS scores prompts, with hidden states for AD. The fused pass gives what
all five read. Answers and distributions of both sides are compared before they are timed.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from metareval.files import write_atomic
from metareval.protocols import Sample
from metareval_backends.blip2 import blip2, tiny_blip2
from metareval_backends.handle import LoadedModel
from metareval_backends.llava import llava, tiny_llava
from metareval_backends.training import Schedule, train
from metareval_backends.vision_language import VisionLanguageBackend
from metareval_benchmarks.portraits import Portraits

WANTED = 3.0
BATCH = 24
EPOCHS = {"trained": 70, "untrained": 0}

Splits = Mapping[str, Sequence[Sample]]


class SeparatePasses:
    """The five metrics' own passes, with the processor and the model of transformers alone."""

    def __init__(self, backend: VisionLanguageBackend, loaded: LoadedModel, splits: Splits) -> None:
        self.backend, self.loaded, self.splits = backend, loaded, splits
        loaded.processor.tokenizer.padding_side = "left"

    def batches(self, split: str) -> Any:
        """Yield padded inputs of a split."""
        samples = self.splits[split]
        for start in range(0, len(samples), BATCH):
            chosen = samples[start : start + BATCH]
            prompts = [self.backend.prompt(s.question, image=True) for s in chosen]
            inputs = self.loaded.processor(
                images=[s.image for s in chosen], text=prompts, return_tensors="pt", padding=True
            )
            yield inputs.to(self.loaded.device)

    def generate(self, split: str) -> list[str]:
        """Return greedy answers."""
        answers: list[str] = []
        for inputs in self.batches(split):
            most = self.backend.max_new_tokens
            made = self.loaded.model.generate(**inputs, max_new_tokens=most, do_sample=False)
            new = made[:, inputs["input_ids"].shape[1] :]
            texts = self.loaded.processor.batch_decode(new, skip_special_tokens=True)
            answers += [text.strip() for text in texts]
        return answers

    def distributions(self, split: str, *, hidden: bool = False) -> np.ndarray:
        """Return log-distributions at the answer position."""
        rows = []
        for inputs in self.batches(split):
            out = self.loaded.model(**inputs, output_hidden_states=hidden)
            rows.append(torch.log_softmax(out.logits[:, -1].float(), dim=-1).cpu().numpy())
        return np.concatenate(rows)

    def __call__(self) -> None:
        """Make every metric's pass."""
        with torch.inference_mode():
            self.generate("forget")  # FA
            self.generate("retain")  # RA
            self.distributions("forget")  # MIA, members
            self.distributions("nonmember")  # MIA, non-members
            self.distributions("forget", hidden=True)  # AD
            self.distributions("forget")  # JS


class FusedPass:
    """What metareval does."""

    def __init__(self, backend: VisionLanguageBackend, loaded: LoadedModel, splits: Splits) -> None:
        self.backend, self.loaded, self.splits = backend, loaded, splits

    def __call__(self) -> dict[str, Any]:
        """Observe every split."""
        return {
            split: self.backend.observe(self.loaded, samples, split=split, batch_size=BATCH)
            for split, samples in self.splits.items()
        }


def check(fused: FusedPass, separate: SeparatePasses) -> None:
    """Compare what both sides saw."""
    seen = fused()
    with torch.inference_mode():
        rows = separate.distributions("forget")
        answers = separate.generate("forget")
    np.testing.assert_allclose(seen["forget"].next_logprobs, rows, atol=1e-3)
    if tuple(answers) != seen["forget"].answers:
        raise AssertionError("the two sides give other answers")


def measure(backend: VisionLanguageBackend, state: str, rounds: int, device: str) -> dict[str, Any]:
    """Time both sides in turn."""
    splits = {k: v for k, v in Portraits("faces", size=32).splits().items() if k != "test"}
    texts = [text for part in splits.values() for s in part for text in (s.question, s.answer)]
    make = tiny_llava if backend is llava else tiny_blip2
    loaded = make(texts)
    if EPOCHS[state]:
        trained = [*splits["forget"], *splits["retain"]]
        schedule = Schedule(EPOCHS[state], 2e-3, 24)
        train(backend, loaded, trained, schedule, rng=np.random.default_rng(0))
    loaded.model.to(device)
    fused, separate = (kind(backend, loaded, splits) for kind in (FusedPass, SeparatePasses))
    check(fused, separate)
    times: dict[str, list[float]] = {"fused": [], "separate": []}
    for _ in range(rounds):
        for name, work in (("fused", fused), ("separate", separate)):
            started = time.perf_counter()
            work()
            if device == "cuda":
                torch.cuda.synchronize()
            times[name].append(time.perf_counter() - started)
    ratios = [b / a for a, b in zip(times["fused"], times["separate"], strict=True)]
    return {
        "backend": backend.name,
        "model": state,
        "samples": sum(map(len, splits.values())),
        "fused_s": statistics.median(times["fused"]),
        "separate_s": statistics.median(times["separate"]),
        "ratio": statistics.median(ratios),
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
    }


def markdown(rows: Sequence[Mapping[str, Any]], device: str, rounds: int) -> str:
    """Lay the results out as a page."""
    lines = [
        "# One fused pass beside five",
        "",
        f"Made by `python benchmarks/speed/observing.py --rounds {rounds} --device {device}`: the "
        f"two sides in turn, medians, batches of {BATCH}, one thread. torch {torch.__version__}.",
        "",
        "A pass for each metric: answers are generated for FA and RA, distributions computed for "
        "MIA (members and non-members), AD (with hidden states) and JS, each with transformers' "
        "processor and model alone. One fused pass over the same samples gives what all of them "
        "read, and log-probabilities of the gold answers besides. Answers and distributions of "
        "both sides agree before they are timed.",
        "",
        "| backend | tiny model | samples | fused | separate | ratio | range | wanted |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for r in rows:
        lines.append(
            f"| {r['backend']} | {r['model']} | {r['samples']} | {r['fused_s']:.3f} s | "
            f"{r['separate_s']:.3f} s | {r['ratio']:.2f} | {r['ratio_low']:.2f} to "
            f"{r['ratio_high']:.2f} | {WANTED:g} |"
        )
    lines += [
        "",
        "An untrained model does not end its answers, so that both sides write "
        f"{llava.max_new_tokens} tokens for each sample; a trained one gives the gold answer or "
        "another short one, and what equals the gold answer needs no step of its own.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and write ``observing.md`` and ``observing.json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for backend in (llava, blip2):
        for state in EPOCHS:
            rows.append(measure(backend, state, options.rounds, options.device))
            print(rows[-1], flush=True)
    write_atomic(options.out / "observing.json", json.dumps(rows, indent=1) + "\n")
    page = markdown(rows, options.device, options.rounds)
    write_atomic(options.out / "observing.md", page)


if __name__ == "__main__":
    main()
