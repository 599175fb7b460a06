"""Checks for people who plug in their own metric, backend, benchmark or rank statistic.

Each check takes one object, tries the rules of its protocol, and raises ``CheckFailed`` at the
first that is broken: which rule, what was found, what was expected, how to mend it. Call them from
a test of your own; none needs a test runner. ``tables`` and ``observations`` are Hypothesis
strategies for property tests (``pip install 'metareval[test]'``).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from metareval.errors import CheckFailed, MissingDependencyError
from metareval.testing.backends import check_backend
from metareval.testing.benchmarks import check_benchmark
from metareval.testing.examples import example_observations, example_samples
from metareval.testing.metrics import check_metric
from metareval.testing.rank_statistics import check_rank_statistic

if TYPE_CHECKING:
    from metareval.testing.strategies import observations as observations
    from metareval.testing.strategies import tables as tables

__all__ = [
    "CheckFailed",
    "check_backend",
    "check_benchmark",
    "check_metric",
    "check_rank_statistic",
    "example_observations",
    "example_samples",
    "observations",
    "tables",
]


def __getattr__(name: str) -> Any:
    # The checks need no Hypothesis; only the strategies do.
    if name not in ("observations", "tables"):
        raise AttributeError(f"module 'metareval.testing' has no attribute {name!r}")
    try:
        value = getattr(import_module("metareval.testing.strategies"), name)
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise MissingDependencyError(
            f"metareval.testing.{name} needs the package 'hypothesis', which is not installed. "
            "Install it: pip install 'metareval[test]'"
        ) from error
    globals()[name] = value
    return value
