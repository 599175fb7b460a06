"""The command that simulates what the statistics do, and the page that it writes."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks" / "validation"


def test_quick_runs() -> None:
    some = (
        "ceiling spearman n=36 k=2",
        "planning kendall 0.5 n=12",
        "coverage reliability, spearman; 12 models, 3 seeds",
        "null agreement; 12 models, 3 runs",
    )
    command = [sys.executable, str(FOLDER / "run.py"), "--quick", "--only", *some]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(output[output.index("\n{") :])
    assert [name for name, rows in found.items() if rows] == list(found)


def test_the_page_shows_the_results() -> None:
    spec = importlib.util.spec_from_file_location("validation_page", FOLDER / "page.py")
    assert spec is not None
    assert spec.loader is not None
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    written = (ROOT / "docs" / "validation.md").read_text(encoding="utf-8")
    assert written == page.render(FOLDER)
