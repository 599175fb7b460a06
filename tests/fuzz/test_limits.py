"""Memory and time that hostile files take are bounded, whatever their size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import metareval as mr
from metareval.errors import LoadError, ObservationError, TableError
from metareval.evaluation.specs import checkpoint_specs
from metareval.observations import Observations

if sys.platform == "win32":
    pytest.skip("measures children as POSIX does", allow_module_level=True)

from tests.fuzz.limits import CASES

# Megabytes and seconds of the processor that any case may take; a file of 1 GB is refused unread.
MOST_MB, MOST_SECONDS = 600, 20
UNREAD_MB, UNREAD_SECONDS = 200, 1


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    pytest.importorskip("pyarrow")
    folder = tmp_path_factory.mktemp("limits")
    command = [sys.executable, "-m", "tests.fuzz.limits", str(folder), *CASES]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return {r["case"]: r for r in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("case", CASES)
def test_memory_and_time(case: str, measured: dict[str, Any]) -> None:
    found = measured[case]
    assert found["status"] == 0, found
    assert found["outcome"].startswith(("refused: ", "read: ")), found
    assert found["memory_mb"] < MOST_MB, found
    assert found["cpu_seconds"] < MOST_SECONDS, found
    if case.startswith("1 GB"):
        assert found["outcome"].startswith("refused: "), found
        assert found["file_mb"] == 1000
        assert found["memory_mb"] < UNREAD_MB, found
        assert found["cpu_seconds"] < UNREAD_SECONDS, found


READERS: dict[str, Callable[[Path], object]] = {
    "csv": lambda p: mr.read_table(p, format="csv"),
    "json": lambda p: mr.read_table(p, format="json"),
    "parquet": lambda p: mr.read_table(p, format="parquet"),
    "observations": Observations.load,
    "list": checkpoint_specs,
}


def places(folder: Path) -> dict[str, Path]:
    (folder / "folder.csv").mkdir()
    os.mkfifo(folder / "pipe.csv")
    (folder / "zero.csv").symlink_to("/dev/zero")
    (folder / "loop.csv").symlink_to(folder / "loop.csv")
    (folder / "nowhere.csv").symlink_to(folder / "none")
    (folder / "file").touch()
    return {
        **{n: folder / f"{n}.csv" for n in ("folder", "pipe", "zero", "loop", "nowhere", "absent")},
        "under a file": folder / "file" / "a.csv",
        "a long name": folder / ("n" * 5000 + ".csv"),
        "a NUL": folder / "a\0b.csv",
    }


@pytest.mark.parametrize("reader", READERS)
def test_places_that_are_no_files(reader: str, tmp_path: Path) -> None:
    for what, path in places(tmp_path).items():
        with pytest.raises((LoadError, ObservationError)) as caught:
            READERS[reader](path)
        assert path.name.replace("\0", "")[:40] in str(caught.value).replace("\ufffd", ""), what


def test_runs_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    (tmp_path / "good.json").write_text('{"FA": 0.5, "RA": 0.1}')
    done = mr.import_runs(tmp_path, block=None, item=None, replicate=None, oracle=None)
    assert done.used == ("good.json",)
    reasons = dict(done.skipped.itertuples(index=False))
    assert "is not a regular file" in reasons["pipe.json"]
    assert reasons["zero.json"] == "a link that leaves the folder"


def test_tables_too_large_to_be_read_back_are_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from metareval import saved

    table = mr.load_dataset("unifiedunl")
    for name, limit in (("MOST_CELLS", 100), ("MOST_BYTES", 1000)):
        with monkeypatch.context() as patch:
            patch.setattr(saved, name, limit)
            with pytest.raises(TableError, match=f"more than {limit} would not be read back"):
                table.save(tmp_path / "t.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("many", ["9" * 30, "10000001"])
def test_no_end_of_draws(many: str, capsys: pytest.CaptureFixture[str]) -> None:
    from metareval.cli import main

    for command in ("agreement", "reliability", "compare", "clusters", "uqs", "perturb", "report"):
        assert main([command, "unifiedunl", "--resamples", many]) == 2
        assert "n_resamples is larger than 10000000" in capsys.readouterr().err
