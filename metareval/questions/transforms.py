"""Transforms of metrics to [0, 1], higher is better, fixed in advance and not by the cohort."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from metareval.errors import ArgumentError, TableError, unknown_name
from metareval.table import MetricTable

FloatArray = NDArray[np.float64]

# Name: function, direction it needs, highest value it takes.
TRANSFORMS: dict[str, tuple[Callable[[FloatArray], FloatArray], str, float]] = {
    "identity": (lambda x: x, "higher", 1.0),
    "complement": (lambda x: 1.0 - x, "lower", 1.0),
    "reciprocal": (lambda x: 1.0 / (1.0 + x), "lower", np.inf),
    "saturation": (lambda x: 1.0 - 1.0 / (1.0 + x), "higher", np.inf),
}

# Metrics whose range is open, with the transform of arXiv:2605.02206.
_KNOWN = {("AD", "lower"): "reciprocal"}


def choose_transforms(table: MetricTable, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the name of the transform of every metric.

    A metric in [0, 1] is taken as it is or as 1 - x, by its direction; AD as 1 / (1 + x). Any
    other metric must be named in ``given``.
    """
    if given is not None and not isinstance(given, Mapping):
        raise ArgumentError(
            f"transforms is {given!r}; pass a mapping, as in {{'AD': 'reciprocal'}}."
        )
    given = dict(given or {})
    for metric, name in given.items():
        if metric not in table.metrics:
            raise unknown_name("metric in transforms", metric, table.metrics)
        if name not in TRANSFORMS:
            raise unknown_name("transform", name, TRANSFORMS)
        if TRANSFORMS[name][1] != table.directions[metric]:
            fitting = [n for n, t in TRANSFORMS.items() if t[1] == table.directions[metric]]
            raise ArgumentError(
                f"The transform {name!r} is for metrics where {TRANSFORMS[name][1]} is better, but "
                f"for {metric!r} {table.directions[metric]} is better: use {' or '.join(fitting)}."
            )
    out = {}
    for metric in table.metrics:
        direction = table.directions[metric]
        values = table.frame[metric].to_numpy(dtype=np.float64)
        values = values[~np.isnan(values)]
        bounded = bool(((values >= 0) & (values <= 1)).all())
        if metric in given:
            out[metric] = given[metric]
        elif (metric, direction) in _KNOWN:
            out[metric] = _KNOWN[metric, direction]
        elif bounded:
            out[metric] = "identity" if direction == "higher" else "complement"
        else:
            raise TableError(
                f"The metric {metric!r} has values outside [0, 1] (from {values.min():g} to "
                f"{values.max():g}), so a score needs to know how to map it: pass "
                f"transforms={{{metric!r}: {_open_ended(direction)!r}}} (values of at least 0), or "
                "rescale the column."
            )
    return out


def _open_ended(direction: str) -> str:
    return "saturation" if direction == "higher" else "reciprocal"


def apply_transforms(
    values: FloatArray,
    metrics: tuple[str, ...],
    transforms: Mapping[str, str],
    row_name: Callable[[int], str] = "row {}".format,
) -> FloatArray:
    """Return transformed values, shape (n, k); a value outside a transform's domain is an error.

    Parameters
    ----------
    values : ndarray, shape (n, k)
    metrics : tuple of str
    transforms : mapping
        Name of the transform of each metric.
    row_name : callable
        From the number of a row to its name, for the message.
    """
    out = np.empty(values.shape)
    for a, metric in enumerate(metrics):
        function, direction, highest = TRANSFORMS[transforms[metric]]
        column = values[:, a]
        outside = (column < 0) | (column > highest)
        if outside.any():
            row = int(np.flatnonzero(outside)[0])
            other = (
                f", or fit with transforms={{{metric!r}: {_open_ended(direction)!r}}}"
                if (column[~np.isnan(column)] >= 0).all()
                else ""
            )
            raise TableError(
                f"The metric {metric!r} is {column[row]:g} for {row_name(row)}, outside "
                f"[0, {highest:g}], which its transform {transforms[metric]!r} takes. Rescale the "
                f"column{other}."
            )
        out[:, a] = function(column)
    return out
