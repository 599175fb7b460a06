"""Every built-in metric obeys the rules that other people's metrics are held to."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metareval.catalogue import BUILT_IN_METRICS
from metareval.errors import MetarevalError
from metareval.metrics import BUILTIN, compute
from metareval.plugins import get_metric
from metareval.testing import check_metric, example_observations, observations

ROOT = Path(__file__).parents[2]

names = pytest.mark.parametrize("name", sorted(BUILTIN))


@names
def test_rules(name: str) -> None:
    check_metric(BUILTIN[name])


@names
def test_the_entry_point_leads_to_the_metric(name: str) -> None:
    assert get_metric(name) is BUILTIN[name]


def test_every_metric_has_its_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(project["entry-points"]["metareval.metrics"]) == set(BUILTIN)


@names
def test_direction_and_range_are_those_of_the_catalogue(name: str) -> None:
    known, metric = BUILT_IN_METRICS[name], BUILTIN[name]
    assert (metric.direction, metric.low, metric.high) == (known.direction, known.low, known.high)
    assert metric.needs_oracle == known.from_oracle


@names
def test_what_is_missing_is_named(name: str) -> None:
    observed, oracle = example_observations()
    with pytest.raises(MetarevalError, match=name):
        compute([name], {}, oracle)
    if BUILTIN[name].needs_oracle:
        with pytest.raises(MetarevalError, match="oracle"):
            compute([name], observed)


@names
@settings(max_examples=25)
@given(data=st.data())
def test_any_observations_give_a_value_in_range_or_a_clear_error(name: str, data: Any) -> None:
    metric = BUILTIN[name]
    drawn = {s: data.draw(observations(split=s, complete=False)) for s in metric.reads}
    other = {s: data.draw(observations(like=o)) for s, o in drawn.items()}
    try:
        value = metric(drawn, other)
    except MetarevalError:
        return
    assert isinstance(value, float)
    assert np.isnan(value) or metric.low - 1e-6 <= value <= metric.high + 1e-6
