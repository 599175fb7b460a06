"""The command ``study``, from options to exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from metareval.cli import build_parser
from metareval.plugins import get_command
from metareval_backends.study.command import study
from tests.study_files import micro, write


def command(*arguments: str) -> int:
    return study.run(build_parser().parse_args(["study", *arguments]))


def test_the_core_reaches_it_by_an_entry_point() -> None:
    assert get_command("study") is study


def test_run_status_and_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = micro(seeds=[0])
    bad = {"label": "mad", "schedule": {"learning_rate": 1e30, "epochs": 4}}
    data["method"][0]["strengths"].append(bad)
    path, out = str(write(tmp_path, data)), str(tmp_path / "out")

    def printed() -> Any:
        return json.loads(capsys.readouterr().out)

    assert command("status", path, "--out", out, "--json") == 0
    assert printed()["blocks"]["data"] == [[0, 0, 7]]
    assert command("run", path, "--out", out) == 1
    shown = capsys.readouterr()
    assert "7 cells; 0 were there, 6 made, 1 failed" in shown.out
    assert "vit/digits/ascent+mad+0: The loss of unlearn is" in " ".join(shown.err.split())
    assert command("status", path, "--out", out) == 1
    assert "6 of 7 cells done, 1 failed" in capsys.readouterr().out
    assert command("table", path, "--out", out, "--json") == 0
    assert printed() == json.loads((tmp_path / "out/table.json").read_text())
    assert command("table", path, "--out", out) == 0
    text = capsys.readouterr().out
    assert "1 of 3 unlearned models are not there yet" in text
    assert max(map(len, text.split("\n"))) <= 80 + len(str(tmp_path))


def test_options_are_checked() -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["study", "walk", "smoke", "--out", "x"])
    with pytest.raises(SystemExit):
        build_parser().parse_args(["study", "run", "smoke"])
