"""The files of a report: put together in memory, then written, the page last."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import metareval
from metareval.errors import OutputError
from metareval.files import csv_safe, safe_child, write_together
from metareval.progress import stage
from metareval.reporting.analysis import Analysis
from metareval.reporting.latex import latex_table
from metareval.reporting.page import render_page
from metareval.reporting.parts import Page
from metareval.results import printable

PAGE = "report.html"
RESULTS = "results.json"
ANALYSED = "tables/analysed.csv"


def report_files(analysis: Analysis, page: Page) -> dict[str, str | bytes]:
    """Return the content of every file by its name, the page last."""
    import scipy

    analysed = csv_safe(analysis.table.to_frame(), index=False)
    facts: dict[str, Any] = {
        "metareval": metareval.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "pandas": pd.__version__,
        "seed": analysis.seed,
        "n_resamples": analysis.n_resamples,
        "confidence": analysis.confidence,
        "sha256": hashlib.sha256(analysed.encode("utf-8", "surrogatepass")).hexdigest(),
    }
    out: dict[str, str | bytes] = {ANALYSED: analysed}
    for table in page.tables:
        out[f"tables/{table.slug}.csv"] = csv_safe(table.frame)
        out[f"tables/{table.slug}.tex"] = latex_table(table)
    for picture in page.pictures:
        out[f"figures/{picture.slug}.svg"] = picture.drawing.svg
        out[f"figures/{picture.slug}.png"] = picture.drawing.png
    record = {
        "made_with": facts,
        "table": analysis.table.to_dict(),
        "in_short": list(page.verdict),
        "results": {name: result.to_dict() for name, result in analysis.results.items()},
        "problems": dict(analysis.problems),
        "files": sorted([*out, RESULTS, PAGE]),
    }
    out[RESULTS] = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    out[PAGE] = render_page(page, facts)
    return out


def write_files(folder: Path, contents: Mapping[str, str | bytes]) -> None:
    """Write files into a folder, all of them or none; they take their places in the order given."""
    stage(f"Writing {len(contents)} files to {printable(str(folder))}")
    paths = {safe_child(folder, name): data for name, data in contents.items()}
    for parent in {path.parent for path in paths}:
        make_folder(parent)
    write_together(paths)


def make_folder(folder: Path) -> None:
    """Create a folder and those above it.

    Raises
    ------
    OutputError
        Something is in the way, or the place cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as exc:
        shown = printable(str(folder))
        if folder.exists() or isinstance(exc, (FileExistsError, NotADirectoryError)):
            raise OutputError(
                f"The folder {shown!r} could not be created: a file of this name is in the way. "
                "Choose another folder, or move the file."
            ) from exc
        raise OutputError(
            f"The folder {shown!r} could not be created: {getattr(exc, 'strerror', None) or exc}. "
            "Choose a folder that you may write to."
        ) from exc
