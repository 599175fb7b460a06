from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metareval as mr
from metareval.coerce import as_table
from metareval.columns import number_column
from metareval.errors import ArgumentError, MetarevalError, TableError
from metareval.table import MetricTable

ROLES: dict[str, Any] = {
    "oracle": "distance",
    "block": "dataset",
    "item": "method",
    "replicate": "seed",
}


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": ["d", "d", "d", "d", "e", "e"],
            "method": ["a", "a", "b", "b", "a", "b"],
            "seed": [1, 2, 1, 2, 1, 1],
            "FA": [0.1, 0.3, 0.2, 0.4, 0.5, 0.6],
            "RA": [1.0, 0.8, 0.9, 0.7, 0.6, 0.5],
            "distance": [0.01, 0.03, 0.02, 0.04, 0.05, 0.06],
        }
    )


def bad(frame: pd.DataFrame, *expected: str, **options: Any) -> None:
    """Check that the table is refused with a message that holds every expected text."""
    with pytest.raises(MetarevalError) as caught:
        MetricTable.from_frame(frame, **options)
    for text in expected:
        assert text in str(caught.value), str(caught.value)


# What a good table gives


def test_roles_directions_and_orientation(frame: pd.DataFrame) -> None:
    table = MetricTable.from_frame(frame, name="t", **ROLES)
    assert table.metrics == ("FA", "RA")
    assert table.oriented.tolist() == [[-f, r] for f, r in frame[["FA", "RA"]].to_numpy()]
    assert table.closeness.tolist() == [-d for d in frame["distance"]]
    assert table.levels("block") == ["d", "e"]
    assert table.labels("replicate") == ["1", "2", "1", "2", "1", "1"]
    assert (len(table), table.n_units) == (6, 4)
    assert table.unit_codes.tolist() == [0, 0, 1, 1, 2, 3]
    assert table.row_name(3) == "d / b / 2"
    assert table.headline() == (
        "MetricTable 't': 6 rows, 4 independent units, 2 blocks, 2 items, 2 replicates; "
        "FA down, RA up; oracle distance: distance"
    )


def test_the_given_frame_is_copied_and_the_table_is_frozen(frame: pd.DataFrame) -> None:
    before = frame.copy()
    table = MetricTable.from_frame(frame, **ROLES)
    pd.testing.assert_frame_equal(frame, before)
    frame.loc[0, "FA"] = 99.0
    assert table.values[0, 0] == 0.1
    shown = table.to_frame()
    shown.loc[0, "FA"] = 99.0
    assert table.values[0, 0] == 0.1
    with pytest.raises(AttributeError):
        table.name = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        table.directions["FA"] = "higher"  # type: ignore[index]


def test_roles_are_optional(frame: pd.DataFrame) -> None:
    table = MetricTable.from_frame(frame[["FA", "RA"]])
    assert table.labels("block") == ["all"] * 6
    assert table.labels("item") == [f"row {i}" for i in range(6)]
    assert (table.n_units, table.row_name(2)) == (6, "row 2")
    with pytest.raises(TableError, match=r"has no oracle.*oracle=\.\.\."):
        _ = table.closeness


def test_missing_infinite_constant_and_tied_values_are_kept() -> None:
    data = pd.DataFrame({"FA": [np.nan, None, np.inf], "RA": [-np.inf, 0.5, 0.5], "MIA": [1, 1, 1]})
    values = MetricTable.from_frame(data).values
    np.testing.assert_array_equal(
        values, [[np.nan, -np.inf, 1], [np.nan, 0.5, 1], [np.inf, 0.5, 1]]
    )


def test_one_row_is_a_table() -> None:
    table = MetricTable.from_frame(pd.DataFrame({"FA": [0.5], "m": ["a"]}), item="m")
    assert (len(table), table.n_units) == (1, 1)
    assert len(table.aggregate()) == 1


def test_several_columns_join_into_one_role(frame: pd.DataFrame) -> None:
    frame["arch"] = ["x", "x", "y", "y", "x", "y"]
    table = MetricTable.from_frame(frame, **{**ROLES, "block": ["arch", "dataset"]})
    assert table.block == "arch / dataset"
    assert table.levels("block") == ["x / d", "y / d", "x / e", "y / e"]
    assert table.n_units == 4


def test_joined_labels_that_collide_are_refused() -> None:
    data = pd.DataFrame({"p": ["a / b", "a"], "q": ["c", "b / c"], "FA": [0.1, 0.2]})
    bad(data, "same joined label", "'p', 'q'", "Rename one", item=["p", "q"])


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([1, 0, 1]),
        pd.Series([True, False, True]),
        pd.Series([1, 0, 1], dtype="Int64"),
        pd.Series([True, False, True], dtype="boolean"),
        pd.Series([1.0, 0.0, 1.0], dtype="Float32"),
        pd.Series([1, 0, 1], dtype="uint8"),
        pd.Series([1.0, 0.0, 1.0], dtype="float16"),
        pd.Series([1, 0, 1], dtype="category"),
        pd.Series([1, 0.0, True], dtype=object),
        pd.Series([Decimal(1), Decimal(0), Decimal("1.0")], dtype=object),
        pd.Series(pd.arrays.SparseArray([1.0, 0.0, 1.0])),
    ],
)
def test_numeric_dtypes(values: pd.Series) -> None:
    table = MetricTable.from_frame(pd.DataFrame({"FA": values}))
    assert table.values.dtype == np.float64
    assert table.values[:, 0].tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([1, None], dtype="Int64"),
        pd.Series([True, None], dtype="boolean"),
        pd.Series([1, None], dtype="category"),
        pd.Series([1, None], dtype=object),
        pd.Series([1, pd.NA], dtype=object),
        pd.Series([1, pd.NaT], dtype=object),
    ],
)
def test_every_kind_of_missing_value_becomes_nan(values: pd.Series) -> None:
    np.testing.assert_array_equal(number_column(values, name="x"), [1.0, np.nan])


def test_pyarrow_dtypes() -> None:
    pytest.importorskip("pyarrow")
    for dtype in ("int64[pyarrow]", "double[pyarrow]"):
        values = pd.Series([1, None], dtype=dtype)
        np.testing.assert_array_equal(number_column(values, name="x"), [1.0, np.nan])


def test_categorical_and_numeric_labels() -> None:
    data = pd.DataFrame(
        {
            "method": pd.Categorical(["b", "a"], categories=["a", "b", "unused"]),
            "seed": [1.0, 2.5],
            "FA": [0.1, 0.2],
        }
    )
    table = MetricTable.from_frame(data, item="method", replicate="seed")
    assert table.levels("item") == ["b", "a"]
    assert table.labels("replicate") == ["1", "2.5"]
    assert len(table.aggregate()) == 2


# What is refused


def test_duplicates_name_the_rows(frame: pd.DataFrame) -> None:
    frame.index = list("uvwxyz")
    frame.loc["w", "seed"] = 2
    bad(frame, "d / b / 2", "rows 2 ('w'), 3 ('x')", "missing role column", **ROLES)
    assert len(MetricTable.from_frame(frame, **{**ROLES, "replicate": None}, metrics=["FA"])) == 6


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT, np.float32("nan")])
def test_missing_labels_name_the_row(missing: object) -> None:
    data = pd.DataFrame({"m": pd.Series(["a", missing], dtype=object), "FA": [0.1, 0.2]})
    bad(data, "item column 'm' has no value in row 1", item="m")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["0.1", "0.2"], ["'FA' must hold numbers", "row 0", "'0.1'", "decimal point"]),
        ([0.1, "0,2"], ["row 1", "'0,2'"]),
        ([1 + 2j, 3], ["'FA' holds complex numbers"]),
        (pd.to_datetime(["2026-01-01", "2026-01-02"]), ["datetime64", "metrics=[...]"]),
        (pd.to_timedelta([1, 2], unit="s"), ["timedelta64"]),
        ([dt.date(2026, 1, 1), 1], ["row 0", "datetime.date"]),
        ([[1.0], [2.0]], ["row 0", "[1.0]"]),
        ([1, 10**400], ["'FA', row 1", "floating-point"]),
        ([1, Decimal("sNaN")], ["'FA', row 1", "floating-point"]),
        (["x" * 10_000, "y"], ["'xxx", "..."]),
    ],
)
def test_values_that_are_not_numbers(values: Any, expected: list[str]) -> None:
    bad(pd.DataFrame({"FA": values}), *expected)


def test_directions(frame: pd.DataFrame) -> None:
    frame["accuracy"] = 0.5
    bad(frame, "No direction is known for 'accuracy'", "'higher' or 'lower'", **ROLES)
    bad(frame, "'accuracy' is 'up'", "'higher' or 'lower'", directions={"accuracy": "up"}, **ROLES)
    bad(frame, "'acuracy'", "Did you mean 'accuracy'", directions={"acuracy": "higher"}, **ROLES)
    bad(frame, "directions='lower'", "for each metric", directions="lower", **ROLES)
    table = MetricTable.from_frame(
        frame, directions={"accuracy": "higher", "FA": "higher"}, **ROLES
    )
    assert dict(table.directions) == {"FA": "higher", "RA": "higher", "accuracy": "higher"}


def test_a_long_table_is_told_from_a_wide_one() -> None:
    wide = pd.DataFrame({"method": ["a", "b"], "FA": [0.1, 0.2], "RA": [0.3, 0.4]})
    long = wide.melt(id_vars="method", var_name="measure", value_name="score")
    bad(long, "No direction is known for 'score'", "Column 'measure'", "('FA', 'RA')", "pivot")
    one = long[long["measure"] == "FA"]
    with pytest.raises(MetarevalError) as caught:
        MetricTable.from_frame(one)
    assert "pivot" not in str(caught.value)


def test_many_columns_without_direction_are_cut_short() -> None:
    data = pd.DataFrame([range(12)], columns=[f"m{i}" for i in range(12)])
    bad(data, "'m7' ...", "metrics=[...]")


def test_shapes_and_columns(frame: pd.DataFrame) -> None:
    bad(frame.iloc[:0], "'t' has no rows", name="t", **ROLES)
    bad(pd.DataFrame(), "no metric column", "columns: none")
    bad(frame[["dataset", "method"]], "no metric column", "'method'", block="dataset")
    bad(frame[["FA", "RA", "FA"]], "Column 'FA' occurs 2 times", "rename or drop")
    bad(pd.DataFrame([[1, 2]], columns=["1", 1]), "Column '1' occurs 2 times")
    many = pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")]))
    bad(many, "several header rows", "flatten")
    with pytest.raises(TableError, match=r"got list.*read_table"):
        MetricTable.from_frame([1])  # type: ignore[arg-type]


def test_unknown_and_shared_roles(frame: pd.DataFrame) -> None:
    bad(frame, "Unknown oracle column 'distanc'", "'distance'", oracle="distanc")
    bad(frame, "Unknown metric column 'FX'. Known: 'FA', 'RA'", metrics=["FX"], **ROLES)
    bad(frame, "'seed' is named both as item and as replicate", item="seed", replicate="seed")
    bad(frame, "'FA' is named as a metric and has another role", metrics=["FA"], oracle="FA")
    bad(frame, "metrics='FA'", "list of names", metrics="FA")
    bad(frame, "item=3", "list of names", item=3)
    bad(frame, "Unknown metric in oracle_shared 'XX'", oracle_shared=["XX"], **ROLES)


# Deriving tables


def test_select(frame: pd.DataFrame) -> None:
    frame["AD"] = 1.0
    table = MetricTable.from_frame(frame, **ROLES)
    assert table.oracle_shared == ("AD",)
    small = table.select(metrics=["RA", "RA"], blocks=["e"])
    assert (small.metrics, len(small), small.oracle_shared) == (("RA",), 2, ())
    assert small.closeness.tolist() == [-0.05, -0.06]
    assert len(table) == 6
    for options, text in [
        ({"metrics": ["FX"]}, "Unknown metric 'FX'"),
        ({"metrics": []}, "leaves no metric"),
        ({"metrics": "FA"}, "list of names"),
        ({"blocks": ["f"]}, "Unknown block 'f'. Known: 'd', 'e'"),
        ({"blocks": []}, "leaves no row"),
        ({"blocks": "d"}, "list of names"),
    ]:
        with pytest.raises(ArgumentError) as caught:
            table.select(**options)  # type: ignore[arg-type]
        assert text in str(caught.value)


def test_aggregate_means_over_replicates(frame: pd.DataFrame) -> None:
    frame.loc[2, "RA"] = np.nan
    table = MetricTable.from_frame(frame, **ROLES).aggregate()
    assert table.replicate is None
    assert table.row_name(1) == "d / b"
    np.testing.assert_allclose(table.values[:, 0], [0.2, 0.3, 0.5, 0.6])
    np.testing.assert_array_equal(table.values[1:, 1], [np.nan, 0.6, 0.5])
    np.testing.assert_allclose(table.closeness, [-0.02, -0.03, -0.05, -0.06])
    again = table.aggregate()
    pd.testing.assert_frame_equal(again.frame, table.frame)


def test_aggregate_with_infinities(frame: pd.DataFrame) -> None:
    frame.loc[[0, 2, 3], "FA"] = [np.inf, np.inf, -np.inf]
    values = MetricTable.from_frame(frame, **ROLES).aggregate().values[:, 0]
    np.testing.assert_array_equal(values, [np.inf, np.nan, 0.5, 0.6])


def test_aggregate_without_items_keeps_every_row(frame: pd.DataFrame) -> None:
    table = MetricTable.from_frame(frame[["FA"]])
    assert len(table.aggregate()) == 6


def test_released_table_aggregates_to_its_units() -> None:
    table = mr.load_dataset("unifiedunl")
    small = table.aggregate()
    assert len(small) == table.n_units == small.n_units == 12


# Loose roles


def test_series_are_matched_by_index(frame: pd.DataFrame) -> None:
    metrics, distance = frame[["FA", "RA"]], frame["distance"]
    shuffled = distance.sample(frac=1, random_state=0)
    table = as_table(metrics, shuffled, item=frame["method"].iloc[::-1])
    assert table.closeness.tolist() == (-distance).tolist()
    assert table.labels("item") == frame["method"].tolist()
    assert table.metrics == ("FA", "RA")


def test_other_sequences_are_matched_by_position(frame: pd.DataFrame) -> None:
    metrics = frame[["FA", "RA"]].set_axis(list("uvwxyz"))
    for oracle in (frame["distance"].to_numpy(), frame["distance"].tolist()):
        table = as_table(metrics, oracle, block=list("aaabbb"))
        assert table.closeness.tolist() == (-frame["distance"]).tolist()
        assert (table.oracle, table.labels("block")) == ("oracle", list("aaabbb"))


def test_column_names_and_series_may_be_mixed(frame: pd.DataFrame) -> None:
    table = as_table(frame, "distance", block="dataset", item=frame["method"], replicate="seed")
    assert (table.oracle, table.item, table.replicate) == ("distance", "method", "seed")
    assert table.metrics == ("FA", "RA")


def test_a_series_that_is_a_column_already_stands_for_it(frame: pd.DataFrame) -> None:
    roles: dict[str, Any] = {"block": "dataset", "item": frame["method"]}
    metrics = ["FA", "RA"]
    table = as_table(
        frame, frame["distance"], replicate=frame["seed"] + 1, metrics=metrics, **roles
    )
    assert (table.oracle, table.item, table.replicate) == ("distance", "method", "seed_")
    table = as_table(frame, frame["distance"], replicate=frame["seed"], **roles)
    assert table.metrics == ("FA", "RA")
    table = as_table(frame, frame["RA"], metrics=metrics, **roles)
    assert (table.oracle, table.metrics) == ("RA_", ("FA", "RA"))


def test_rows_that_cannot_be_matched(frame: pd.DataFrame) -> None:
    metrics = frame[["FA", "RA"]]
    for oracle in (frame["distance"].iloc[:4], frame["distance"].set_axis(list("uvwxyz"))):
        with pytest.raises(TableError, match=r"oracle Series .*same index.*to_numpy\(\)"):
            as_table(metrics, oracle)
    with pytest.raises(TableError, match="same index"):
        as_table(metrics.set_axis([0] * 6), frame["distance"])
    repeated = as_table(metrics.set_axis([0] * 6), frame["distance"].set_axis([0] * 6))
    assert repeated.closeness.tolist() == (-frame["distance"]).tolist()
    with pytest.raises(TableError, match=r"oracle= has shape \(2,\).*6 rows"):
        as_table(metrics, [0.1, 0.2])
    with pytest.raises(TableError, match=r"oracle= has shape \(\)"):
        as_table(metrics, 3)
    with pytest.raises(ArgumentError, match=r"block= got a DataFrame.*df\['dataset'\]"):
        as_table(metrics, block=frame[["dataset"]])
    with pytest.raises(TableError, match=r"got dict.*load_dataset"):
        as_table({"FA": [1]})  # type: ignore[arg-type]


def test_a_table_passes_through_or_gets_new_roles(frame: pd.DataFrame) -> None:
    table = MetricTable.from_frame(frame, name="t", **ROLES)
    assert as_table(table) is table
    other = as_table(table, frame["distance"] * 2, metrics=["RA"])
    assert other.closeness.tolist() == (frame["distance"] * -2).tolist()
    assert (other.name, other.metrics, other.block) == ("t", ("RA",), "dataset")


def test_one_row_with_loose_roles() -> None:
    table = as_table(pd.DataFrame({"FA": [0.1], "m": ["a"]}), pd.Series([0.2]), item="m")
    assert (table.metrics, table.closeness.tolist()) == (("FA",), [-0.2])


def test_integer_column_names() -> None:
    table = as_table(
        pd.DataFrame({0: [0.1, 0.2], 1: [3, 4]}),
        pd.Series([0.5, 0.6], name=0),
        directions={"0": "higher", "1": "lower"},
    )
    assert (table.metrics, table.oracle) == (("0", "1"), "0_")


HOSTILE = [
    "<script>alert(1)</script>",
    "=cmd()",
    "two\nlines",
    "\x1b[31mred",
    "x" * 10_000,
    "\u202eright to left\u05d0",
    "\N{GRINNING FACE}",
    "",
]


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_names(label: str) -> None:
    data = pd.DataFrame({label: [0.1, 0.2], "m": [label, "b"]})
    table = MetricTable.from_frame(data, directions={label: "higher"}, item="m", name=label)
    assert table.labels("item") == [label, "b"]
    assert table.metrics == (label,)
    assert "\n" not in table.headline()
    assert repr(table).replace("\n", "").isprintable()
    assert "<script>" not in table._repr_html_()
    for options in ({"item": label + "?"}, {"metrics": [label + "?"]}, {"oracle": label}):
        with pytest.raises(MetarevalError):
            MetricTable.from_frame(data, **options)
