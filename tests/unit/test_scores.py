"""UQS and its perturbation: numbers by hand, and what is refused with which words."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import metareval as mr
from metareval.errors import ArgumentError, TableError

FEW: dict[str, Any] = {"n_resamples": 20, "rng": 0}


def frame() -> pd.DataFrame:
    """Two blocks of three items with two replicates."""
    return pd.DataFrame(
        {
            "block": ["x"] * 6 + ["y"] * 6,
            "item": ["a", "a", "b", "b", "c", "c"] * 2,
            "seed": [1, 2] * 6,
            "RA": [0.9, 0.7, 0.6, 0.4, 0.3, 0.1, 0.8, 0.8, 0.2, 0.6, 0.5, 0.1],
            "FA": [0.1, 0.3, 0.6, 0.2, 0.9, 0.5, 0.4, 0.2, 0.6, 0.8, 0.7, 0.9],
            "d": [1.0, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6],
        }
    )


ROLES = {"block": "block", "item": "item", "replicate": "seed"}


@pytest.mark.parametrize("statistic", ["acc_eq", "acc_eq_calibrated"])
def test_weights_need_a_statistic_that_is_zero_by_chance(statistic: str) -> None:
    with pytest.raises(ArgumentError, match=f"{statistic}' is not a correlation"):
        mr.UQS.fit(frame(), "d", statistic=statistic, **ROLES, **FEW)


def test_a_frame_without_any_metric_of_the_score_is_named_as_such() -> None:
    uqs = mr.UQS.fit(frame(), "d", **ROLES, **FEW)
    with pytest.raises(TableError, match="weighs 'RA', 'FA', and the DataFrame has none of them"):
        uqs.score(frame()[["d"]])


def test_columns_named_by_numbers_are_found_again() -> None:
    df = pd.DataFrame({0: [0.1, 0.4, 0.2, 0.9], "d": [1.0, 3.0, 2.0, 6.0]})
    uqs = mr.UQS.fit(df, "d", directions={"0": "lower"}, **FEW)
    assert uqs.score(df).tolist() == pytest.approx([0.9, 0.6, 0.8, 0.1])


def test_values_that_a_transform_does_not_take_are_named_by_model() -> None:
    df = frame()
    uqs = mr.UQS.fit(df, "d", **ROLES, **FEW)
    df.loc[3, "FA"] = 1.5
    wanted = (
        r"'FA' is 1\.5 for x / b / 2, outside \[0, 1\], which its transform 'complement' takes\. "
        r"Rescale the column, or fit with transforms={'FA': 'reciprocal'}"
    )
    with pytest.raises(TableError, match=wanted):
        uqs.score(df, **ROLES)
    with pytest.raises(TableError, match=r"'FA' is 1\.5 for row 3, outside"):
        uqs.score(df)
    df.loc[3, "FA"] = -1.5
    with pytest.raises(TableError, match=r"'FA' is -1\.5 for row 3, .* Rescale the column\.$"):
        uqs.score(df)
    df.loc[3, "FA"] = -3.5
    published = mr.UQS.fit(frame(), "d", protocol="published", **ROLES)
    with pytest.raises(TableError, match=r"'FA' is -0\.375 for b, outside"):
        published.score(df, **ROLES)


def test_a_ranking_of_one_item_is_said_to_have_no_tau() -> None:
    df = frame()
    uqs = mr.UQS.fit(df, "d", **ROLES, **FEW)
    found = mr.perturb(uqs, df[:1], **FEW)
    assert "nan" not in repr(found)
    assert "mean tau undefined" in repr(found)


def test_an_untested_score_has_an_empty_validation_with_its_columns() -> None:
    untested = mr.UQS.fit(frame(), "d", protocol="published", **ROLES)
    one_block = mr.UQS.fit(frame()[:6], "d", **ROLES, **FEW)
    assert untested.validation.empty
    assert list(untested.validation.columns) == list(one_block.validation.columns)
    assert untested.validation.index.name == one_block.validation.index.name == "candidate"


def test_a_reliability_at_the_floor_is_not_clipped() -> None:
    # Ranks 1 to 4 against 2, 4, 1, 3: correlation 0.
    df = pd.DataFrame({"RA": [0.1, 0.2, 0.3, 0.4], "MIA": [0.3, 0.1, 0.4, 0.2]})
    df["FA"] = df["MIA"]
    uqs = mr.UQS.fit(df, [3.0, 1.0, 4.0, 2.0], floor=0, directions={"FA": "higher"}, **FEW)
    assert uqs.rho.tolist() == pytest.approx([0, 1, -1])
    assert uqs.rho["RA"] == 0
    assert uqs.clipped == ("FA",)


def test_a_missing_value_without_weight_leaves_the_score() -> None:
    df = frame().assign(FA=0.5)
    uqs = mr.UQS.fit(df, "d", **ROLES, **FEW)
    assert uqs.weights.to_dict() == {"RA": 1, "FA": 0}
    df.loc[0, "FA"] = float("nan")
    assert uqs.score(df, by="row").tolist() == pytest.approx(df["RA"].tolist())
    df.loc[0, "RA"] = float("nan")
    assert uqs.score(df, by="row").isna().tolist() == [True] + [False] * 11
