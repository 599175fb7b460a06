"""Frames that are no tables, and arguments of the wrong kind."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import fractions
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metareval as mr
from metareval.errors import ArgumentError, LoadError, MetarevalError, TableError
from metareval.table import MetricTable
from tests.fuzz.targets import show

CELLS = st.one_of(
    st.none(),
    st.floats(),
    st.integers(-5, 5) | st.sampled_from([2**53, 2**64, 10**400]),
    st.text(max_size=4) | st.sampled_from(["NaN", "1e400", "0.5", "\ud800", "a\nb"]),
    st.booleans(),
    st.sampled_from([pd.NA, pd.NaT, np.float32(0.1), np.bool_(True), np.int8(1), 1j, b"x"]),
    st.sampled_from([decimal.Decimal("sNaN"), decimal.Decimal("1E+400"), fractions.Fraction(1, 3)]),
    st.sampled_from([datetime.date(2026, 1, 1), pd.Timestamp("2026-01-01"), [1], (1,), {"a": 1}]),
)
NAMES = st.sampled_from(["FA", "RA", "m", "d", "", " ", "\ud800", "oracle distance", "a / b"])
LABELS = NAMES | st.sampled_from([0, 1.5, None, np.nan, pd.NA, ("FA",), b"FA"])
DTYPES = st.sampled_from(
    [
        "Int64",
        "Float64",
        "boolean",
        "string",
        "category",
        "datetime64[ns]",
        "timedelta64[ns]",
        "complex128",
        "Sparse[float64]",
        "float16",
        "uint64",
        "int8",
        "period[D]",
        "bool",
        "str",
    ]
)


GOOD: dict[str, st.SearchStrategy[Any]] = {
    "FA": st.floats(),
    "RA": st.sampled_from([0.0, 0.25, 0.5]),
    "m": st.sampled_from(["a", "b", "c"]),
    "s": st.integers(0, 9),
    "d": st.floats(0, 1) | st.none(),
    "e": st.floats(0, 1),
}
INDEX = st.sampled_from([0, 1, "r", None, pd.NA, np.nan, (1, 2)])


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """A sound frame with some columns, names, dtypes or index labels exchanged."""
    rows = draw(st.integers(1, 5))
    odd = draw(st.sets(st.sampled_from([*GOOD, "names", "rows", "index"]), max_size=2))
    columns, names = [], []
    for name, good in GOOD.items():
        cells = draw(st.lists(CELLS if name in odd else good, min_size=rows, max_size=rows))
        series = pd.Series(cells, dtype=object)
        if name in odd or name not in ("m", "s"):
            # What pandas itself does not take is no table of ours.
            with contextlib.suppress(Exception):
                series = series.astype(draw(DTYPES) if name in odd else "float64")
        columns.append(series)
        names.append(draw(LABELS) if "names" in odd and draw(st.booleans()) else name)
    frame = pd.DataFrame(dict(enumerate(columns)))
    frame.columns = pd.Index(names, dtype=object, tupleize_cols=False)
    if "index" in odd:
        labels = draw(st.lists(INDEX, min_size=rows, max_size=rows))
        frame.index = pd.Index(labels, dtype=object, tupleize_cols=False)
    return frame.iloc[:0] if "rows" in odd else frame


SOUND: dict[str, Any] = {"oracle": ["d", "e"], "item": "m", "replicate": "s", "block": None}
ROLE = st.none() | NAMES | st.lists(NAMES, max_size=2) | st.sampled_from([3, [3], [["m"]], {}, ()])
DIRECTIONS = st.dictionaries(NAMES, st.sampled_from(["higher", "lower", "up", 3, ["higher"]]))
ODD = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(["metrics", "oracle", "block", "item", "replicate", "oracle_shared"], ROLE),
        "directions": DIRECTIONS | st.sampled_from([3, ["FA"]]),
    },
)


@given(frame=frames(), odd=st.just({}) | ODD)
def test_frames_and_roles(frame: pd.DataFrame, odd: dict[str, Any]) -> None:
    before = frame.copy()
    try:
        table = MetricTable.from_frame(frame, **{**SOUND, **odd})
    except MetarevalError as exc:
        message = str(exc)
        assert message
    else:
        show(table)
        repr(table.aggregate())
        mr.audit(table)
    assert frame.equals(before)


HUGE = 10**5000


@pytest.mark.parametrize(
    ("frame", "options", "says"),
    [
        ({"FA": [HUGE]}, {}, r"Column 'FA', row 0: a huge number cannot be held"),
        ({"FA": [1.0], "m": [HUGE]}, {"item": "m"}, r"item column 'm' holds a huge number in row"),
        ({"FA": [1.0]}, {"metrics": [["FA"]]}, r"Unknown metric column \['FA'\]"),
        (
            {"FA": [1.0], "d": [1.0], "e": [1.0]},
            {"metrics": [["d"]], "oracle": ["d", "e"]},
            "metric",
        ),
        ({"FA": [1.0]}, {"oracle_shared": [1, "a"]}, r"Unknown metric in oracle_shared 1"),
        ({"FA": [1.0]}, {"oracle_shared": [["FA"]]}, r"Unknown metric in oracle_shared"),
        ({"FA": [1.0]}, {"oracle_shared": 3}, r"oracle_shared=3: give a list"),
        ({"FA\ud800": [1.0]}, {}, r"Column 'FA.ud800' has half of a character"),
        ({HUGE: [1.0]}, {}, r"A column has a name that cannot be written as text"),
        ({f"c{i}": ["x"] for i in range(90)}, {}, r"'c39' and 50 more\)"),
    ],
)
def test_messages(frame: dict[Any, Any], options: dict[str, Any], says: str) -> None:
    made = pd.DataFrame(dict(enumerate(frame.values())), dtype=object)
    made.columns = pd.Index(list(frame), dtype=object)
    with pytest.raises((TableError, ArgumentError), match=says):
        MetricTable.from_frame(made, **options)


@pytest.mark.parametrize("label", [pd.NA, None, np.nan, HUGE, "x" * 1000], ids=range(5))
def test_rows_of_any_index_have_a_name(label: Any) -> None:
    index = pd.Index([label, 1], dtype=object)
    with pytest.raises(TableError, match="row 0 ") as caught:
        MetricTable.from_frame(pd.DataFrame({"FA": ["x", 1]}, index=index), metrics=["FA"])
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", ["1e400", "-1e999999999999", "1" + "0" * 400])
def test_numbers_beyond_floats_are_not_infinite(text: str, tmp_path: Path) -> None:
    for name, content in (
        ("t.csv", f"FA\n0.5\n{text}\n"),
        ("t.json", f'[{{"FA": 0.5}},\n{{"FA": {text}}}]'),
        ("t.jsonl", f'{{"FA": 0.5}}\n{{"FA": {text}}}'),
    ):
        path = tmp_path / name
        path.write_text(content)
        with pytest.raises((LoadError, TableError), match="floating-point number") as caught:
            mr.read_table(path)
        assert str(path) in str(caught.value)
    (tmp_path / "t.csv").write_text("FA\ninf\n-Infinity\n")
    assert np.isinf(mr.read_table(tmp_path / "t.csv").values).all()


@pytest.mark.parametrize("depth", [300, 900, 960, 990, 996, 100_000])
def test_deep_saved_tables(depth: int, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    for opens, closes in (("[", "]"), ('{"a": ', "}")):
        inside = opens * depth + "1" + closes * depth
        path.write_text('{"format": "metareval table", "x": ' + inside + "}")
        with pytest.raises(LoadError, match=r"t\.json"):
            mr.read_table(path)


def test_repeated_keys_of_saved_tables_are_found_at_any_depth(tmp_path: Path) -> None:
    table = mr.load_dataset("unifiedunl-blip2")
    document = json.loads(table.save(tmp_path / "t.json").read_text())
    deep = "[" * 400 + '{"a": 1, "a": 2}' + "]" * 400
    text = json.dumps({**document, "x": 0}).replace('"x": 0', f'"x": {deep}')
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(LoadError, match="the key 'a' stands twice"):
        mr.read_table(tmp_path / "t.json")


def test_arguments_of_import_runs(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"FA": 1.0}')
    for options, says in (
        ({"pattern": 3}, "pattern=3"),
        ({"pattern": "."}, "does not stay in the folder"),
        ({"fill": 3}, "fill=3"),
        ({"fill": {"method": 3}}, "the label 3"),
        ({"fill": {"method": " "}}, "the label ' '"),
    ):
        with pytest.raises(ArgumentError, match=says):
            mr.import_runs(tmp_path, **options)  # type: ignore[arg-type]
