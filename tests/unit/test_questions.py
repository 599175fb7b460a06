"""The questions: options, undefined results, and what a result shows."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import metareval as mr
from metareval.errors import ArgumentError, MetarevalError, TableError
from metareval.progress import show_progress
from metareval.results import Result

FEW = {"n_resamples": 50, "rng": 0}


def small(**columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_results_are_frozen_and_convert(released: mr.MetricTable, unimodal: mr.MetricTable) -> None:
    uqs = mr.UQS.fit(released, **FEW)
    results = [
        mr.agreement(released, **FEW),
        mr.compare_agreement(released, unimodal, **FEW),
        mr.cluster_metrics(released, **FEW),
        mr.reliability(released, **FEW),
        mr.compare_metrics(released, **FEW),
        uqs,
        mr.perturb(uqs, released, **FEW),
        mr.plan(released),
    ]
    for result in results:
        assert isinstance(result.to_frame(), pd.DataFrame)
        json.dumps(result.to_dict(), allow_nan=False)
        assert max(map(len, repr(result).splitlines())) <= 80
        assert result._repr_html_().startswith("<p>")
        with pytest.raises(AttributeError):
            result.anything = 1  # type: ignore[attr-defined, union-attr]


@pytest.mark.parametrize(
    ("call", "options", "message"),
    [
        (mr.agreement, {"statistic": "kendal"}, "Unknown statistic 'kendal'. Did you mean"),
        (mr.agreement, {"estimate": "mea"}, "Unknown estimate 'mea'. Did you mean 'mean'"),
        (mr.agreement, {"protocol": "paper"}, "Unknown protocol 'paper'"),
        (mr.agreement, {"protocol": "published", "estimate": "pooled"}, "fixes estimate"),
        (mr.agreement, {"correction": "x"}, "Unknown correction 'x'"),
        (mr.agreement, {"n_resamples": 0}, "n_resamples is 0"),
        (mr.agreement, {"n_resamples": 1e3}, "must be an integer"),
        (mr.agreement, {"confidence": 95}, "confidence is 95"),
        (mr.agreement, {"rng": "seed"}, "rng is 'seed'"),
        (mr.agreement, {"unit": "seed"}, "Unknown unit 'seed'"),
        (mr.reliability, {"test": "z"}, "Unknown test 'z'"),
        (mr.reliability, {"test": "t"}, "pass estimate='pooled'"),
        *(
            (
                mr.reliability,
                {"test": "t", "estimate": "pooled", "statistic": name},
                f"statistic='{name}' has none: pass test='permutation'",
            )
            for name in ("kendall", "kendall_c", "acc_eq", "acc_eq_calibrated")
        ),
        (mr.reliability, {"alternative": "up"}, "Unknown alternative 'up'"),
        (mr.cluster_metrics, {"n_clusters": 9}, "must be an integer between 1 and 5"),
        (mr.cluster_metrics, {"statistic": "acc_eq"}, "is not a correlation"),
        (mr.compare_metrics, {"alpha": 5}, "as in 0.05"),
        (mr.agreement, {"metrics": []}, "metrics= is empty"),
        (mr.UQS.fit, {"weights": "equal"}, "Unknown weights 'equal'"),
        (mr.UQS.fit, {"floor": -0.1}, "floor is -0.1"),
        (mr.UQS.fit, {"transforms": {"FB": "identity"}}, "metric in transforms 'FB'"),
        (mr.UQS.fit, {"transforms": {"FA": "sqrt"}}, "Unknown transform 'sqrt'"),
        (mr.UQS.fit, {"transforms": {"FA": "identity"}}, "use complement or reciprocal"),
    ],
)
def test_bad_options(
    released: mr.MetricTable, call: object, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        call(released, **options)  # type: ignore[operator]


def test_plain_frame_and_series() -> None:
    df = small(FA=[0.1, 0.4, 0.2, 0.9], RA=[0.9, 0.8, 0.7, 0.1], distance=[1.0, 3.0, 2.0, 6.0])
    found = mr.reliability(df[["FA", "RA"]], df["distance"], **FEW).to_frame()
    assert list(found.index) == ["FA", "RA"]
    assert found.loc["FA", "rho"] == 1.0
    assert list(found.columns[:8]) == [
        "rho", "low", "high", "pvalue", "adjusted", "n_rows", "n_units", "reason",
    ]  # fmt: skip
    by_name = mr.reliability(df, "distance", **FEW).to_frame()
    pd.testing.assert_frame_equal(found, by_name)
    shuffled = mr.reliability(df[["FA", "RA"]], df["distance"].iloc[::-1], **FEW).to_frame()
    pd.testing.assert_frame_equal(found, shuffled)


def test_roles_of_a_plain_frame() -> None:
    df = small(FA=[0.1, 0.4, 0.2, 0.9], d=[1.0, 3.0, 2.0, 6.0])
    block = pd.Series(["a", "a", "b", "b"])
    found = mr.reliability(df[["FA"]], df["d"], block=block, **FEW).to_frame()
    assert found.loc["FA", "n_blocks"] == 2


def test_no_oracle_is_an_error_that_says_what_to_pass(unimodal: mr.MetricTable) -> None:
    for call in (mr.reliability, mr.compare_metrics, mr.UQS.fit):
        with pytest.raises(TableError, match="has no oracle: name the column"):
            call(unimodal)


def test_constant_metric_is_undefined_everywhere() -> None:
    df = small(FA=[0.5] * 6, RA=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], MIA=[0.3, 0.2, 0.5, 0.1, 0.7, 0.6])
    df["d"] = [6.0, 5, 4, 3, 2, 1]
    table = mr.MetricTable.from_frame(df, oracle="d")
    found = mr.agreement(table, **FEW)
    assert found.reason.loc["FA", "RA"] == found.reason.loc["FA", "FA"] == "constant"
    assert math.isnan(found.estimate.loc["FA", "RA"])
    row = mr.reliability(table, **FEW).to_frame().loc["FA"]
    assert row["reason"] == "constant"
    assert math.isnan(row["pvalue"])
    clusters = mr.cluster_metrics(table, **FEW)
    assert clusters.excluded.to_dict() == {"FA": "constant"}
    comparison = mr.compare_metrics(table, **FEW)
    assert "FA" not in comparison.best_set
    uqs = mr.UQS.fit(table, **FEW)
    assert uqs.weights["FA"] == 0
    assert uqs.excluded.to_dict() == {"FA": "constant"}


def test_clusters_of_nothing_say_so() -> None:
    flat = small(FA=[0.5] * 3, RA=[0.5] * 3)
    assert mr.cluster_metrics(flat, n_clusters=1, **FEW).n_clusters == 0
    with pytest.raises(ArgumentError, match="n_clusters is 2, but no metric can be clustered"):
        mr.cluster_metrics(flat, n_clusters=2, **FEW)


def test_undefined_agreement_is_said_in_words() -> None:
    flat = small(FA=[0.5] * 3, RA=[0.5] * 3)
    assert "no pair of 2 metrics is defined" in repr(mr.agreement(flat, **FEW))
    both = mr.compare_agreement(flat, flat, **FEW).headline()
    assert both.endswith("no pair of FA, RA is defined in both tables")
    for result in (mr.agreement(flat, **FEW), mr.cluster_metrics(flat, n_clusters=1, **FEW)):
        assert "nan" not in repr(result)


def test_frames_without_rows_have_the_types_of_others(released: mr.MetricTable) -> None:
    one = released.select(metrics=["RA"])
    assert_same_types(mr.agreement(one, **FEW), mr.agreement(released, **FEW))
    assert_same_types(mr.compare_metrics(one, **FEW), mr.compare_metrics(released, **FEW))
    none, some = (mr.cluster_metrics(released, n_clusters=n, **FEW).opposition for n in (1, 2))
    assert len(none) == 0 < len(some)
    assert none.dtypes.to_dict() == some.dtypes.to_dict()


def assert_same_types(empty: Result, full: Result) -> None:
    assert len(empty.to_frame()) == 0 < len(full.to_frame())
    assert empty.to_frame().dtypes.to_dict() == full.to_frame().dtypes.to_dict()


def test_one_row_and_two_rows() -> None:
    one = small(FA=[0.1], RA=[0.2], d=[1.0])
    found = mr.agreement(one[["FA", "RA"]], **FEW)
    assert found.reason.loc["FA", "RA"] == "too_few"
    assert mr.reliability(one, "d", **FEW).frame["reason"].tolist() == ["too_few", "too_few"]
    assert mr.cluster_metrics(one[["FA", "RA"]], **FEW).n_clusters == 0
    with pytest.raises(TableError, match="No metric has a defined reliability"):
        mr.UQS.fit(one, "d", **FEW)
    two = small(FA=[0.1, 0.3], RA=[0.2, 0.9], d=[1.0, 2.0])
    found = mr.agreement(two[["FA", "RA"]], **FEW)
    assert found.estimate.loc["FA", "RA"] == -1
    assert found.pvalue.loc["FA", "RA"] == 1


def test_missing_values_are_marked_and_counted() -> None:
    nan = math.nan
    df = small(FA=[0.1, nan, 0.3, 0.5], RA=[nan, 0.2, nan, nan], MIA=[0.4, 0.2, 0.1, 0.3])
    found = mr.agreement(df, **FEW)
    assert found.reason.loc["FA", "RA"] == "missing"
    assert found.n_rows.loc["FA", "MIA"] == 3
    assert found.estimate.loc["FA", "MIA"] == pytest.approx(-1 / 3)


def test_a_pair_without_exchanges_leaves_the_others_their_p() -> None:
    """Of the rows that a and c share, no two are of one block."""
    frame = pd.DataFrame(
        {"a": [1.0, math.nan, math.nan, 2.0, math.nan, math.nan], "b": [1.0, 2, 3, 4, 5, 6],
         "c": [1.0, 2, 3, 6, 5, 4], "block": list("xxxyyy")}
    )  # fmt: skip
    found = mr.agreement(
        frame, estimate="pooled", directions=dict.fromkeys("abc", "higher"), block="block", **FEW
    )
    assert found.estimate.loc["a", "c"] == 1
    assert math.isnan(found.pvalue.loc["a", "c"])
    assert found.note.loc["a", "c"] == "no_exchange"
    assert found.pvalue.loc["b", "c"] == 1
    assert found.note.loc["b", "c"] == ""


def test_undefined_numbers_are_not_a_number(
    released: mr.MetricTable, unimodal: mr.MetricTable
) -> None:
    found = mr.compare_agreement(released, unimodal, protocol="published")
    for value in (found.low, found.high, found.pvalue, found.confidence):
        assert math.isnan(value)


def test_pearson_says_that_it_needs_finite_values() -> None:
    df = small(FA=[0.1, 0.2, 0.3, 0.4], AD=[1.0, math.inf, 2.0, 3.0])
    found = mr.agreement(df, statistic="pearson", **FEW)
    assert found.reason.loc["FA", "AD"] == "non_finite"
    assert math.isnan(found.estimate.loc["FA", "AD"])
    assert not math.isnan(mr.agreement(df, **FEW).estimate.loc["FA", "AD"])


@pytest.mark.parametrize(
    ("call", "labels"),
    [
        (lambda t: mr.agreement(t, **FEW), {"bootstrap", "permutations"}),
        (lambda t: mr.compare_metrics(t, **FEW), {"bootstrap", "paired permutations"}),
        (lambda t: mr.compare_agreement(t, t, **FEW), {"bootstrap", "exchanges"}),
    ],
)
def test_progress_is_shown_to_the_end(
    call: Callable[[mr.MetricTable], object],
    labels: set[str],
    released: mr.MetricTable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("metareval.progress.PATIENCE_SECONDS", -1)
    stream = Terminal()
    with show_progress(stream):
        call(released)
    shown = re.findall(r"([a-z ]+): +(\d+)%", stream.getvalue())
    last = {label.strip(): int(share) for label, share in shown}
    assert last == dict.fromkeys(labels, 100)


def test_same_seed_same_result(released: mr.MetricTable) -> None:
    for call in (mr.agreement, mr.reliability, mr.compare_metrics, mr.cluster_metrics, mr.UQS.fit):
        first, second = (call(released, n_resamples=300, rng=7).to_dict() for _ in range(2))
        assert json.dumps(first) == json.dumps(second)


def test_global_random_state_is_left_alone(released: mr.MetricTable) -> None:
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # type: ignore[index, union-attr] # noqa: NPY002
    uqs = mr.UQS.fit(released, protocol="published")
    mr.perturb(uqs, released, protocol="published")
    mr.agreement(released, **FEW)
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index] # noqa: NPY002


def test_units_are_cells_and_rows_only_on_request(released: mr.MetricTable) -> None:
    cells = mr.reliability(released, **FEW).frame
    rows = mr.reliability(released, unit="row", **FEW).frame
    assert (cells["n_units"] == 12).all()
    assert (rows["n_units"] == 36).all()
    assert (rows["pvalue"] < cells["pvalue"]).any()


def test_block_level_confounding_does_not_pass_for_reliability() -> None:
    """Blocks that differ in level correlate when pooled, and not within blocks."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"block": np.repeat(["a", "b", "c"], 20)})
    level = np.repeat([0.0, 10.0, 20.0], 20)
    frame["m"] = level + rng.normal(size=60)
    frame["d"] = -level + rng.normal(size=60)
    options = {"directions": {"m": "higher"}, "block": "block", "n_resamples": 500, "rng": 0}
    pooled = mr.reliability(frame, "d", estimate="pooled", **options).frame.loc["m"]
    stratified = mr.reliability(frame, "d", **options).frame.loc["m"]
    assert pooled["rho"] > 0.8
    assert abs(stratified["rho"]) < 0.3
    assert pooled["pvalue"] > 0.05
    assert stratified["pvalue"] > 0.05


def test_clusters_of_a_table_built_from_two_groups() -> None:
    rng = np.random.default_rng(1)
    base = rng.normal(size=60)
    df = pd.DataFrame(
        {
            "a1": base + 0.1 * rng.normal(size=60),
            "a2": base + 0.1 * rng.normal(size=60),
            "b1": -base + 0.1 * rng.normal(size=60),
            "b2": -base + 0.1 * rng.normal(size=60),
        }
    )
    found = mr.cluster_metrics(df, directions=dict.fromkeys(df, "higher"), n_resamples=200, rng=0)
    assert found.n_clusters == 2
    assert found.members(1) == ["a1", "a2"]
    assert (found.support > 0.99).all()
    assert found.opposition["opposing"].all()
    assert set(found.order[:2]) in ({"a1", "a2"}, {"b1", "b2"})


def test_silhouette_equals_scikit_learn_by_hand() -> None:
    """Two tight pairs far apart: (b - a) / max(a, b) for every metric alike."""
    from metareval.questions.clustering import _silhouette

    tau = np.array([[1, 0.8, -0.6, -0.6], [0.8, 1, -0.6, -0.6], [-0.6, -0.6, 1, 0.8],
                    [-0.6, -0.6, 0.8, 1]])  # fmt: skip
    assert _silhouette(tau, np.array([1, 1, 2, 2])) == pytest.approx((0.8 - 0.1) / 0.8)
    assert _silhouette(tau, np.array([1, 1, 2, 3])) == pytest.approx(0.5 * (0.8 - 0.1) / 0.8)


def test_best_metric_wins_when_it_is_better() -> None:
    rng = np.random.default_rng(2)
    d = rng.random(80)
    df = pd.DataFrame({"good": -d + 0.05 * rng.normal(size=80), "bad": rng.normal(size=80)})
    found = mr.compare_metrics(
        df, d, directions={"good": "higher", "bad": "higher"}, n_resamples=500, rng=0
    )
    assert found.best == "good"
    assert found.best_set == ("good",)
    row = found.frame.loc[("good", "bad")]
    assert row["williams_p"] < 1e-6
    assert row["pvalue"] < 0.01
    assert row["low"] > 0


def test_score_marks_what_it_cannot_score() -> None:
    frame = pd.DataFrame(
        {
            "block": ["x"] * 4 + ["y"] * 3,
            "item": ["a", "b", "c", "d", "a", "b", "c"],
            "RA": [0.1, 0.4, 0.6, 0.9, 0.2, 0.5, 0.7],
            "MIA": [0.9, 0.5, 0.2, 0.1, 0.8, math.nan, 0.3],
            "d": [4.0, 3, 2, 1, 3, 2, 1],
        }
    )
    table = mr.MetricTable.from_frame(frame, oracle="d", block="block", item="item")
    uqs = mr.UQS.fit(table, **FEW)
    score = uqs.score(table)
    assert math.isnan(score["b"])
    assert math.isnan(score["d"])
    assert not math.isnan(score["a"])
    assert math.isnan(uqs.rank(table)["d"])
    with pytest.raises(TableError, match=r"'RA' has no value for d|'MIA' has no value for b"):
        mr.perturb(uqs, table, **FEW)


def test_score_refuses_values_it_cannot_map() -> None:
    df = small(m=[0.0, 10.0, 20.0, 15.0], d=[3.0, 2.0, 1.0, 1.5])
    table = mr.MetricTable.from_frame(df, directions={"m": "higher"}, oracle="d")
    with pytest.raises(TableError, match=r"'m' has values outside \[0, 1\].*saturation"):
        mr.UQS.fit(table, **FEW)
    uqs = mr.UQS.fit(table, transforms={"m": "saturation"}, **FEW)
    assert uqs.score(table).tolist() == pytest.approx([0, 10 / 11, 20 / 21, 15 / 16])
    other = mr.MetricTable.from_frame(small(x=[0.1, 0.2]), directions={"x": "higher"})
    with pytest.raises(TableError, match="weighs 'm', which the table"):
        uqs.score(other)
    flipped = mr.MetricTable.from_frame(df, directions={"m": "lower"}, oracle="d")
    with pytest.raises(TableError, match="fitted with higher 'm' better"):
        uqs.score(flipped)


def test_composite_beats_its_parts_when_they_complement_each_other() -> None:
    rng = np.random.default_rng(3)
    frames = []
    for name in ("x", "y", "z"):
        signal = rng.random(150)
        a, b = (np.clip(signal + 0.4 * rng.normal(size=150), 0, 1) for _ in range(2))
        frames.append(pd.DataFrame({"block": name, "RA": a, "MIA": 1 - b, "d": 1 - signal}))
    table = mr.MetricTable.from_frame(pd.concat(frames), oracle="d", block="block")
    uqs = mr.UQS.fit(table, n_resamples=500, rng=0)
    assert uqs.beats_best_part is True
    assert "beats its best part" in repr(uqs)


def test_cross_fitted_weights_need_blocks(released: mr.MetricTable) -> None:
    uqs = mr.UQS.fit(released, weights="cross_fitted", **FEW)
    assert list(uqs.fold_weights.index) == ["mllmu_bench", "unlok_vqa", "mmubench"]
    # mmubench is scored with what the other two teach, where FA and RA say nothing.
    assert uqs.fold_weights.loc["mmubench", ["FA", "RA"]].tolist() == [0, 0]
    single = released.select(blocks=["mmubench"])
    with pytest.raises(TableError, match="has one block"):
        mr.UQS.fit(single, weights="cross_fitted", **FEW)
    assert mr.UQS.fit(single, **FEW).beats_best_part is None


def test_perturbation_of_dominated_items() -> None:
    df = small(RA=[0.9, 0.5, 0.1], MIA=[0.1, 0.5, 0.9], d=[1.0, 2.0, 3.0])
    df["item"] = ["best", "middle", "worst"]
    table = mr.MetricTable.from_frame(df, oracle="d", item="item")
    uqs = mr.UQS.fit(table, **FEW)
    found = mr.perturb(uqs, table, **FEW)
    assert found.top1.to_dict() == {"best": 1.0, "middle": 0.0, "worst": 0.0}
    assert found.expected_tau == found.mean_tau == 1
    assert (found.reversals["status"] == "dominates").all()
    assert math.isinf(found.radius)
    assert "every leader dominates" in repr(found)


def test_perturbation_of_rows_and_units(released: mr.MetricTable) -> None:
    uqs = mr.UQS.fit(released, **FEW)
    assert len(mr.perturb(uqs, released, by="unit", **FEW).scores) == 12
    found = mr.perturb(uqs, released, by="row", n_resamples=2000, rng=0)
    assert len(found.scores) == 36
    error = found.std_tau / math.sqrt(2000)
    assert abs(found.mean_tau - found.expected_tau) < 4 * error
    with pytest.raises(ArgumentError, match="Unknown level 'seed'"):
        mr.perturb(uqs, released, by="seed", **FEW)


def test_differences_in_agreement(released: mr.MetricTable, unimodal: mr.MetricTable) -> None:
    same = mr.compare_agreement(released, released, **FEW)
    assert same.difference == 0
    assert same.pvalue > 0.5
    found = mr.compare_agreement(unimodal, released, n_resamples=500, rng=0)
    assert found.difference == pytest.approx(found.a - found.b)
    assert found.low < 0 < found.high
    assert found.pvalue > 0.05
    other = mr.MetricTable.from_frame(small(FA=[0.1, 0.2]))
    with pytest.raises(ArgumentError, match="share 1 metrics"):
        mr.compare_agreement(released, other)


def test_difference_in_agreement_is_found_where_there_is_one() -> None:
    rng = np.random.default_rng(4)
    base = rng.normal(size=60)
    alike = pd.DataFrame({"a": base, "b": base + 0.2 * rng.normal(size=60)})
    apart = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    tables = [
        mr.MetricTable.from_frame(f, directions={"a": "higher", "b": "higher"})
        for f in (alike, apart)
    ]
    found = mr.compare_agreement(*tables, n_resamples=999, rng=0)
    assert found.difference > 0.4
    assert found.pvalue < 0.01
    assert found.low > 0


def test_published_protocol_refuses_missing_values(unimodal: mr.MetricTable) -> None:
    with pytest.raises(TableError, match="'JS' has no value for cifar10 / gradient_ascent / 42"):
        mr.agreement(unimodal, protocol="published")
    rest = unimodal.select(metrics=["FA", "RA", "MIA", "AD"])
    assert mr.agreement(rest, protocol="published").n_cells == 3


def test_plan(released: mr.MetricTable) -> None:
    found = mr.plan(released, rho=0.5, rng=0)
    assert (found.n_units, found.n_blocks) == (12, 3)
    assert found.tests == 5
    assert found.models_needed > 36
    assert found.power_at_hand < 0.2
    assert len(mr.plan().to_frame()) == 2
    for options in ({"rho": 0}, {"rho": 2}, {"n_units": 0}, {"tests": 1.5}, {"power": 1}):
        with pytest.raises(MetarevalError):
            mr.plan(**options)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="Unknown statistic"):
        mr.plan(statistic="tau")


def test_frames_take_roles_everywhere() -> None:
    frame = pd.DataFrame(
        {
            "loss": [0.1, 0.4, 0.2, 0.9, 0.3, 0.5],
            "RA": [0.9, 0.8, 0.7, 0.1, 0.6, 0.2],
            "d": [1.0, 3.0, 2.0, 6.0, 4.0, 5.0],
            "i": list("abcabc"),
            "s": [1, 1, 1, 2, 2, 2],
        }
    )
    roles = {"item": "i", "replicate": "s"}
    directions = {"loss": "lower"}
    uqs = mr.UQS.fit(frame, "d", directions=directions, **roles, **FEW)
    assert list(uqs.score(frame, **roles).index) == ["a", "b", "c"]
    assert uqs.rank(frame, **roles).min() == 1
    assert uqs.values(frame, **roles).shape == (3, 2)
    assert len(mr.perturb(uqs, frame, **roles, **FEW).scores) == 3
    metrics = frame.drop(columns="d")
    found = mr.compare_agreement(metrics, metrics, directions=directions, **roles, **FEW)
    assert found.difference == 0
    assert mr.plan(metrics, directions=directions, **roles).n_units == 3


def test_a_list_as_long_as_the_frame_holds_values() -> None:
    df = small(FA=[0.1, 0.4, 0.2], d=[1.0, 3.0, 2.0])
    found = mr.reliability(df, "d", item=["p", "q", "r"], **FEW)
    assert found.frame.loc["FA", "n_units"] == 3


def test_scores_without_weights_are_undefined() -> None:
    df = small(FA=[0.1, 0.2, 0.3, 0.4], RA=[0.4, 0.3, 0.2, 0.1], d=[4.0, 3.0, 2.0, 1.0])
    with pytest.raises(TableError, match="every weight would be 0"):
        mr.UQS.fit(df, "d", floor=0, **FEW)
    frame = pd.DataFrame(
        {"block": ["x"] * 4 + ["y"] * 4, "RA": [0.5] * 4 + [0.1, 0.2, 0.3, 0.4],
         "d": [1.0, 2, 3, 4, 4, 3, 2, 1]}
    )  # fmt: skip
    uqs = mr.UQS.fit(frame, "d", block="block", weights="cross_fitted", **FEW)
    assert uqs.fold_weights.loc["y"].isna().all()
    assert uqs.weights.sum() == pytest.approx(1)
    rows = uqs.score(frame, by="row", block="block")
    assert rows.iloc[4:].isna().all()
    assert rows.iloc[:4].notna().all()


def test_differences_are_over_pairs_that_both_tables_define(
    released: mr.MetricTable, blip2: mr.MetricTable
) -> None:
    frame = released.to_frame()
    frame["FA"] = 0.5
    flat = mr.MetricTable.from_frame(
        frame, oracle="retrained_distance", block="dataset", item="method", replicate="seed"
    )
    found = mr.compare_agreement(released, flat, **FEW)
    assert found.difference == 0
    assert len(found.pairs) == 6
    assert mr.compare_agreement(released, blip2, **FEW).pairs == (("RA", "AD"),)
    two = flat.select(metrics=["FA", "RA"])
    nothing = mr.compare_agreement(two, two, **FEW)
    assert nothing.reason == "no_shared_pair"
    assert math.isnan(nothing.pvalue)


def test_differences_refuse_what_cannot_be_compared(released: mr.MetricTable) -> None:
    with pytest.raises(ArgumentError, match="not one of ranks"):
        mr.compare_agreement(released, released, statistic="pearson")
    flipped = mr.MetricTable.from_frame(
        released.to_frame()[["FA", "RA"]], directions={"FA": "higher"}
    )
    with pytest.raises(ArgumentError, match="give it one direction"):
        mr.compare_agreement(released, flipped)


def test_tables_whose_units_cannot_trade_places_have_no_pvalue(released: mr.MetricTable) -> None:
    """Each unit of one table has three seeds, and each of the other has one."""
    single = released.to_frame().drop_duplicates(["dataset", "method"]).drop(columns="seed")
    other = mr.MetricTable.from_frame(
        single, oracle="retrained_distance", block="dataset", item="method"
    )
    found = mr.compare_agreement(released, other, **FEW)
    assert found.low < found.difference < found.high
    assert math.isnan(found.pvalue)
    assert found.note == "no_exchange"
    assert mr.compare_agreement(other, other, **FEW).note == ""


def test_directions_of_metrics_that_one_table_has(released: mr.MetricTable) -> None:
    frame = released.to_frame()[["FA", "RA", "MIA"]].rename(columns={"MIA": "mine"})
    directions = {"FA": "lower", "mine": "lower"}
    found = mr.compare_agreement(frame, frame[["FA", "RA"]], directions=directions, **FEW)
    assert found.metrics == ("FA", "RA")
    with pytest.raises(ArgumentError, match="column in directions 'yours'"):
        mr.compare_agreement(frame, frame, directions={**directions, "yours": "lower"}, **FEW)


def test_tests_of_correlations_are_made_of_correlations() -> None:
    frame = pd.DataFrame(
        {"a": range(8), "b": [1, 0, 3, 2, 5, 4, 7, 6], "d": [0, 2, 1, 5, 3, 4, 7, 6]}
    )
    directions = dict.fromkeys("ab", "higher")
    columns = ["williams_t", "williams_p", "steiger_z", "steiger_p"]
    for name, made in (("kendall", True), ("acc_eq", False), ("acc_eq_calibrated", False)):
        found = mr.compare_metrics(frame, "d", statistic=name, directions=directions, **FEW).frame
        assert (found[columns].notna() == made).all(axis=None), name
        assert found["pvalue"].notna().all()


def test_one_cluster_has_no_support() -> None:
    """No draw could split what is cut into one."""
    base = np.arange(12.0)
    frame = pd.DataFrame({"a": base, "b": np.roll(base, 1), "c": np.roll(base, 2)})
    found = mr.cluster_metrics(
        frame, directions=dict.fromkeys(frame, "higher"), n_clusters=1, **FEW
    )
    assert found.support.isna().all()
    assert "nan" not in repr(found)


def test_perturbation_refuses_scores_it_cannot_perturb(released: mr.MetricTable) -> None:
    with pytest.raises(ArgumentError, match="other weights in every block"):
        mr.perturb(mr.UQS.fit(released, weights="cross_fitted", **FEW), released)
    with pytest.raises(ArgumentError, match="perturbs a score fitted by it"):
        mr.perturb(mr.UQS.fit(released, **FEW), released, protocol="published")
    with pytest.raises(ArgumentError, match="first argument is a MetricTable"):
        mr.perturb(released, released)  # type: ignore[arg-type]


def test_row_order_changes_nothing(released: mr.MetricTable) -> None:
    frame = released.to_frame().sample(frac=1, random_state=1)
    moved = mr.MetricTable.from_frame(
        frame, oracle="retrained_distance", block="dataset", item="method", replicate="seed"
    )
    first, second = (mr.UQS.fit(t, n_resamples=300, rng=0) for t in (released, moved))
    numbers = ["rho", "low", "high", "lead_low", "lead_high"]
    pd.testing.assert_frame_equal(first.validation[numbers], second.validation[numbers])
    noise = [
        mr.perturb(u, t, n_resamples=300, rng=0).replicate_noise["mean_tau"]
        for u, t in ((first, released), (second, moved))
    ]
    assert noise[0] == noise[1]


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_pearson_at_extreme_scales(scale: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.random(12)
    df = pd.DataFrame({"FA": x * scale, "d": x + 0.1 * rng.random(12)})
    found = mr.reliability(df, "d", statistic="pearson", **FEW).frame.loc["FA"]
    assert found["rho"] == pytest.approx(np.corrcoef(x, df["d"])[0, 1], abs=1e-12)
    assert 0 < found["low"] < found["high"] <= 1


def test_tiny_metrics_are_not_rounded_away() -> None:
    d = np.tile(np.arange(1.0, 7.0), 2)
    df = pd.DataFrame({"FA": d * 1e-14, "d": d, "block": ["x"] * 6 + ["y"] * 6})
    uqs = mr.UQS.fit(df, "d", block="block", **FEW)
    assert uqs.validation.loc["best metric", "rho"] == 1


def test_tables_can_be_pickled(released: mr.MetricTable) -> None:
    import copy
    import pickle

    back = pickle.loads(pickle.dumps(released))  # noqa: S301
    assert dict(back.directions) == dict(released.directions)
    pd.testing.assert_frame_equal(copy.deepcopy(released).frame, released.frame)


def test_integers_that_would_tie_are_refused() -> None:
    df = small(FA=[0.1, 0.2, 0.3])
    df["RA"] = [2**53, 2**53 + 1, 2**53 + 2]
    with pytest.raises(TableError, match=r"'RA' holds integers beyond 2\*\*53"):
        mr.agreement(df)


def test_numpy_numbers_are_numbers(released: mr.MetricTable) -> None:
    assert mr.plan(n_units=np.int64(12), rho=np.float32(0.5)).n_units == 12
    mr.agreement(released, n_resamples=np.int32(20), confidence=np.float32(0.9), rng=0)


@pytest.mark.parametrize(
    ("call", "options"),
    [
        (mr.UQS.fit, {"floor": "0.1"}),
        (mr.UQS.fit, {"floor": None}),
        (mr.UQS.fit, {"transforms": "reciprocal"}),
        (mr.compare_metrics, {"alpha": "0.05"}),
        (mr.compare_metrics, {"alpha": 5}),
        (mr.cluster_metrics, {"n_clusters": "2"}),
        (mr.cluster_metrics, {"n_clusters": 1.5}),
        (mr.cluster_metrics, {"n_clusters": True}),
        (mr.agreement, {"statistic": ["kendall"]}),
        (mr.agreement, {"protocol": "published", "correction": "bh"}),
        (mr.agreement, {"protocol": "published", "n_resamples": -5}),
        (mr.reliability, {"protocol": "published", "unit": "row"}),
        (mr.plan, {"between": "x"}),
        (mr.plan, {"tests": 10**400}),
        (mr.plan, {"n_units": 10**400}),
    ],
)
def test_wrong_kinds_of_arguments(
    released: mr.MetricTable, call: object, options: dict[str, object]
) -> None:
    with pytest.raises(ArgumentError):
        call(released, **options)  # type: ignore[operator]


@pytest.mark.parametrize("name", [["unifiedunl"], 3, None])
def test_names_of_tables_must_be_texts(name: object) -> None:
    for load in (mr.load_dataset, mr.load_published):
        with pytest.raises(ArgumentError):
            load(name)  # type: ignore[arg-type]
