"""Tables that are saved and read back."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metareval as mr
from metareval.cli import main
from metareval.errors import ArgumentError, LoadError, OutputError, TableError
from metareval.reading import limits
from metareval.table import MetricTable


@pytest.fixture
def table() -> MetricTable:
    frame = pd.DataFrame(
        {
            "method": ["a", "b", "=1+1", "<b>"],
            "loss": [0.1, np.nan, np.inf, -0.0],
            "AD": [1e-320, 5e300, -np.inf, 0.1 + 0.2],
            "d1": [1.0, 2.0, 3.0, np.nan],
            "d2": [1.0, 3.0, 2.0, 4.0],
            "note": ["x", None, "1", ""],
            "count": [2**62 + 1, 2, 3, 4],
            "maybe": pd.array([1, None, 3, 4], dtype="Int64"),
            "flag": [True, False, True, True],
            "mixed": ["x", 1, 2.5, True],
        }
    )
    return MetricTable.from_frame(
        frame,
        metrics=["loss", "AD"],
        directions={"loss": "lower"},
        oracle=["d1", "d2"],
        item="method",
        name="t\u00e9st",
        oracle_shared=["loss"],
    )


def same(first: MetricTable, second: MetricTable) -> None:
    """Check that two tables are equal to the last bit."""
    assert first.to_dict() == second.to_dict()
    assert first.oracle_shared == second.oracle_shared
    assert list(first.frame.columns) == list(second.frame.columns)
    for column in first.frame:
        a, b = first.frame[column], second.frame[column]
        if pd.api.types.is_float_dtype(a.dtype):
            assert a.to_numpy().tobytes() == b.to_numpy().tobytes() or (
                a.isna().equals(b.isna()) and a.dropna().tolist() == b.dropna().tolist()
            )
            continue
        values = [[None if pd.isna(v) else (type(v), v) for v in s.tolist()] for s in (a, b)]
        assert values[0] == values[1], column


def test_a_table_comes_back_as_it_was(table: MetricTable, tmp_path: Path) -> None:
    path = table.save(tmp_path / "t.json")
    again = mr.read_table(path)
    same(table, again)
    assert np.signbit(again.frame["loss"].iloc[3])
    assert again.save(tmp_path / "u.json").read_bytes() == path.read_bytes()
    json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)


@pytest.mark.parametrize("name", ["unifiedunl", "unifiedunl-unimodal", "unifiedunl-blip2"])
def test_embedded_tables_come_back(name: str, tmp_path: Path) -> None:
    table = mr.load_dataset(name)
    for i, made in enumerate((table, table.aggregate(), table.select(metrics=["FA"]))):
        same(made, mr.read_table(made.save(tmp_path / f"{i}.json")))


def test_joined_roles_and_foreign_indices_come_back(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": ["x", "y"], "b": ["u", "v"], "FA": [0.1, 0.2]}, index=["one", "one"])
    table = MetricTable.from_frame(frame, block=["a", "b"])
    again = mr.read_table(table.save(tmp_path / "t.json"))
    assert again.block == "a / b"
    assert again.labels("block") == ["x / u", "y / v"]


def test_what_is_given_takes_the_place_of_what_is_saved(table: MetricTable, tmp_path: Path) -> None:
    path = table.save(tmp_path / "t.json")
    other = mr.read_table(
        path, metrics=["AD"], oracle="d1", directions={"AD": "higher"}, name="other"
    )
    assert (other.metrics, other.oracle, other.oracle_repeats) == (("AD",), "d1", ())
    assert (other.directions["AD"], other.name, other.item) == ("higher", "other", "method")
    assert mr.read_table(path, metrics=["loss"]).oracle_shared == ("loss",)
    with pytest.raises(ArgumentError, match=r"t\.json: Unknown block column 'none'"):
        mr.read_table(path, block="none")
    renamed = path.rename(tmp_path / "t.txt")
    same(table, mr.read_table(renamed, format="json"))


def test_the_command_line_reads_saved_tables(
    table: MetricTable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(table.save(tmp_path / "t.json"))
    assert main(["reliability", path, "--resamples", "20", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["oracle_repeats"] == ["d1", "d2"]
    assert main(["reliability", path, "--oracle", "d2", "--resamples", "20", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["oracle"] == "d2"
    Path(path).write_text('{"format": "metareval table", "version": 9}')
    assert main(["audit", path]) == 2
    assert "newer metareval" in capsys.readouterr().err


def test_what_cannot_be_saved(table: MetricTable, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"ends in \.json"):
        table.save(tmp_path / "t.csv")
    with pytest.raises(ArgumentError, match=r"ends in \.json"):
        table.save(3)  # type: ignore[arg-type]
    with pytest.raises(OutputError, match="could not be written"):
        table.save(tmp_path / "none" / "t.json")
    for value in (pd.Timestamp("2026-01-01"), [1], 1j, np.inf):
        odd = pd.Series([value, None], dtype=object)
        made = MetricTable.from_frame(pd.DataFrame({"FA": [0.1, 0.2], "odd": odd}), metrics=["FA"])
        with pytest.raises(TableError, match=r"Column 'odd' holds .*cannot be saved"):
            made.save(tmp_path / "t.json")
    half = MetricTable.from_frame(pd.DataFrame({"FA": [0.1]}), name="\ud800")
    with pytest.raises(OutputError, match="half of a character"):
        half.save(tmp_path / "t.json")
    assert list(tmp_path.iterdir()) == []


Change = Callable[[dict[str, Any]], Any]


def put(*path: Any, value: Any) -> Change:
    def change(document: dict[str, Any]) -> None:
        inside: Any = document
        for key in path[:-1]:
            inside = inside[key]
        inside[path[-1]] = value

    return change


def drop(*path: Any) -> Change:
    def change(document: dict[str, Any]) -> None:
        inside: Any = document
        for key in path[:-1]:
            inside = inside[key]
        del inside[path[-1]]

    return change


COUNT, LOSS, NOTE, FLAG = 6, 1, 5, 8


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put("version", value=2), "version 2.*reads up to version 1; install a newer"),
        (put("version", value=10**400), "newer metareval"),
        (put("version", value=True), "its version is True"),
        (put("version", value="1"), "its version is '1'"),
        (drop("version"), "its version is missing"),
        (put("name", value=3), "the name is 3"),
        (drop("columns"), "columns is missing"),
        (put("columns", value=[]), "which it does not have"),
        (put("columns", 0, value=3), "column 1 is 3"),
        (put("columns", 0, "name", value="loss"), "two columns are named 'loss'"),
        (put("columns", 0, "name", value=None), "the name of column 1 is missing"),
        (put("columns", LOSS, "kind", value="pickle"), "of kind 'pickle'"),
        (put("columns", LOSS, "kind", value=[]), "of kind a list"),
        (put("columns", LOSS, "values", value=[1.0]), "between 1 and 4 values"),
        (put("columns", LOSS, "values", 0, value="0.1"), "holds '0.1'"),
        (put("columns", LOSS, "values", 0, value=True), "holds True"),
        (put("columns", LOSS, "values", 0, value=10**400), "kind number holds"),
        (put("columns", COUNT, "values", 0, value=1.5), "kind integer holds 1.5"),
        (put("columns", COUNT, "values", 0, value=2**64), "kind integer holds"),
        (put("columns", COUNT, "values", value=[2**63, -1, 0, 0]), "no one type"),
        (put("columns", FLAG, "values", 0, value=1), "kind boolean holds 1"),
        (put("columns", NOTE, "values", 0, value={"a": 1}), "kind value holds an object"),
        (put("columns", NOTE, "values", 0, value="\ud800"), "half of a character"),
        (put("columns", NOTE, "name", value="\ud800"), "half of a character"),
        (drop("roles"), "its roles are missing"),
        (drop("roles", "item"), "do not say what item is"),
        (put("roles", "item", value=3), "item is 3"),
        (put("roles", "item", value="none"), "name the column 'none'"),
        (put("roles", "item", value="loss"), "'loss'"),
        (put("roles", "metrics", value="loss"), "metrics is 'loss'"),
        (put("roles", "metrics", value=[]), "not those of its metrics"),
        (put("roles", "directions", "loss", value="up"), "must be 'higher' or 'lower'"),
        (drop("roles", "directions", "loss"), "not those of its metrics"),
        (put("roles", "oracle", value=None), "oracle_repeats are not two columns"),
        (put("roles", "oracle", value="d1"), "oracle_repeats are not two columns"),
        (put("roles", "oracle_repeats", value=["d1"]), "oracle_repeats are not two columns"),
        (put("roles", "oracle_repeats", value=["d1", "d2", "d1"]), "'d1' twice"),
        (put("roles", "oracle", value="count"), "is not the mean of 'd1', 'd2'"),
        (put("roles", "oracle", value="note"), "is not the mean of"),
        (put("roles", "oracle_shared", value=["d1"]), "oracle_shared"),
    ],
)
def test_damaged_documents(change: Change, says: str, table: MetricTable, tmp_path: Path) -> None:
    path = table.save(tmp_path / "t.json")
    document = copy.deepcopy(json.loads(path.read_text(encoding="utf-8")))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(LoadError, match=rf"t\.json: the saved table cannot be read: .*{says}"):
        mr.read_table(path)


def test_damaged_files(table: MetricTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table.save(tmp_path / "t.json")
    text = path.read_text(encoding="utf-8")
    for end in range(0, len(text) - 2, 37):
        path.write_text(text[:end], encoding="utf-8")
        with pytest.raises(LoadError, match=r"t\.json"):
            mr.read_table(path)
    for once, twice in (
        ('"version": 1', '"version": 1, "version": 1'),
        ('"loss": "lower"', '"loss": "lower", "loss": "higher"'),
        ('"kind": "boolean"', '"kind": "boolean", "kind": "value"'),
    ):
        path.write_text(text.replace(once, twice, 1), encoding="utf-8")
        with pytest.raises(LoadError, match="stands twice"):
            mr.read_table(path)
    path.write_text(text.replace("metareval table", "another"), encoding="utf-8")
    with pytest.raises(LoadError, match=r"the JSON is an object.*MetricTable\.save"):
        mr.read_table(path)
    path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(limits, "MAX_CELLS", 10)
    with pytest.raises(LoadError, match="4 rows and 11 columns"):
        mr.read_table(path)
