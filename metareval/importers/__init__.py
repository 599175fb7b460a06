"""Readers for the result files of other tools."""

from __future__ import annotations

from metareval.importers.runs import ImportedRuns, import_runs

__all__ = ["ImportedRuns", "import_runs"]
