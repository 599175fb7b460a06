"""The files of a leaderboard: whole, self-contained, repeatable, and safe with any name."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metareval as mr
from metareval import leaderboards
from metareval.cli import main
from metareval.errors import ArgumentError, MissingDependencyError, OutputError, TableError
from metareval.files import FORMULA_STARTS
from metareval.leaderboards import Leaderboard
from metareval.leaderboards.payload import to_script

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><!--",
    "=cmd('calc')!A0",
    "x" * 10_000,
    "\u202egnp.exe",
    "\N{GRINNING FACE} face",
    "line\nbreak\ttab",
    '"quote\'d" & <b>',
]


def write(table: Any, folder: Path, **options: Any) -> Leaderboard:
    return mr.leaderboard(table, folder, **{"n_resamples": 50, "rng": 0, **options})


def page_of(done: Leaderboard) -> str:
    return done.path.read_text(encoding="utf-8")


def data_of(done: Leaderboard) -> dict[str, Any]:
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', page_of(done), re.DOTALL
    )
    assert found
    data: dict[str, Any] = json.loads(found.group(1))
    return data


def hostile() -> mr.MetricTable:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"who": HOSTILE})
    for name in HOSTILE[:3]:
        frame[name] = rng.random(len(HOSTILE))
    return mr.MetricTable.from_frame(
        frame, item="who", directions=dict.fromkeys(HOSTILE[:3], "higher"), name=HOSTILE[0]
    )


def test_the_files_are_those_that_are_named(tmp_path: Path, released: mr.MetricTable) -> None:
    done = write(released, tmp_path)
    there = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert there == sorted(str(f) for f in done.files)
    assert str(done.files[-1]) == "index.html"
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert results["files"] == there
    assert results["tables"][0]["protocols"]["honest"]["levels"]["item"][0]["rank"] == 1
    assert results["made_with"]["seed"] == done.seed == 0


def test_the_same_seed_gives_the_same_files(tmp_path: Path, released: mr.MetricTable) -> None:
    write(released, tmp_path / "a")
    for name in write(released, tmp_path / "b").files:
        here, there = (tmp_path / part / name for part in "ab")
        assert here.read_bytes() == there.read_bytes()


def test_the_seed_of_no_seed_is_named(tmp_path: Path, released: mr.MetricTable) -> None:
    done = write(released, tmp_path, rng=None)
    assert f"seed {done.seed}," in page_of(done)


def test_only_the_hashed_script_and_style_may_run(tmp_path: Path, released: mr.MetricTable) -> None:
    text = page_of(write(released, tmp_path))
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    policy = policy.replace("&#43;", "+").replace("&#39;", "'")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        (body,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{rule} 'sha256-{digest}'" in policy
    assert not re.search(r"\son\w+=|\sstyle=|<link (?!rel=\"icon\")|src=", text.split("<script")[0])


def test_the_page_of_the_embedded_table_is_small(tmp_path: Path, released: mr.MetricTable) -> None:
    assert write(released, tmp_path).path.stat().st_size < 6_000_000


def test_several_tables_share_a_page(
    tmp_path: Path,
    released: mr.MetricTable,
    unimodal: mr.MetricTable,
    blip2: mr.MetricTable,
) -> None:
    done = write([released, unimodal, blip2], tmp_path)
    names = [t["name"] for t in data_of(done)["tables"]]
    assert names == ["unifiedunl", "unifiedunl-unimodal", "unifiedunl-blip2"]
    assert list(done.problems) == ["unifiedunl-unimodal"]
    alone = write(unimodal, tmp_path / "alone").ranking
    beside = done.ranking[done.ranking["table"] == "unifiedunl-unimodal"]
    pd.testing.assert_frame_equal(alone, beside.reset_index(drop=True), check_dtype=False)
    with pytest.raises(ArgumentError, match="Two tables are named 'unifiedunl'"):
        write([released, released], tmp_path)
    with pytest.raises(ArgumentError, match="at least one table"):
        write([], tmp_path)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    done = write(hostile(), tmp_path)
    text = page_of(done)
    assert text.count("<script") == 2
    assert "alert(1)</script>" not in text
    assert "\u202e" not in text
    assert len(data_of(done)["tables"][0]["views"]["honest"]["levels"]["item"]["group"]) == 8
    for name in done.files:
        assert re.fullmatch(r"[a-z0-9./-]+", str(name))
    written = (tmp_path / str(done.files[0])).read_text(encoding="utf-8")
    for row in csv.reader(io.StringIO(written)):
        assert not row[0].startswith(FORMULA_STARTS)


def test_a_script_cannot_be_ended_by_its_data() -> None:
    value = {"a": "</script><!--&\N{LINE SEPARATOR}", "b": [1, None]}
    text = to_script(value)
    assert not set("<>&\N{LINE SEPARATOR}") & set(text)
    assert json.loads(text) == value


def test_a_plain_frame_will_do(tmp_path: Path) -> None:
    frame = pd.DataFrame({"FA": [0.1, 0.2, 0.2], "RA": [0.5, 0.7, 0.7]})
    done = write(frame, tmp_path)
    assert list(done.ranking["rank"]) == [1, 1, 3]
    assert list(done.ranking["tied"]) == [True, True, False]


def test_wrong_arguments_are_named(tmp_path: Path, released: mr.MetricTable) -> None:
    with pytest.raises(ArgumentError, match="title is 3"):
        write(released, tmp_path, title=3)
    with pytest.raises(ArgumentError, match="n_resamples is 0"):
        write(released, tmp_path, n_resamples=0)
    with pytest.raises(ArgumentError, match="Unknown metric in transforms 'XX'"):
        write(released, tmp_path, transforms={"XX": "reciprocal"})
    with pytest.raises(ArgumentError, match="pass a mapping"):
        write(released, tmp_path, transforms="reciprocal")
    with pytest.raises(ArgumentError, match="name a folder"):
        write(released, "")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="in the way"):
        write(released, tmp_path / "file")
    wide = pd.DataFrame({"loss": [1.0, 7.0]})
    table = mr.MetricTable.from_frame(wide, directions={"loss": "lower"})
    with pytest.raises(TableError, match="'loss' has values outside"):
        write(table, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    write(table, tmp_path / "some", transforms={"loss": "reciprocal"})


def test_what_is_not_installed_is_named(
    tmp_path: Path, released: mr.MetricTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaderboards, "find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match="needs jinja2"):
        write(released, tmp_path)


def test_the_command_writes_a_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "site"
    arguments = ["unifiedunl", "unifiedunl-blip2", "--out", str(out), "--resamples", "20"]
    assert main(["leaderboard", *arguments]) == 0
    assert "no network is needed" in capsys.readouterr().out
    assert main(["leaderboard", *arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seed"] == 0
    assert (out / "index.html").is_file()


def test_a_notebook_shows_the_ranking(tmp_path: Path, released: mr.MetricTable) -> None:
    done = write(released, tmp_path)
    assert "<th>weight_first</th>" in done._repr_html_()
    assert repr(done).startswith("Leaderboard written to")
