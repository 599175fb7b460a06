"""The cells of a study: what is computed, what each needs, and all that influences it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from metareval_backends.study.config import (
    Architecture,
    BenchmarkChoice,
    MethodChoice,
    Settings,
    Strength,
    Study,
)

# Raised when a change of the library makes cells of older folders incomparable.
FORMAT_VERSION = 1

BASE = "base"
# The cell of the weight distances among the base and the oracles.
REFERENCES = "reference-distances"

Kind = Literal["base", "oracle", "references", "unlearned"]


@dataclass(frozen=True)
class Cell:
    """One thing to compute: a model trained or made to forget, and what it did.

    Parameters
    ----------
    kind : {"base", "oracle", "references", "unlearned"}
    architecture, benchmark : str
    name : str
        Name of its folder.
    needs : tuple of str
        Names of cells of the same block that must be there first.
    settings : mapping
        Exactly what influences it, as JSON.
    number : int
        Of an oracle, from 1.
    method, strength, seed
        Of an unlearned model.
    """

    kind: Kind
    architecture: str
    benchmark: str
    name: str
    needs: tuple[str, ...]
    settings: Mapping[str, Any]
    number: int = 0
    method: str = ""
    strength: str = ""
    seed: int = 0

    @property
    def path(self) -> str:
        """Folder of the cell inside that of all cells."""
        return f"{self.architecture}/{self.benchmark}/{self.name}"

    @property
    def hash(self) -> str:
        """SHA-256 of the settings."""
        text = json.dumps(self.settings, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


@dataclass(frozen=True)
class Block:
    """An architecture on a benchmark, with its cells in an order in which they can be made."""

    architecture: Architecture
    benchmark: BenchmarkChoice
    cells: tuple[Cell, ...]

    @property
    def path(self) -> str:
        """Folder of the block inside that of all cells."""
        return f"{self.architecture.name}/{self.benchmark.label}"

    @property
    def label(self) -> str:
        """Name of the block in the table."""
        return f"{self.architecture.name} {self.benchmark.label}"


def oracle_name(number: int) -> str:
    """Return the name of an oracle's cell."""
    return f"oracle-{number}"


def plan(study: Study) -> tuple[Block, ...]:
    """Return all blocks of a study.

    Examples
    --------
    >>> from metareval_backends.study.config import read_study
    >>> blocks = plan(read_study("smoke"))
    >>> blocks[0].cells[0].name, blocks[0].cells[-1].path
    ('base', ...)
    """
    return tuple(
        Block(architecture, benchmark, tuple(_cells(study, architecture, benchmark)))
        for architecture in study.architectures
        for benchmark in study.benchmarks
        if architecture.name in benchmark.architectures
    )


def _cells(study: Study, architecture: Architecture, benchmark: BenchmarkChoice) -> Iterator[Cell]:
    place = (architecture.name, benchmark.label)
    shared: Settings = {
        "version": FORMAT_VERSION,
        "study seed": study.seed,
        "architecture": _plain(architecture),
        "benchmark": {
            "name": benchmark.name,
            "label": benchmark.label,
            "options": dict(benchmark.options),
        },
    }
    yield Cell("base", *place, BASE, (), {**shared, "cell": BASE})
    oracles = tuple(oracle_name(i) for i in range(1, study.oracles + 1))
    for number, name in enumerate(oracles, start=1):
        settings = {**shared, "cell": name, "oracle_start": study.oracle_start}
        yield Cell("oracle", *place, name, (), settings, number=number)
    by_weights = "weights" in study.distances
    compared: Settings = {}
    if by_weights:
        compared = {"oracles": study.oracles, "oracle_start": study.oracle_start}
        needs = (BASE, *oracles)
        yield Cell(
            "references", *place, REFERENCES, needs, {**shared, "cell": REFERENCES, **compared}
        )
    for method in study.methods:
        for strength in method.strengths[architecture.name]:
            for seed in study.seeds:
                yield Cell(
                    "unlearned",
                    *place,
                    # A plus is in no name, so that two cells cannot share a folder.
                    f"{method.label}+{strength.label}+{seed}",
                    (BASE, *oracles) if by_weights else (BASE,),
                    {
                        **shared,
                        "cell": _unlearned(method, strength, seed),
                        "weight distances": compared or None,
                    },
                    method=method.label,
                    strength=strength.label,
                    seed=seed,
                )


def _unlearned(method: MethodChoice, strength: Strength, seed: int) -> Settings:
    return {
        "method": method.name,
        "label": method.label,
        "strength": strength.label,
        "schedule": dict(strength.schedule),
        "options": dict(strength.options),
        "seed": seed,
    }


def _plain(architecture: Architecture) -> Settings:
    plain: Settings = json.loads(json.dumps(asdict(architecture)))
    return plain


def strength_of(study: Study, cell: Cell) -> tuple[MethodChoice, Strength]:
    """Return the method and the numbers of a cell of an unlearned model."""
    method = next(m for m in study.methods if m.label == cell.method)
    found = method.strengths[cell.architecture]
    return method, next(s for s in found if s.label == cell.strength)


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return a generator that depends on a seed and on names alone, in no order of events.

    Examples
    --------
    >>> a, b = generator(0, "llava", "base"), generator(0, "llava", "base")
    >>> int(a.integers(1000)) == int(b.integers(1000))
    True
    """
    # A hash, since a SeedSequence takes [1, 2] and [1, 2, 0] for the same.
    text = json.dumps([seed, *names], ensure_ascii=True)
    entropy = int.from_bytes(hashlib.sha256(text.encode("ascii")).digest(), "big")
    return np.random.default_rng(np.random.SeedSequence(entropy))


def difference(mine: Any, theirs: Any, key: str = "") -> str:
    """Say where two settings differ first; empty where they do not.

    Examples
    --------
    >>> difference({"train": {"epochs": 60}}, {"train": {"epochs": 70}})
    'train.epochs is 60 there and 70 in the file'
    """
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        for each in sorted({*mine, *theirs}):
            inner = f"{key}.{each}" if key else str(each)
            if found := difference(mine.get(each), theirs.get(each), inner):
                return found
        return ""
    return (
        "" if mine == theirs else f"{key} is {_shown(mine)} there and {_shown(theirs)} in the file"
    )


def _shown(value: Any) -> str:
    return "not given" if value is None else json.dumps(value)
