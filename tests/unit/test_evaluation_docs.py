"""The code in docs/evaluate.md runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from metareval.cli import build_parser
from tests.fake_models import FakeBackend, FakeBenchmark, make_checkpoint

PAGE = Path(__file__).parents[2].joinpath("docs", "evaluate.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def joined(block: str) -> list[str]:
    return block.replace("\\\n", " ").splitlines()


def test_python_of_the_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (listing,) = blocks("csv")
    (tmp_path / "runs.csv").write_text(listing)
    for i, name in enumerate(("ga-1", "ga-2", "npo-1", "npo-2", "oracle-1", "oracle-2", "base")):
        make_checkpoint(tmp_path / "runs" / name, knows=0.9 - 0.1 * i, seed=i)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("metareval.evaluation.models.get_backend", lambda _: FakeBackend())
    monkeypatch.setattr("metareval.evaluation.run.get_benchmark", lambda _: FakeBenchmark())
    names: dict[str, Any] = {}
    for code in blocks("python"):
        exec(compile(code, "evaluate.md", "exec"), names)
    assert "Noise floor" in capsys.readouterr().out
    assert len(names["done"].table) == 2


def test_commands_of_the_page() -> None:
    parser = build_parser()
    lines = [line for block in blocks("sh") for line in joined(block)]
    assert len(lines) == 4
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "metareval"
        assert callable(parser.parse_args(arguments).run)
