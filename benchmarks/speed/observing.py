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
from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
BATCH = 32
EPOCHS = {"trained": 70, "untrained": 0}

# Which splits the pass of each metric covers: all of them, or those that the metric reads.
SPLITS = ("forget", "retain", "nonmember")
COVER = {
    "the same samples": dict.fromkeys(("FA", "RA", "MIA", "AD", "JS"), SPLITS),
    "what it reads": {
        "FA": ("forget",),
        "RA": ("retain",),
        "MIA": ("forget", "nonmember"),
        "AD": ("forget",),
        "JS": ("forget",),
    },
}

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

    def __call__(self, cover: Mapping[str, Sequence[str]]) -> None:
        """Make every metric's pass."""
        with torch.inference_mode():
            for metric, splits in cover.items():
                for split in splits:
                    if metric in ("FA", "RA"):
                        self.generate(split)
                    else:
                        self.distributions(split, hidden=metric == "AD")


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


def measure(
    backend: VisionLanguageBackend, state: str, rounds: int, device: str
) -> list[dict[str, Any]]:
    """Time both sides in turn."""
    found = Portraits("faces", size=32).splits()
    splits = {split: found[split] for split in SPLITS}
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
    works: dict[str, Callable[[], Any]] = {"fused": fused}
    works |= {name: partial(separate, cover) for name, cover in COVER.items()}
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            if device == "cuda":
                torch.cuda.synchronize()
            times[name].append(time.perf_counter() - started)
    rows = []
    for name in COVER:
        ratios = [b / a for a, b in zip(times["fused"], times[name], strict=True)]
        rows.append(
            {
                "backend": backend.name,
                "model": state,
                "cover": name,
                "samples": sum(map(len, splits.values())),
                "fused_s": statistics.median(times["fused"]),
                "separate_s": statistics.median(times[name]),
                "ratio": statistics.median(ratios),
                "ratio_low": min(ratios),
                "ratio_high": max(ratios),
            }
        )
    return rows


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
        "| backend | tiny model | each pass covers | samples | fused | separate | ratio | range |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for r in rows:
        lines.append(
            f"| {r['backend']} | {r['model']} | {r['cover']} | {r['samples']} | "
            f"{r['fused_s']:.3f} s | "
            f"{r['separate_s']:.3f} s | {r['ratio']:.2f} | {r['ratio_low']:.2f} to "
            f"{r['ratio_high']:.2f} |"
        )
    lines += [
        "",
        f"Wanted: {WANTED:g} for five passes over the same samples. Where each pass covers only "
        "what its metric reads, 264 samples are run in place of 780, which bounds what one pass "
        "over 156 can save. An untrained model does not end its answers, so that both sides write "
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
            rows += measure(backend, state, options.rounds, options.device)
            print(*rows[-len(COVER) :], sep="\n", flush=True)
    write_atomic(options.out / "observing.json", json.dumps(rows, indent=1) + "\n")
    page = markdown(rows, options.device, options.rounds)
    write_atomic(options.out / "observing.md", page)


if __name__ == "__main__":
    main()
