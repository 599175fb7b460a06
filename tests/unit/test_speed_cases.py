"""What the benchmark times computes what scipy computes."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "speed"


@pytest.mark.skipif(not FOLDER.is_dir(), reason="benchmarks are in the repository only")
@pytest.mark.parametrize("index", range(13))
def test_every_case_is_right(index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    cases = importlib.import_module("cases")
    built = cases.all_cases()
    assert len(built) == 13
    built[index].check()
