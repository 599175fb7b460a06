"""What the published protocol says of tables that the paper did not have."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest
from scipy.stats import ttest_1samp

import metareval as mr
from metareval.errors import TableError

nan = math.nan


def test_reasons_are_those_of_the_other_estimates() -> None:
    df = pd.DataFrame(
        {"FA": [0.5] * 4, "RA": [nan] * 4, "MIA": [0.1, nan, nan, nan], "AD": [1.0, 2, 3, 4]}
    )
    for options in ({"protocol": "published"}, {"n_resamples": 2}):
        found = mr.reliability(df, [1.0, 2, 3, 4], **options).frame  # type: ignore[arg-type]
        assert found["reason"].tolist() == ["constant", "missing", "missing", ""]
        one = mr.reliability(df[["FA", "AD"]][:1], [1.0], **options).frame  # type: ignore[arg-type]
        assert one["reason"].tolist() == ["too_few", "too_few"]


def test_scores_say_why_a_metric_has_no_weight() -> None:
    df = pd.DataFrame({"FA": [0.5] * 4, "RA": [nan] * 4, "AD": [1.0, 2, 3, 4]})
    uqs = mr.UQS.fit(df, [1.0, 2, 3, 4], protocol="published")
    assert uqs.excluded.to_dict() == {"FA": "constant", "RA": "missing"}
    with pytest.raises(TableError, match="FA: constant; RA: missing"):
        mr.UQS.fit(df[["FA", "RA"]], [1.0, 2, 3, 4], protocol="published")


def test_cells_of_one_model_have_no_tau_and_are_not_counted() -> None:
    df = pd.DataFrame({"RA": [0.1, 0.2, 0.3, 0.9], "MIA": [0.3, 0.2, 0.1, 0.5]})
    found = mr.agreement(df, block=[*"aaab"], protocol="published")
    assert found.n_defined.loc["RA", "MIA"] == 1
    assert found.n_cells == 2
    assert found.reason.loc["RA", "MIA"] == "too_few"


@pytest.mark.parametrize(
    ("roles", "where"), [({}, "row 1"), ({"block": [*"xxy"], "item": [*"aba"]}, "x / b")]
)
def test_missing_values_are_named_by_model(roles: dict[str, Any], where: str) -> None:
    df = pd.DataFrame({"RA": [0.1, nan, 0.3], "MIA": [0.3, 0.2, 0.1]})
    with pytest.raises(TableError, match=rf"'RA' has no value for {where}\. Leave the metric out"):
        mr.agreement(df, protocol="published", **roles)


def test_pvalues_of_taus_are_those_of_a_t_test_over_the_cells() -> None:
    df = pd.DataFrame(
        {
            "block": [*"xxxxyyyyzzzz"],
            "RA": [0.1, 0.2, 0.3, 0.4] * 3,
            # Taus with RA: 0 in every cell; 1 in every cell; 1, 0 and 2/3.
            "MIA": [0.2, 0.4, 0.1, 0.3] * 3,
            "AD": [4.0, 3, 2, 1] * 3,
            "JS": [0.4, 0.3, 0.2, 0.1, 0.2, 0.4, 0.1, 0.3, 0.4, 0.3, 0.1, 0.2],
        }
    )
    found = mr.agreement(df, block="block", protocol="published")
    assert found.estimate.loc["RA", ["MIA", "AD", "JS"]].tolist() == pytest.approx([0, 1, 5 / 9])
    assert math.isnan(found.pvalue.loc["RA", "MIA"])
    assert found.pvalue.loc["RA", "AD"] == 0
    wanted = ttest_1samp([1, 0, 2 / 3], 0).pvalue
    assert found.pvalue.loc["RA", "JS"] == found.pvalue.loc["JS", "RA"] == pytest.approx(wanted)
    assert found.pvalue.loc["RA", "RA"] == 0


def test_a_cell_is_a_block_and_replicate() -> None:
    """More blocks than replicates: each has its cells."""
    df = pd.DataFrame(
        {
            "block": [b for b in "uvwxy" for _ in range(4)],
            "seed": [1, 1, 2, 2] * 5,
            "RA": [0.1, 0.2] * 10,
            "AD": [2.0, 1.0] * 7 + [1.0, 2.0] * 3,
        }
    )
    found = mr.agreement(df, block="block", replicate="seed", protocol="published")
    assert found.n_cells == 10
    assert found.estimate.loc["RA", "AD"] == pytest.approx((7 - 3) / 10)
