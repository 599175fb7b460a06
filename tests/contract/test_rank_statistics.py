"""The rank statistics obey the rules that other people's are held to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import metareval as mr
from metareval.testing import CheckFailed, check_rank_statistic


def built_in(name: str) -> Callable[[np.ndarray, np.ndarray], float]:
    def function(x: np.ndarray, y: np.ndarray) -> float:
        frame = pd.DataFrame({"x": x, "y": y})
        result = mr.agreement(
            frame, statistic=name, directions=dict.fromkeys("xy", "higher"), n_resamples=1
        )
        return float(result.estimate.loc["x", "y"])

    function.__name__ = name
    return function


@pytest.mark.parametrize("name", ["kendall", "spearman"])
def test_built_in(name: str) -> None:
    check_rank_statistic(built_in(name))


def ranks(x: np.ndarray) -> np.ndarray:
    return (x[:, None] > x).sum(axis=1) + ((x[:, None] == x).sum(axis=1) - 1) / 2


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(ranks(x), ranks(y))[0, 1])


def test_of_ones_own() -> None:
    check_rank_statistic(spearman)


def by_argsort(x: np.ndarray, y: np.ndarray) -> float:
    turned = [np.argsort(np.argsort(v, kind="stable")).astype(float) for v in (x, y)]
    return spearman(*turned) if np.ptp(x) and np.ptp(y) else float("nan")


def one_sided(x: np.ndarray, y: np.ndarray) -> float:
    """Somers' d: ties in y count against it, ties in x do not."""
    signs = np.sign(x[:, None] - x), np.sign(y[:, None] - y)
    below = np.abs(signs[0]).sum()
    return float((signs[0] * signs[1]).sum() / below) if below and np.ptp(y) else float("nan")


WRONG = {
    "ties": by_argsort,
    "constant": lambda x, y: 0.0 if np.isnan(spearman(x, y)) else spearman(x, y),
    "monotone": lambda x, y: float(np.corrcoef(x, y)[0, 1]) if np.ptp(x) * np.ptp(y) else np.nan,
    "symmetry": one_sided,
    "antisymmetry": lambda x, y: spearman(x, y) ** 3 if spearman(x, y) > 0 else spearman(x, y),
    "bounds": lambda x, y: 1.5 * spearman(x, y),
    "perfect agreement": lambda x, y: 0.9 * spearman(x, y),
    "permutation": lambda x, y: float(np.sign(x[-1] - x[0]) * np.sign(y[-1] - y[0])),
    "result": lambda x, y: np.float32(spearman(x, y)),
    "unchanged input": lambda x, y: (x.sort(), spearman(x, y))[1],
}


@pytest.mark.parametrize("rule", WRONG)
def test_what_is_wrong_is_found(rule: str) -> None:
    with pytest.raises(CheckFailed, match=f"breaks the rule '{rule}'"):
        check_rank_statistic(WRONG[rule])


def test_claims_can_be_left_out() -> None:
    check_rank_statistic(one_sided, symmetric=False)
