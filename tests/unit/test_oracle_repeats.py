"""Tables with distances to several oracles, and what follows from them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metareval as mr
from metareval.auditing import audit
from metareval.cli import main
from metareval.coerce import as_table
from metareval.errors import ArgumentError, TableError
from metareval.table import MetricTable

REPEATS = ["d1", "d2", "d3"]
ROLES: dict[str, Any] = {"block": "data", "item": "method", "replicate": "seed"}


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [(d, m, s) for d in "xy" for m in "abcde" for s in (1, 2)]
    out = pd.DataFrame(rows, columns=["data", "method", "seed"])
    true = rng.random(len(out))
    out["FA"] = true + rng.normal(0, 0.1, len(out))
    out["RA"] = rng.random(len(out))
    for name in REPEATS:
        out[name] = true + rng.normal(0, 0.1, len(out))
    return out


@pytest.fixture
def table(frame: pd.DataFrame) -> MetricTable:
    return MetricTable.from_frame(frame, oracle=REPEATS, **ROLES)


def test_the_mean_is_the_distance(table: MetricTable, frame: pd.DataFrame) -> None:
    assert (table.oracle, table.oracle_repeats) == ("oracle distance", tuple(REPEATS))
    assert table.metrics == ("FA", "RA")
    np.testing.assert_allclose(table.closeness, -frame[REPEATS].mean(axis=1), rtol=1e-15)
    assert (table.closeness_repeats == -frame[REPEATS].to_numpy()).all()
    assert table.to_dict()["oracle_repeats"] == REPEATS
    assert table.headline().endswith("oracle distance: mean of d1, d2, d3")


def test_one_column_in_a_list_is_one_oracle(frame: pd.DataFrame) -> None:
    single = MetricTable.from_frame(frame[["FA", "d1"]], oracle=["d1"])
    assert (single.oracle, single.oracle_repeats) == ("d1", ())
    assert single.closeness_repeats.shape == (20, 0)


def test_selecting_and_averaging_keep_the_repeats(table: MetricTable) -> None:
    part = table.select(metrics=["RA"], blocks=["y"])
    assert part.oracle_repeats == tuple(REPEATS)
    units = table.aggregate()
    assert units.oracle_repeats == tuple(REPEATS)
    each = units.frame[REPEATS].to_numpy()
    np.testing.assert_allclose(-units.closeness, each.mean(axis=1), rtol=1e-15)
    assert list(table.to_frame().columns[-4:]) == ["oracle distance", *REPEATS]


def test_a_frame_of_a_table_makes_the_table_again(table: MetricTable) -> None:
    again = MetricTable.from_frame(table.to_frame(), oracle=REPEATS, **ROLES)
    assert (again.metrics, again.oracle) == (table.metrics, table.oracle)


@pytest.mark.parametrize(
    ("change", "oracle", "name"),
    [
        ({"oracle distance": 1.0}, REPEATS, "oracle distance_"),
        ({"oracle distance": "x"}, REPEATS, "oracle distance_"),
        ({"oracle distance": 0.5}, ["oracle distance", "d1"], "oracle distance_"),
    ],
)
def test_no_column_is_overwritten(
    frame: pd.DataFrame, change: dict[str, Any], oracle: list[str], name: str
) -> None:
    changed = frame.assign(**change)
    made = MetricTable.from_frame(changed, oracle=oracle, metrics=["FA"], **ROLES)
    assert made.oracle == name
    assert (made.frame["oracle distance"] == changed["oracle distance"]).all()


def test_the_order_of_repeats_does_not_matter(frame: pd.DataFrame) -> None:
    frame.loc[:1, REPEATS] = [[0.1, 0.2, 0.3], [0.3, 0.1, 0.2]]
    first = MetricTable.from_frame(frame, oracle=REPEATS, **ROLES)
    second = MetricTable.from_frame(frame[::-1], oracle=REPEATS[::-1], metrics=["FA"], **ROLES)
    assert first.closeness.tolist() == second.closeness[::-1].tolist()
    assert first.closeness[0] == first.closeness[1]


def test_missing_infinite_and_huge_distances(frame: pd.DataFrame) -> None:
    frame.loc[0, "d2"] = np.nan
    frame.loc[1, "d1"] = np.inf
    frame.loc[2, ["d1", "d2"]] = [np.inf, -np.inf]
    frame.loc[3, REPEATS] = [1.5e308, 1.5e308, 1.5e308]
    distance = -MetricTable.from_frame(frame, oracle=REPEATS, **ROLES).closeness
    assert np.isnan(distance[[0, 2]]).all()
    assert distance[1] == np.inf
    assert distance[3] == pytest.approx(1.5e308)


@pytest.mark.parametrize(
    ("oracle", "error", "says"),
    [
        (["d1", "d1"], ArgumentError, "names the column 'd1' twice"),
        ([], ArgumentError, r"oracle=\[\] names no column"),
        (["d1", "d9"], ArgumentError, "Unknown oracle column 'd9'"),
        (["d1", "method"], ArgumentError, "both as oracle and as item"),
        (["d1", 3], ArgumentError, "Unknown oracle column 3"),
        (["d1", "FA"], ArgumentError, "'FA' is named as a metric"),
        (["d1", "note"], TableError, "Column 'note' must hold numbers"),
    ],
)
def test_oracles_that_cannot_be(
    frame: pd.DataFrame, oracle: list[Any], error: type[Exception], says: str
) -> None:
    frame["note"] = "x"
    with pytest.raises(error, match=says):
        MetricTable.from_frame(frame, oracle=oracle, metrics=["FA"], **ROLES)


def test_loose_repeats(frame: pd.DataFrame) -> None:
    metrics, distances = frame[["FA", "RA"]], frame[REPEATS]
    expected = -distances.mean(axis=1).to_numpy()
    array = distances.to_numpy()
    for oracle in (distances, distances[::-1], array, array.tolist()):
        made = as_table(metrics, oracle)
        np.testing.assert_allclose(made.closeness, expected, rtol=1e-15)
        assert len(made.oracle_repeats) == 3
    assert as_table(metrics, array).oracle_repeats == ("oracle 1", "oracle 2", "oracle 3")
    assert as_table(frame, distances, metrics=["FA"]).oracle_repeats == tuple(REPEATS)
    assert as_table(frame, REPEATS, metrics=["FA"]).oracle_repeats == tuple(REPEATS)
    five = frame.assign(d4=0.1, d5=0.2)
    assert len(as_table(five, [*REPEATS, "d4", "d5"], metrics=["FA"]).oracle_repeats) == 5
    assert as_table(metrics, distances[["d1"]]).oracle == "d1"
    assert as_table(metrics, array[:, :1]).oracle == "oracle"


@pytest.mark.parametrize(
    ("oracle", "error", "says"),
    [
        (np.zeros((3, 2)), TableError, r"shape \(3, 2\).*20 rows"),
        (np.zeros((20, 0)), TableError, r"shape \(20, 0\)"),
        (np.zeros((20, 2, 2)), TableError, r"shape \(20, 2, 2\)"),
        ([[1.0], [1.0, 2.0]] * 10, TableError, "oracle= has shape"),
        ([np.zeros(20), np.ones(20)], ArgumentError, "might as well be rows"),
        (pd.DataFrame(index=range(20)), ArgumentError, "without columns"),
        (pd.DataFrame([[1.0, 2.0]] * 20, columns=["a", "a"]), TableError, "'a' occurs 2 times"),
        (pd.DataFrame({"a": [1.0], "b": [2.0]}), TableError, "same index"),
    ],
)
def test_loose_repeats_that_cannot_be_matched(
    frame: pd.DataFrame, oracle: Any, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        as_table(frame[["FA"]], oracle)


def test_new_roles_keep_or_replace_the_repeats(table: MetricTable, frame: pd.DataFrame) -> None:
    kept = as_table(table, metrics=["RA"])
    assert (kept.oracle, kept.oracle_repeats) == ("oracle distance", tuple(REPEATS))
    fewer = as_table(table, ["d1", "d2"])
    assert (fewer.oracle, fewer.oracle_repeats) == ("oracle distance", ("d1", "d2"))
    np.testing.assert_allclose(-fewer.closeness, frame[["d1", "d2"]].mean(axis=1), rtol=1e-15)
    assert as_table(table, "d3").oracle_repeats == ()
    assert as_table(table, "oracle distance").closeness.tolist() == table.closeness.tolist()


def test_repeats_change_nothing_but_the_ceiling(table: MetricTable) -> None:
    alone = as_table(table, table.oracle)
    for statistic, estimate in (("spearman", "stratified"), ("kendall", "mean")):
        options: dict[str, Any] = {"statistic": statistic, "estimate": estimate}
        many = mr.reliability(table, n_resamples=50, rng=1, **options)
        one = mr.reliability(alone, n_resamples=50, rng=1, **options)
        columns = [c for c in one.frame if c != "of_ceiling"]
        pd.testing.assert_frame_equal(many.frame[columns], one.frame[columns])
        assert one.frame["of_ceiling"].isna().all()
        assert (math.isnan(one.ceiling), one.ceiling_reason) == (True, "")
        assert many.frame["of_ceiling"].tolist() == (many.rho / many.ceiling).tolist()
        low, high = many.ceiling_interval
        assert 0 <= low <= many.ceiling <= high <= 1
    assert "3 oracles agree" in many.headline()
    assert "ceiling" not in one.headline()
    json.dumps(many.to_dict(), allow_nan=False)


def test_rows_that_only_repeats_tell_apart_may_stand_in_any_order() -> None:
    frame = pd.DataFrame({"FA": [1.0, 1, 1, 2, 3, 0]})
    distances = pd.DataFrame({"a": [1.0, 3, 2, 5, 1, 2], "b": [3.0, 1, 2, 4, 2, 3]})
    results = [
        mr.reliability(frame.iloc[order], distances.iloc[order], n_resamples=50, rng=0)
        for order in ([0, 1, 2, 3, 4, 5], [2, 1, 0, 5, 4, 3])
    ]
    first, second = (r.oracle_agreement_interval for r in results)
    assert first == pytest.approx(second, abs=1e-12)


def test_the_published_protocol_knows_no_ceiling(table: MetricTable) -> None:
    found = mr.reliability(table, protocol="published")
    assert (
        found.rho.tolist()
        == mr.reliability(as_table(table, table.oracle), protocol="published").rho.tolist()
    )
    assert math.isnan(found.ceiling)
    assert "ceiling" not in found.headline()


@pytest.mark.parametrize(
    ("second", "statistic", "reason"),
    [
        (lambda d: -d, "spearman", "negative"),
        (lambda d: 0 * d, "spearman", "constant"),
        (lambda d: d * np.nan, "spearman", "missing"),
        (lambda d: d.where(d > d.min(), np.inf), "pearson", "non_finite"),
        (lambda d: d, "acc_eq", "no_correlation"),
    ],
)
def test_no_ceiling_has_a_reason(
    frame: pd.DataFrame, second: Any, statistic: str, reason: str
) -> None:
    distances = pd.DataFrame({"d1": frame["d1"], "d2": second(frame["d1"])})
    found = mr.reliability(frame[["FA"]], distances, statistic=statistic, n_resamples=20, rng=0)
    assert (found.ceiling_reason, math.isnan(found.ceiling)) == (reason, True)
    assert np.isnan(found.ceiling_interval).all()
    assert found.frame["of_ceiling"].isna().all()
    assert f"ceiling undefined ({reason})" in found.headline()


def test_one_model_has_no_ceiling() -> None:
    found = mr.reliability(pd.DataFrame({"FA": [0.1]}), np.array([[1.0, 2.0]]), n_resamples=5)
    assert found.ceiling_reason == "too_few"


def test_oracles_that_agree_by_nothing_have_a_ceiling_of_zero() -> None:
    distances = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 1.0], [4.0, 3.0]])
    found = mr.reliability(pd.DataFrame({"FA": [1.0, 2, 3, 4]}), distances, n_resamples=20, rng=0)
    assert (found.oracle_agreement, found.ceiling, found.ceiling_reason) == (0, 0, "")
    assert found.frame["of_ceiling"].isna().all()


def test_a_metric_can_pass_the_ceiling(frame: pd.DataFrame) -> None:
    frame["FA"] = frame[REPEATS].mean(axis=1)
    found = mr.reliability(frame[["FA"]], frame[REPEATS], n_resamples=20, rng=0)
    assert found.rho["FA"] == pytest.approx(1)
    assert found.frame.loc["FA", "of_ceiling"] > 1


def test_noisy_oracles_are_found(frame: pd.DataFrame) -> None:
    def found(distances: Any) -> Any:
        return audit(frame[["FA", "RA"]], distances, select=["MR019"]).findings

    assert not found(frame[REPEATS])
    assert not found(frame["d1"])
    rng = np.random.default_rng(3)
    noisy = frame[REPEATS] + rng.normal(0, 0.8, (20, 3))
    (finding,) = found(noisy)
    assert finding.severity == "warning"
    assert 0 < finding.evidence["ceiling"] < 0.7
    assert "The 3 oracles agree little" in finding.message
    assert f"{finding.evidence['agreement']:.3f}" in finding.message
    (finding,) = found(frame[["d1"]].assign(d2=-frame["d1"]))
    assert (finding.severity, finding.evidence["reason"]) == ("error", "negative")
    (finding,) = found(frame[["d1"]].assign(d2=1.0))
    assert (finding.severity, finding.evidence["reason"]) == ("warning", "constant")


def test_rules_look_at_every_repeat(frame: pd.DataFrame) -> None:
    frame.loc[0, "d2"] = np.nan
    frame.loc[1, "d3"] = -1.0
    frame["RA"] = -frame["d1"]
    table = MetricTable.from_frame(frame, oracle=REPEATS, **ROLES)
    (missing,) = audit(table, select=["MR007"]).findings
    assert missing.evidence["column"] == "d2"
    outside = audit(table, select=["MR008"]).findings
    assert "d3" in [f.evidence["column"] for f in outside]
    (leak,) = audit(table, select=["MR010"]).findings
    assert (leak.metrics, leak.evidence["distance"], leak.severity) == (("RA",), "d1", "error")


def test_flawed_definitions_are_named() -> None:
    frame = pd.DataFrame({"FA_class": [0.1, 0.2], "JS_topk_sorted": [0.1, 0.3], "FA": [0.1, 0.2]})
    directions = {"FA_class": "lower", "JS_topk_sorted": "lower"}
    first, second = audit(frame, directions=directions, select=["flawed-definition"]).findings
    assert (first.code, first.severity, first.metrics) == ("MR018", "warning", ("FA_class",))
    assert "cannot tell forgetting from breaking" in first.message
    assert "sorted by size" in second.message
    assert not audit(frame[["FA"]], select=["MR018"]).findings


def test_command_line(
    frame: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    roles = ["--block", "data", "--item", "method", "--replicate", "seed"]
    some = [["--oracle", *REPEATS], ["--oracle", "d1", "d2", "--oracle", "d3"]]
    for oracle in some:
        asked = ["reliability", str(path), *oracle, *roles, "--resamples", "20", "--json"]
        assert main(asked) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["oracle_repeats"] == REPEATS
        assert 0 < found["ceiling"] < 1
    assert main(["audit", str(path), *some[0], *roles]) == 0
    assert main(["reliability", str(path), "--oracle", "d1", "d1"]) == 2
    assert "'d1' twice" in capsys.readouterr().err


def test_report(table: MetricTable, tmp_path: Path) -> None:
    import html
    import re

    done = mr.report(table, tmp_path / "a", n_resamples=20, rng=0)
    page = done.path.read_text(encoding="utf-8")
    assert "the mean of d1, d2 and d3" in page
    assert "of the ceiling" in page
    (command,) = re.findall(r"<pre[^>]*><code>(.*?)</code>", page, re.DOTALL)
    assert "oracle=['d1', 'd2', 'd3']" in html.unescape(command)
    path = tmp_path / "a" / "tables" / "analysed.csv"
    again = mr.read_table(path, oracle=REPEATS, **ROLES)
    assert again.frame["oracle distance"].tolist() == table.frame["oracle distance"].tolist()
    assert again.metrics == table.metrics
