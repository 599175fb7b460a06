"""What the published protocol says of tables that the paper did not have."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

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
