"""A report: one page, with figures and tables, that answers every question about a table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from metareval.errors import ArgumentError, MissingDependencyError
from metareval.results import Result, printable

if TYPE_CHECKING:
    from metareval.stats.resample import Rng
    from metareval.table import MetricTable

__all__ = ["Report", "report"]

NEEDS = ("matplotlib", "jinja2")


@dataclass(frozen=True, eq=False, repr=False)
class Report(Result):
    """What was written; see :func:`report`.

    Parameters
    ----------
    path : Path
        The page.
    files : tuple of Path
        Every file, relative to the folder; the page last.
    results : dict
        Results by name, as the functions of the library return them.
    problems : dict of str
        Why a result is missing, by its name.
    """

    path: Path
    files: tuple[Path, ...]
    results: dict[str, Result]
    problems: dict[str, str]

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each question: its headline, or why it has no answer."""
        answers = {name: result.headline() for name, result in self.results.items()}
        rows = {**answers, **{n: f"not computed: {why}" for n, why in self.problems.items()}}
        return pd.DataFrame(
            {"answer": list(rows.values())}, index=pd.Index(list(rows), name="question")
        )

    def headline(self) -> str:
        """Return one line that says where the report is."""
        return f"Report written to {printable(str(self.path))} ({len(self.files)} files)"


def report(
    table: MetricTable | pd.DataFrame,
    out_dir: str | os.PathLike[str] = "report",
    *,
    oracle: Any = None,
    title: str | None = None,
    n_resamples: int = 10_000,
    confidence: float = 0.95,
    rng: Rng = 0,
    transforms: Mapping[str, str] | None = None,
    metrics: Sequence[str] | None = None,
    directions: Mapping[str, str] | None = None,
    block: Any = None,
    item: Any = None,
    replicate: Any = None,
) -> Report:
    """Write a page, figures and tables that answer every question about a table.

    Parameters
    ----------
    table : MetricTable or DataFrame
    out_dir : path
        Folder to write to; it is created. Files of an earlier report are replaced.
    oracle : str, Series or array, or several, optional
        Distance to the oracle, or the mean of those to several; by default the table's own.
    title : str, optional
        Title of the page.
    n_resamples : int
    confidence : float
        Level of all intervals; tests are made at one minus it.
    rng : None, int or Generator
        The same table and integer give the same files. None and a Generator give a seed that
        the report names.
    transforms : mapping, optional
        Transforms of metrics outside [0, 1] for the score; see :meth:`metareval.UQS.fit`.
    metrics, directions, block, item, replicate
        Roles, for a DataFrame; see :meth:`MetricTable.from_frame`.

    Returns
    -------
    Report
        ``path`` of the page, ``files`` written, and ``results`` by name.

    Raises
    ------
    MissingDependencyError
        matplotlib or jinja2 is not installed.
    OutputError
        The folder or a file could not be written.

    Notes
    -----
    The folder holds ``report.html`` (one page, readable without a network), ``results.json``
    (every result, with the seed and the versions), ``tables/`` (CSV and LaTeX) and ``figures/``
    (SVG and PNG). A question that a table cannot answer is reported with the reason.

    Examples
    --------
    >>> import tempfile
    >>> import metareval as mr
    >>> from metareval.reporting import report
    >>> table = mr.load_dataset("unifiedunl").select(metrics=["RA", "AD"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     done = report(table, folder, n_resamples=50)
    ...     done.path.name, done.path.exists()
    ('report.html', True)
    """
    _require()
    from metareval.coerce import as_table
    from metareval.progress import stage
    from metareval.reporting.analysis import analyse
    from metareval.reporting.page import build_page
    from metareval.reporting.writer import PAGE, make_folder, report_files, write_files

    data = as_table(
        table,
        oracle,
        metrics=metrics,
        directions=directions,
        block=block,
        item=item,
        replicate=replicate,
    )
    if title is not None and not isinstance(title, str):
        raise ArgumentError(f"title is {title!r}; pass a text.")
    folder = _folder(out_dir)
    # A folder that cannot be made is better known before the work than after it.
    make_folder(folder)
    analysis = analyse(
        data, confidence=confidence, n_resamples=n_resamples, rng=rng, transforms=transforms
    )
    page = build_page(analysis, title)
    stage("Page")
    contents = report_files(analysis, page)
    write_files(folder, contents)
    return Report(
        path=folder / PAGE,
        files=tuple(Path(name) for name in contents),
        results=analysis.results,
        problems=dict(analysis.problems),
    )


def _folder(out_dir: str | os.PathLike[str]) -> Path:
    if not isinstance(out_dir, (str, os.PathLike)) or not os.fspath(out_dir):
        raise ArgumentError(f"out_dir is {out_dir!r}; name a folder.")
    return Path(out_dir)


def _require() -> None:
    missing = [package for package in NEEDS if find_spec(package) is None]
    if missing:
        raise MissingDependencyError(
            f"A report needs {' and '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not installed. "
            "Run: pip install 'metareval[report]'"
        )
