"""Tables that come with the library: released results as they were released, and our studies."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pandas as pd

from metareval.coerce import as_table
from metareval.errors import LoadError, unknown_name
from metareval.load import SUFFIXES, read_table, read_with_roles
from metareval.reading.files import as_path, shown
from metareval.table import MetricTable
from metareval.validation import Role

_RELEASED = (
    "Metric Unreliability in Multimodal Machine Unlearning: A Systematic Analysis and Principled "
    "Unified Score. Anonymous authors, 2026. arXiv:2605.02206."
)


_STUDY = "metareval contributors, 2026. Studies of the metareval library; docs/findings.md."


@dataclass(frozen=True)
class _Dataset:
    """What is known about an embedded table; a saved table holds its roles itself."""

    title: str
    rows: int
    metrics: tuple[str, ...]
    file: str
    source: str
    oracle: str | None = None
    saved: bool = False
    provenance: str | None = None
    published: str | None = None
    licence: str = "Apache-2.0"
    citation: str = _RELEASED


_STUDY_METRICS = (
    "FA",
    "RA",
    "MIA",
    "AD",
    "JS",
    "FA_gap",
    "MIA_loss_auc",
    "CKA",
    "truth_ratio",
    "extraction_strength",
)

_DATASETS: dict[str, _Dataset] = {
    "unifiedunl": _Dataset(
        title="LLaVA on three multimodal benchmarks: 4 unlearning methods, 3 seeds",
        rows=36,
        metrics=("FA", "RA", "MIA", "AD", "JS"),
        file="multimodal_results.csv",
        oracle="retrained_distance",
        source="https://github.com/neurips26/UnifiedUnl, outputs/multimodal_results.json",
        published="published.json",
    ),
    "unifiedunl-unimodal": _Dataset(
        title="Classifier on CIFAR-10: 4 unlearning methods, 3 seeds, no oracle",
        rows=12,
        metrics=("FA", "RA", "MIA", "AD", "JS"),
        file="unimodal_results.csv",
        oracle=None,
        source="https://github.com/neurips26/UnifiedUnl, outputs/unimodal_results.json",
    ),
    "unifiedunl-blip2": _Dataset(
        title="BLIP-2 on MMUBench: 2 unlearning methods, 1 seed",
        rows=2,
        metrics=("FA", "RA", "AD"),
        file="blip2_results.csv",
        oracle="retrained_distance",
        source="https://github.com/neurips26/UnifiedUnl, outputs/eval_blip2_*_minimal.json",
    ),
    "study-small": _Dataset(
        title="Small LLaVA and BLIP-2 on drawn people: 4 methods, 3 seeds, 2 oracles",
        rows=72,
        metrics=_STUDY_METRICS,
        file="study_small.json",
        saved=True,
        provenance="study_small_provenance.json",
        source="metareval study run small",
        citation=_STUDY,
    ),
    "study-digits": _Dataset(
        title="Small classifier of digits, one class forgotten: 4 methods, 3 strengths, 3 seeds",
        rows=108,
        metrics=_STUDY_METRICS[:-1],
        file="study_digits.json",
        saved=True,
        provenance="study_digits_provenance.json",
        source="metareval study run digits",
        citation=_STUDY,
    ),
}


def list_datasets() -> pd.DataFrame:
    """List the embedded tables.

    Returns
    -------
    DataFrame
        Indexed by name; columns title, rows, metrics, licence, citation and source.

    Examples
    --------
    >>> import metareval as mr
    >>> list(mr.list_datasets().index)
    ['unifiedunl', 'unifiedunl-unimodal', 'unifiedunl-blip2', 'study-small', 'study-digits']
    """
    columns = ["title", "rows", "metrics", "licence", "citation", "source"]
    rows = {n: {**asdict(d), "metrics": ", ".join(d.metrics)} for n, d in _DATASETS.items()}
    frame = pd.DataFrame.from_dict(rows, orient="index")[columns]
    return frame.rename_axis(index="name")


def load_dataset(name: str) -> MetricTable:
    """Load an embedded table with its roles.

    Parameters
    ----------
    name : str
        A name from :func:`list_datasets`.

    Returns
    -------
    MetricTable
        Rows in the order of the release; blocks are datasets (with their architecture, in our
        studies), items methods, replicates seeds.

    Raises
    ------
    ArgumentError
        No table has this name.

    Examples
    --------
    >>> import metareval as mr
    >>> len(mr.load_dataset("unifiedunl"))
    36
    """
    dataset = _dataset(name)
    with as_file(files(__name__) / "data" / dataset.file) as path:
        if dataset.saved:
            return read_table(path, name=name)
        return read_table(
            path,
            metrics=dataset.metrics,
            oracle=dataset.oracle,
            block="dataset",
            item="method",
            replicate="seed",
            name=name,
        )


def load_published(name: str = "unifiedunl") -> dict[str, Any]:
    """Load the numbers that were published about an embedded table, and how they were computed.

    Parameters
    ----------
    name : str
        Name of the embedded table.

    Returns
    -------
    dict
        A new dictionary at each call.

    Raises
    ------
    ArgumentError
        No table has this name, or nothing was published about it apart from the others.

    Examples
    --------
    >>> from metareval.datasets import load_published
    >>> load_published()["metrics"]
    ['FA', 'RA', 'MIA', 'AD', 'JS']
    """
    figures = {n: d.published for n, d in _DATASETS.items() if d.published}
    return _beside(name, figures, "dataset with published numbers")


def load_provenance(name: str) -> dict[str, Any]:
    """Load what made the table of one of our studies.

    Parameters
    ----------
    name : str
        Name of the embedded table.

    Returns
    -------
    dict
        ``study`` (the file of the study), ``versions``, ``commit`` of the library, ``cells`` and
        ``cell_seconds``, and ``references``: bases and oracles with their metrics, distances and
        the noise floor.

    Raises
    ------
    ArgumentError
        No study of this name is embedded.

    Examples
    --------
    >>> from metareval.datasets import load_provenance
    >>> load_provenance("study-small")["study"]["oracles"]
    2
    """
    made = {n: d.provenance for n, d in _DATASETS.items() if d.provenance}
    return _beside(name, made, "embedded study")


def _beside(name: str, known: Mapping[str, str], kind: str) -> dict[str, Any]:
    if not isinstance(name, str) or name not in known:
        raise unknown_name(kind, name, known)
    text = (files(__name__) / "data" / known[name]).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def resolve_table(
    source: str | os.PathLike[str],
    *,
    format: str | None = None,
    metrics: Sequence[str] | None = None,
    directions: Mapping[str, str] | None = None,
    oracle: Role | None = None,
    block: Role | None = None,
    item: Role | None = None,
    replicate: Role | None = None,
) -> MetricTable:
    """Return the table that a command line argument means: an embedded name, or a file.

    Parameters
    ----------
    source : str or path
        The name of an embedded table, else a path. ``./unifiedunl`` is always a path.
    format, metrics, directions, oracle, block, item, replicate
        As for :func:`metareval.read_table`; for an embedded table they replace its own roles.

    Returns
    -------
    MetricTable

    Raises
    ------
    ArgumentError
        Neither an embedded table nor a file.
    LoadError, TableError
        The file cannot be read or analysed; the message names command line flags.

    Examples
    --------
    >>> resolve_table("unifiedunl", metrics=["FA", "RA"]).metrics
    ('FA', 'RA')
    """
    roles = {"oracle": oracle, "block": block, "item": item, "replicate": replicate}
    if isinstance(source, str) and source in _DATASETS and format is None:
        return as_table(load_dataset(source), metrics=metrics, directions=directions, **roles)
    path = as_path(source)
    if not _is_path(source, path) and format is None:
        error = unknown_name("table", str(source), _DATASETS)
        raise type(error)(f"{error} These are the embedded tables; no file {shown(path)!r} exists.")
    if _is_folder(path):
        raise LoadError(
            f"{shown(path)} is a folder; a table is one file. In Python, metareval.import_runs "
            "reads a folder of result files."
        )
    return read_with_roles(
        path,
        format=format,
        metrics=metrics,
        directions=directions,
        roles=roles,
        name=None,
        spell=lambda given: " ".join(f"--{role} {column}" for role, column in given.items()),
    )


def _dataset(name: str) -> _Dataset:
    if not isinstance(name, str) or name not in _DATASETS:
        raise unknown_name("dataset", name, _DATASETS)
    return _DATASETS[name]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # what stands in the way is said when it is read
        return False


def _is_path(source: str | os.PathLike[str], path: Path) -> bool:
    if not isinstance(source, str) or path.suffix.lower() in SUFFIXES:
        return True
    try:
        return path.exists() or len(path.parts) > 1
    except OSError:  # a name too long for the file system
        return False
