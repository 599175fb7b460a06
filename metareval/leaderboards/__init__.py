"""A leaderboard: a static page that ranks items, and shows how far each rank can be trusted."""

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

__all__ = ["Leaderboard", "leaderboard"]


@dataclass(frozen=True, eq=False, repr=False)
class Leaderboard(Result):
    """What was written; see :func:`leaderboard`.

    Parameters
    ----------
    path : Path
        The page.
    files : tuple of Path
        Every file, relative to the folder; the page last.
    ranking : DataFrame
        The honest ranking of every table at its widest level: ``table``, labels, ``score`` with
        ``low`` and ``high``, ``rank`` with ``data_best`` and ``data_worst`` (data drawn anew) and
        ``weight_best`` and ``weight_worst`` (all weights), ``weight_first`` and ``data_first``
        (probability of the first place), and why a score is ``undefined``.
    problems : dict of str
        Why the published protocol is missing, by table.
    seed : int
        What the draws started from.
    """

    path: Path
    files: tuple[Path, ...]
    ranking: pd.DataFrame
    problems: dict[str, str]
    seed: int

    def to_frame(self) -> pd.DataFrame:
        """Return the honest ranking of every table."""
        return self.ranking.copy()

    def headline(self) -> str:
        """Return one line that says where the leaderboard is."""
        return f"Leaderboard written to {printable(str(self.path))} ({len(self.files)} files)"


def leaderboard(
    tables: MetricTable | pd.DataFrame | Sequence[MetricTable],
    out: str | os.PathLike[str] = "site",
    *,
    title: str | None = None,
    entries: str | os.PathLike[str] | None = None,
    transforms: Mapping[str, str] | None = None,
    n_resamples: int = 10_000,
    rng: Rng = None,
) -> Leaderboard:
    """Write an interactive leaderboard that opens without a network.

    Parameters
    ----------
    tables : MetricTable, DataFrame, or several MetricTables
        Several tables (benchmarks, architectures) share the page and need distinct names.
    out : path
        Folder to write to; it is created. Files of an earlier leaderboard are replaced.
    title : str, optional
        Title of the page.
    entries : path, optional
        Folder of entries, one JSON file each, to be ranked with the tables that they name. Weights
        are learned from the tables alone, so that no entry can move them.
    transforms : mapping, optional
        Transforms of metrics outside [0, 1]; see :meth:`metareval.UQS.fit`.
    n_resamples : int
        Draws of data and of weights; large tables get fewer, and the page says how many.
    rng : None, int or Generator
        The same tables and integer give the same files. None and a Generator give a seed that the
        page names.

    Returns
    -------
    Leaderboard
        ``path`` of the page, ``files`` written, and the ``ranking``.

    Raises
    ------
    ArgumentError
        No table, or two of one name.
    LoadError
        An entry that cannot be read, or fits no table.
    TableError
        A table that cannot be scored; the message names the metric.
    MissingDependencyError
        jinja2 is not installed.
    OutputError
        The folder or a file could not be written.

    Notes
    -----
    The folder holds ``index.html`` (one page), ``results.json`` (every statistic) and ``tables/``
    (CSV). All statistics are computed here; the page adds up weighted metrics, ranks, sorts and
    filters. A table without an oracle gets equal weights, and says so.

    Examples
    --------
    >>> import tempfile
    >>> import metareval as mr
    >>> table = mr.load_dataset("unifiedunl")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     done = mr.leaderboard(table, folder, n_resamples=100, rng=0)
    ...     done.path.name, done.path.exists()
    ('index.html', True)
    >>> done.ranking[["item", "rank"]]
                  item  rank
    0  gradient_ascent     1
    1    random_labels     2
    2            salun     3
    3  finetune_retain     4
    """
    _require()
    from metareval.leaderboards.board import build_board
    from metareval.leaderboards.entries import merge_entries, read_entries
    from metareval.leaderboards.page import PAGE, site_files
    from metareval.progress import stage
    from metareval.questions.transforms import choose_transforms
    from metareval.reporting.analysis import integer_seed
    from metareval.reporting.writer import make_folder, write_files
    from metareval.stats.resample import check_resamples

    found = _tables(tables)
    check_resamples(n_resamples)
    if title is not None and not isinstance(title, str):
        raise ArgumentError(f"title is {title!r}; pass a text.")
    if not isinstance(out, (str, os.PathLike)) or not os.fspath(out):
        raise ArgumentError(f"out is {out!r}; name a folder.")
    folder = Path(out)
    # What cannot be read, scored or written is better known before the work than after it.
    wanted = [_own(t, transforms, found) for t in found]
    for table, own in zip(found, wanted, strict=True):
        choose_transforms(table, own)
    merged = merge_entries(
        found, [] if entries is None else read_entries(entries), transforms=transforms
    )
    make_folder(folder)
    seed = integer_seed(rng)
    boards = []
    for table, own, (full, entrants) in zip(found, wanted, merged, strict=True):
        stage(f"Table {printable(table.name)}")
        boards.append(
            build_board(table, full, entrants, transforms=own, n_resamples=n_resamples, seed=seed)
        )
    stage("Page")
    contents = site_files(boards, title, n_resamples=n_resamples, seed=seed)
    write_files(folder, contents)
    frames = []
    for board in boards:
        frame = next(iter(board.views["honest"].standings.values())).to_frame()
        frame.insert(0, "table", board.table.name)
        frames.append(frame)
    return Leaderboard(
        path=folder / PAGE,
        files=tuple(Path(name) for name in contents),
        ranking=pd.concat(frames, ignore_index=True),
        problems={b.table.name: "; ".join(b.problems.values()) for b in boards if b.problems},
        seed=seed,
    )


def _tables(tables: MetricTable | pd.DataFrame | Sequence[MetricTable]) -> list[MetricTable]:
    from metareval.coerce import as_table

    given: list[Any] = list(tables) if isinstance(tables, (list, tuple)) else [tables]
    if not given:
        raise ArgumentError("tables is empty; give at least one table.")
    found = [as_table(t) for t in given]
    names = [t.name for t in found]
    for name in names:
        if names.count(name) > 1:
            raise ArgumentError(
                f"Two tables are named {name!r}. Give them distinct names, with name=... of "
                "metareval.read_table or MetricTable.from_frame."
            )
    return found


def _own(
    table: MetricTable, transforms: Mapping[str, str] | None, tables: Sequence[MetricTable]
) -> dict[str, str] | None:
    """Return the transforms of a table's own metrics; a name that no table has is an error."""
    from metareval.errors import unknown_name

    if transforms is None:
        return None
    if not isinstance(transforms, Mapping):
        raise ArgumentError(
            f"transforms is {transforms!r}; pass a mapping, as in {{'AD': 'reciprocal'}}."
        )
    known = {m for t in tables for m in t.metrics}
    for metric in transforms:
        if metric not in known:
            raise unknown_name("metric in transforms", metric, known)
    return {m: name for m, name in transforms.items() if m in table.metrics}


def _require() -> None:
    if find_spec("jinja2") is None:
        raise MissingDependencyError(
            "A leaderboard needs jinja2, which is not installed. "
            "Run: pip install 'metareval[report]'"
        )
