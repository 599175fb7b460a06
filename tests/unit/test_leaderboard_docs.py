"""The code, the commands and the entry in docs/leaderboard.md work."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from metareval.cli import main

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS.joinpath("leaderboard.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (entry,) = blocks("json")
    Path("entries").mkdir()
    Path("entries/my_method.json").write_text(entry, encoding="utf-8")
    for code in blocks("python"):
        exec(compile(code, "leaderboard.md", "exec"), {})
    assert "Leaderboard written to" in capsys.readouterr().out
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(lines) == 3
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "metareval"
        extra = [] if "check" in arguments else ["--resamples", "50"]
        assert main([*arguments, *extra]) == 0
    assert "JS missing" in capsys.readouterr().out
    assert Path("site/index.html").is_file()


def test_the_pictures_are_there() -> None:
    for name in re.findall(r"!\[.*?\]\((.*?)\)", PAGE):
        assert DOCS.joinpath(name).is_file()
