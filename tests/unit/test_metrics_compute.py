"""Metrics by name, and errors that say which metric failed."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import metareval.metrics
from metareval.errors import ArgumentError, ObservationError
from metareval.metrics import BUILTIN, FA, JS, compute
from metareval.observations import SPLITS, Observations

FORGET = Observations("forget", ["s1", "s2"], ["Ada", "Bo"], ["Ada", "x"])
RETAIN = Observations("retain", ["r1"], ["Cy"], ["Cy"])


class Custom:
    """A metric of somebody else's."""

    name = "custom"
    direction, low, high = "higher", 0.0, math.inf
    reads: tuple[str, ...] = ("forget",)
    fields: tuple[str, ...] = ("hidden",)
    needs_oracle = False

    def __init__(self, result: Any = 1.0) -> None:
        self.result = result

    def __call__(self, observed: Mapping[str, Any], oracle: Any = None) -> Any:  # noqa: ARG002
        return self.result(observed) if callable(self.result) else self.result


def test_names_and_objects_in_the_order_asked_for() -> None:
    observed = {"forget": FORGET, "retain": RETAIN}
    assert compute(["RA", FA, Custom()], observed) == {"RA": 1.0, "FA": 0.5, "custom": 1.0}
    assert compute("FA", observed) == {"FA": 0.5}
    assert compute([], observed) == {}
    assert list(compute(["RA", "FA"], observed)) == ["RA", "FA"]


def test_values_are_floats_and_nan_stays() -> None:
    assert type(compute([Custom(np.float32(0.5))], {})["custom"]) is float
    assert math.isnan(compute([Custom(math.nan)], {})["custom"])


def test_unknown_names_are_found_before_anything_is_computed() -> None:
    with pytest.raises(ArgumentError, match=r"Unknown metric 'FAA'\. Did you mean"):
        compute([Custom(lambda _: pytest.fail("computed")), "FAA"], {})


@pytest.mark.parametrize(
    ("metric", "observed", "message"),
    [
        ("FA", {}, r"^Metric FA: No observations of the split 'forget'; found: none"),
        ("FA", {"retain": RETAIN}, r"^Metric FA: .*'forget'; found: retain"),
        ("FA", {"forget": RETAIN}, r"^Metric FA: Under 'forget' stand .* split 'retain'"),
        ("FA", {"forget": {}}, r"^Metric FA: Under 'forget' stands a dict"),
        ("JS", {"forget": FORGET}, r"^Metric JS: JS compares the model with the oracle"),
        ("MIA_loss_auc", {"forget": FORGET}, r"^Metric MIA_loss_auc: No observations of non-mem"),
        (
            "extraction_strength",
            {"forget": FORGET},
            r"^Metric extraction_strength: The forget observations have no token_logprobs",
        ),
        (Custom(lambda o: o["forget"].hidden.mean()), {}, r"^Metric custom: No observations of"),
        (
            Custom(lambda o: o["forget"].hidden.mean()),
            {"forget": FORGET},
            r"^Metric custom: The forget observations have no hidden",
        ),
        (Custom("0.5"), {}, r"^Metric custom: it returned a str; expected a number"),
        (Custom(None), {"forget": FORGET}, r"^Metric custom"),
    ],
)
def test_errors_name_the_metric(metric: Any, observed: Any, message: str) -> None:
    with pytest.raises(ObservationError, match=message):
        compute([metric], observed)


def test_failures_of_strangers_are_reported_as_theirs() -> None:
    class Broken(Custom):
        name = "bad\nname"
        fields = ("answers", "no_such_field")

    with pytest.raises(ObservationError, match=r"failed with ZeroDivisionError: .*maintains") as e:
        compute([Broken(lambda _: 1 / 0)], {"forget": FORGET})
    assert "\n" not in str(e.value)
    assert isinstance(e.value.__cause__, ZeroDivisionError)


def test_oracle_is_missing_for_a_stranger() -> None:
    class Paired(Custom):
        needs_oracle = True

        def __call__(self, observed: Any, oracle: Any = None) -> Any:  # noqa: ARG002
            return oracle["forget"]

    with pytest.raises(ObservationError, match="Metric custom: it compares the model with"):
        compute([Paired()], {"forget": FORGET})


def test_oracle_may_be_given_to_all() -> None:
    logs = np.log([[0.5, 0.5], [0.5, 0.5]])
    model = Observations("forget", ["a", "b"], ["x", "y"], ["x", "z"], next_logprobs=logs)
    observed = {"forget": model}
    assert compute(["FA", "JS"], observed, observed) == {"FA": 0.5, "JS": 0.0}


@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_each_metric_stands_under_its_name(name: str) -> None:
    metric = getattr(importlib.import_module("metareval.metrics"), name)
    assert metric is BUILTIN[name]
    assert metric.name == name
    assert name in metareval.metrics.__all__
    assert metric.direction in ("higher", "lower")
    assert metric.low < metric.high
    assert set(metric.reads) <= set(SPLITS)
    assert {*metric.fields} <= {*Observations.__dataclass_fields__}
    assert metric.__doc__
    assert f"{'higher' if metric.direction == 'higher' else 'lower'} is better" in " ".join(
        metric.__doc__.split()
    )


def test_metrics_are_frozen() -> None:
    with pytest.raises(AttributeError):
        JS.name = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        BUILTIN["x"] = JS  # type: ignore[index]


def test_every_metric_is_documented() -> None:
    from pathlib import Path

    page = Path(__file__).parents[2].joinpath("docs/metrics.md").read_text(encoding="utf-8")
    for name in BUILTIN:
        assert f"## {name}\n" in page
