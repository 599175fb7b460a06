"""Plans: arguments that are refused, and levels far below any that a table is tested at."""

from __future__ import annotations

import math

import pytest
from scipy.stats import norm

import metareval as mr
from metareval.errors import ArgumentError


@pytest.mark.parametrize("value", [True, False])
def test_truth_values_are_no_correlations(value: bool) -> None:
    for name in ("rho", "between"):
        with pytest.raises(ArgumentError, match=f"{name} is {value}"):
            mr.plan(**{name: value})  # type: ignore[arg-type]


def test_tiny_levels_ask_for_more_models_and_not_for_endless_ones() -> None:
    """1 - alpha / 2 is 1 in floating point from alpha = 1e-16 on; the quantile is not infinite."""
    rho, alpha = 0.5, 1e-20
    edge = norm.isf(alpha / 2)
    # The far tail adds nothing at this level.
    wanted = 3 + ((edge + norm.ppf(0.8) * math.sqrt(1 + rho**2 / 2)) / math.atanh(rho)) ** 2
    found = mr.plan(rho=rho, alpha=alpha, n_units=400)
    assert found.models_needed == math.ceil(wanted)
    assert 0 < found.smallest_detectable < rho
    assert 0 < found.smallest_difference < 1


@pytest.mark.parametrize("n_blocks", [2, 3, 4, 5, 7])
def test_large_blocks_cost_a_model_each(n_blocks: int) -> None:
    """Of blocks of one size, the fewest models that leave as many as one block needs."""
    one = mr.plan(rho=0.1).models_needed
    found = mr.plan(rho=0.1, n_blocks=n_blocks, n_resamples=50, rng=0).models_needed
    assert found % n_blocks == 0
    assert found - (n_blocks - 1) >= one
    assert found - n_blocks - (n_blocks - 1) < one
