"""Make the cells of one block: train, unlearn, observe, and measure distances of weights."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from metareval.errors import ArgumentError
from metareval.evaluation.samples import read_samples, samples_hash
from metareval.plugins import get_backend
from metareval.protocols import Sample
from metareval_backends.handle import PACKAGES, LoadedModel
from metareval_backends.study.benchmarks import configured
from metareval_backends.study.config import Study
from metareval_backends.study.models import State, StudyModel, build
from metareval_backends.study.plan import BASE, Block, Cell, generator, oracle_name, strength_of
from metareval_backends.study.store import CHECKPOINT, OBSERVATIONS, Record, Store
from metareval_backends.training import Schedule, train
from metareval_backends.unlearning import unlearn


class BlockWork:
    """What is needed to make the cells of a block; the model is loaded once.

    Parameters
    ----------
    study : Study
    block : Block
    store : Store
    """

    def __init__(self, study: Study, block: Block, store: Store) -> None:
        self.study, self.block, self.store = study, block, store
        self._start: State = {}
        self._base: State | None = None

    def make(self, cell: Cell) -> Record:
        """Make a cell that is not there; those it needs are.

        Raises
        ------
        MetarevalError
            It failed.
        """
        return self.store.make(cell, lambda folder: self._fill(cell, folder))

    def _fill(self, cell: Cell, folder: Path) -> Record:
        started = time.monotonic()
        self._check_samples(cell)
        made: Record = {"kind": cell.kind}
        if cell.kind == "references":
            made["weight_distances"] = self._among_references()
        else:
            made |= self._model_cell(cell, folder)
        made["samples"] = self.hashes
        made["versions"] = versions()
        made["seconds"] = round(time.monotonic() - started, 3)
        return made

    def _model_cell(self, cell: Cell, folder: Path) -> Record:
        made: Record = {}
        if cell.kind == "unlearned":
            self._unlearn(cell)
        else:
            made["loss"] = self._train(cell)
        self._observe(cell, folder / OBSERVATIONS)
        made["device"] = self.model.loaded.device.type
        compare = cell.kind == "unlearned" and "weights" in self.study.distances
        keep = cell.kind != "unlearned" or self.study.keep_checkpoints
        if keep or compare:
            weights = folder / CHECKPOINT
            self.model.save(weights)
            if compare:
                made["weight_distances"] = {
                    name: self._distance(weights, self._checkpoint(name)) for name in self._oracles
                }
            if not keep:
                shutil.rmtree(weights)
        return made

    def _train(self, cell: Cell) -> float:
        model = self.model
        model.restore(self._start)
        if cell.kind == "oracle" and self.study.oracle_start == "own":
            self._start_anew(cell.number)
        samples = [*self.samples["retain"]]
        if cell.kind == "base":
            samples = [*self.samples["forget"], *samples]
        loss = train(
            model.backend,
            model.loaded,
            samples,
            Schedule(**self.block.architecture.train),  # type: ignore[arg-type]
            rng=generator(
                self.study.seed, cell.architecture, cell.benchmark, cell.kind, cell.number
            ),
            label=cell.path,
        )
        if cell.kind == "base":
            self._base = model.state()
        return loss

    def _start_anew(self, number: int) -> None:
        """Give an oracle an initialisation of its own, where any of it is drawn."""
        seed = self._start_seed(number)
        if self.block.architecture.tiny is not None:
            self.model.restore(self._built(seed).state())
        else:
            self.model.reinitialise(seed)

    def _unlearn(self, cell: Cell) -> None:
        method, strength = strength_of(self.study, cell)
        if self._base is None:
            self.model.read(self._checkpoint(BASE))
            self._base = self.model.state()
        self.model.restore(self._base)
        names = (cell.architecture, cell.benchmark, cell.method, cell.strength, cell.seed)
        unlearn(
            self.model.backend,
            self.model.loaded,
            self.samples["forget"],
            self.samples["retain"],
            method=method.name,
            schedule=Schedule(**strength.schedule),  # type: ignore[arg-type]
            rng=generator(self.study.seed, *names),
            options=strength.options,
        )

    def _observe(self, cell: Cell, folder: Path) -> None:
        architecture = self.block.architecture
        told = {
            "checkpoint": f"{self.study.name}/{cell.path}",
            "base": architecture.base or "",
            "benchmark": self.block.benchmark.name,
        }
        loaded = self.model.loaded
        handle = LoadedModel(loaded.model, loaded.processor, told)
        folder.mkdir()
        for split, samples in self.samples.items():
            seen = self.model.backend.observe(
                handle,
                samples,
                split=split,
                batch_size=architecture.batch_size,
                layer=architecture.layer,
            )
            told_more = {**seen.provenance, "samples": self.hashes[split]}
            replace(seen, provenance=told_more).save(folder / f"{split}.safetensors")

    def _among_references(self) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for a, b in combinations((BASE, *self._oracles), 2):
            distance = self._distance(self._checkpoint(a), self._checkpoint(b))
            found.setdefault(a, {})[b] = distance
            found.setdefault(b, {})[a] = distance
        return found

    def _distance(self, mine: Path, other: Path) -> float:
        measure = getattr(self.backend, "weight_distance", None)
        if measure is None:
            raise ArgumentError(
                f"The backend {self.block.architecture.backend!r} measures no distance of weights. "
                "Take 'weights' out of measure.distances."
            )
        return float(measure(str(mine), str(other), base=self.block.architecture.base))

    def _checkpoint(self, name: str) -> Path:
        cell = next(c for c in self.block.cells if c.name == name)
        return self.store.checkpoint(cell)

    def _check_samples(self, cell: Cell) -> None:
        """Refuse to go on where the benchmark gives other samples than it did for the base."""
        if cell.kind == "base":
            return
        base = next(c for c in self.block.cells if c.name == BASE)
        if self.store.is_done(base) and self.store.record(base).get("samples") != self.hashes:
            raise ArgumentError(
                f"The benchmark {self.block.benchmark.name!r} gives other samples than it did when "
                f"the base of {self.block.path} was trained: its files or the package changed. "
                "Choose another folder with --out."
            )

    @property
    def _oracles(self) -> list[str]:
        return [oracle_name(i) for i in range(1, self.study.oracles + 1)]

    @cached_property
    def backend(self) -> Any:
        """The backend of the architecture."""
        return get_backend(self.block.architecture.backend)

    @cached_property
    def samples(self) -> Mapping[str, Sequence[Sample]]:
        """The samples of each split."""
        found = read_samples(configured(self.block.benchmark), None)
        for split in ("forget", "retain"):
            if split not in found:
                raise ArgumentError(
                    f"The benchmark {self.block.benchmark.name!r} has no samples in {split}; "
                    "unlearning needs both forget and retain."
                )
        return found

    @cached_property
    def hashes(self) -> dict[str, str]:
        """The hash of the samples of each split."""
        return {split: samples_hash(samples) for split, samples in self.samples.items()}

    @cached_property
    def model(self) -> StudyModel:
        """The model; its weights are those of the last cell."""
        made = self._built(self._start_seed(0))
        self._start = made.state()
        return made

    def _built(self, seed: int) -> StudyModel:
        everything = [s for samples in self.samples.values() for s in samples]
        return build(self.block.architecture, self.backend, everything, seed=seed)

    def _start_seed(self, number: int) -> int:
        block = (self.block.architecture.name, self.block.benchmark.label)
        return int(generator(self.study.seed, *block, "start", number).integers(2**31))


def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        **{package: version(package) for package in PACKAGES},
    }
