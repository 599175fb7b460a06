"""The engine that makes cells as Ray tasks; skipped where Ray is not installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from metareval.errors import MissingDependencyError
from metareval_backends.study import run_study, study_table
from tests.study_files import micro, write
from tests.unit.test_study_kill import killing


def test_ray_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'metareval\[ray\]'"):
        run_study(str(write(tmp_path)), tmp_path / "out", engine="ray")


@pytest.mark.filterwarnings("ignore")
def test_a_lost_worker_costs_one_cell(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    data = micro()
    data["architecture"][0]["train"]["epochs"] = 20
    bad = {"label": "mad", "schedule": {"learning_rate": 1e30, "epochs": 4}}
    data["method"][0]["strengths"].append(bad)
    path = str(write(tmp_path, data))
    thread = killing(tmp_path / "out", 1)
    done = run_study(path, tmp_path / "out", engine="ray", workers=2)
    thread.join()
    assert done.made == 8
    assert set(done.failed) == {"vit/digits/ascent+mad+0", "vit/digits/ascent+mad+1"}
    run_study(path, tmp_path / "local")
    for out in ("out", "local"):
        study_table(path, tmp_path / out)
    for name in ("table.csv", "references.csv"):
        files = [(tmp_path / out / name).read_bytes() for out in ("out", "local")]
        assert files[0] == files[1]
