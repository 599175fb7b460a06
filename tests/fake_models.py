"""A backend and a benchmark that need no model: what a checkpoint does stands in a JSON file."""

from __future__ import annotations

import json
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from metareval.errors import LoadError
from metareval.observations import Observations
from metareval.protocols import Sample

SIZES = {"forget": 8, "retain": 10, "nonmember": 9, "test": 7}
VOCABULARY, WIDTH = 6, 4


class FakeBenchmark:
    name = "fake"

    def __init__(self, sizes: dict[str, int] | None = None, suffix: str = "") -> None:
        self.sizes = SIZES if sizes is None else sizes
        self.suffix = suffix

    def splits(self) -> dict[str, list[Sample]]:
        return {
            split: [
                Sample(
                    f"{split}-{i}",
                    f"{split} {i}",
                    "who?" + self.suffix,
                    f"name {i}",
                    np.full((2, 2, 3), i, dtype=np.uint8),
                )
                for i in range(n)
            ]
            for split, n in self.sizes.items()
        }


class FakeBackend:
    """Counts what it does; ``journal`` is a file to which it writes one line each time."""

    name = "fake"

    def __init__(
        self, *, journal: Path | None = None, lacks: tuple[str, ...] = (), pause: float = 0.0
    ) -> None:
        self.journal, self.lacks, self.pause = journal, lacks, pause
        self.log: list[str] = []

    def note(self, text: str) -> None:
        self.log.append(text)
        if self.journal is not None:
            with self.journal.open("a") as stream:
                stream.write(text + "\n")

    def load(self, checkpoint: str, *, base: str | None = None) -> dict[str, Any]:
        path = Path(checkpoint, "model.json")
        try:
            model = json.loads(path.read_text())
        except OSError as error:
            raise LoadError(f"{path} is missing.") from error
        self.note(f"load {Path(checkpoint).name}")
        return {**model, "checkpoint": checkpoint, "base": base or ""}

    def tiny(self, seed: int = 0) -> dict[str, Any]:
        return {"knows": 0.5, "seed": seed, "checkpoint": f"tiny {seed}", "base": ""}

    def observe(
        self,
        model: dict[str, Any],
        samples: Any,
        *,
        split: str,
        batch_size: int | None = None,
        layer: str | None = None,
    ) -> Observations:
        assert batch_size is None or batch_size > 0
        name = Path(model["checkpoint"]).name
        if model.get("fail") == split:
            raise RuntimeError(f"out of memory\nin {split}")
        time.sleep(self.pause)
        knows = model["knows"] if split == "forget" else 0.9 * (split == "retain")
        logits, answers, hidden = [], [], []
        for sample in samples:
            key = [model["seed"], zlib.crc32(sample.sample_id.encode())]
            rng = np.random.default_rng(key)
            answers.append(sample.answer if rng.random() < knows else "?")
            logits.append(rng.normal(size=VOCABULARY) * 0.3 + [4 * knows, *[0] * (VOCABULARY - 1)])
            hidden.append(rng.normal(size=WIDTH))
        logs = np.array(logits)
        logs = logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))
        arrays = {"next_logprobs": logs, "hidden": np.array(hidden)}
        self.note(f"observe {name} {split}")
        return Observations(
            split,
            tuple(s.sample_id for s in samples),
            tuple(s.answer for s in samples),
            tuple(answers),
            layer=layer or "state",
            provenance={"backend": self.name, "checkpoint": model["checkpoint"]},
            **{key: value for key, value in arrays.items() if key not in self.lacks},
        )


class MeasuringBackend(FakeBackend):
    """Also offers a fingerprint and a distance of weights."""

    def fingerprint(self, checkpoint: str, base: str | None = None) -> str:
        return f"{Path(checkpoint, 'model.json').read_text()} on {base}"

    def weight_distance(self, checkpoint: str, oracle: str, *, base: str | None = None) -> float:
        self.note(f"weights {Path(checkpoint).name} {Path(oracle).name} {base or ''}")
        mine, other = (json.loads(Path(c, "model.json").read_text()) for c in (checkpoint, oracle))
        if mine.get("fail") == "weights":
            raise ZeroDivisionError("no weights")
        return float(abs(mine["knows"] - other["knows"]) + 0.1 * (mine["seed"] != other["seed"]))


def make_checkpoint(folder: Path, **model: Any) -> str:
    """Write a checkpoint and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    Path(folder, "model.json").write_text(json.dumps({"knows": 0.5, "seed": 0, **model}))
    return str(folder)


def make_study(root: Path, n: int = 4, oracles: int = 2) -> tuple[list[str], list[str]]:
    """Write n checkpoints that know less and less, and oracles; return their paths."""
    models = [
        make_checkpoint(root / f"model-{i}", knows=0.95 - 0.9 * i / max(n - 1, 1), seed=10 + i)
        for i in range(n)
    ]
    retrained = [
        make_checkpoint(root / f"oracle-{i}", knows=0.1, seed=100 + i) for i in range(oracles)
    ]
    return models, retrained
