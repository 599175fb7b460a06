"""Metrics of unlearning, computed from stored observations.

Each metric is an attribute of this module under its own name, and ``BUILTIN`` holds all of them.
The distance to the oracle is not among them: it is what metrics are judged by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from metareval.errors import MetarevalError, ObservationError
from metareval.metrics.accuracy import FA, RA, FA_class, FA_contains, FA_gap, RA_contains
from metareval.metrics.definition import Observed, ObservedMetric, part
from metareval.metrics.divergence import AD, CKA, JS, AD_relative, JS_topk_sorted
from metareval.metrics.membership import MIA, MIA_loss_auc, MIA_mink_auc
from metareval.metrics.memorisation import extraction_strength, truth_ratio
from metareval.results import printable, shorten

if TYPE_CHECKING:
    from metareval.protocols import Metric

BUILTIN: Mapping[str, ObservedMetric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            FA,
            RA,
            MIA,
            AD,
            JS,
            FA_contains,
            RA_contains,
            FA_gap,
            MIA_loss_auc,
            MIA_mink_auc,
            AD_relative,
            CKA,
            truth_ratio,
            extraction_strength,
            FA_class,
            JS_topk_sorted,
        )
    }
)

__all__ = ["BUILTIN", "ObservedMetric", "compute", *sorted(BUILTIN)]


def compute(
    metrics: Iterable[str | Metric], observed: Observed, oracle: Observed | None = None
) -> dict[str, float]:
    """Compute several metrics of one model.

    Parameters
    ----------
    metrics : iterable of str or Metric
        Names of built-in or installed metrics, or metrics themselves.
    observed : mapping of split to Observations
        What the evaluated model did.
    oracle : mapping of split to Observations, optional
        What the oracle did, for the metrics that need it.

    Returns
    -------
    dict of str to float
        In the order asked for.

    Raises
    ------
    ArgumentError
        A name is not known.
    ObservationError
        A metric could not be computed; the message names it.

    Examples
    --------
    >>> from metareval.observations import Observations
    >>> forget = Observations("forget", ["s1", "s2"], ["Ada", "Paris"], ["ada", "Rome"])
    >>> compute(["FA"], {"forget": forget})
    {'FA': 0.5}
    """
    chosen = [metrics] if isinstance(metrics, str) else list(metrics)
    # All names are looked up first, so that a misspelt one costs no computation.
    found = [_metric(choice) if isinstance(choice, str) else choice for choice in chosen]
    return {metric.name: _computed(metric, observed, oracle) for metric in found}


def _metric(name: str) -> Metric:
    if name in BUILTIN:
        return BUILTIN[name]
    from metareval.plugins import get_metric

    return get_metric(name)


def _computed(metric: Metric, observed: Observed, oracle: Observed | None) -> float:
    title = shorten(printable(metric.name), 60)
    try:
        return _number(metric(observed, oracle))
    except MetarevalError as exc:
        raise ObservationError(f"Metric {title}: {exc}") from exc
    # Metrics come from other packages too, and may fail in any way.
    except Exception as exc:
        if lacking := _lacking(metric, observed, oracle):
            raise ObservationError(f"Metric {title}: {lacking}") from exc
        what = shorten(printable(f"{type(exc).__name__}: {exc}"), 300)
        raise ObservationError(
            f"Metric {title} failed with {what}. Report it to whoever maintains the metric; "
            "metareval.testing.check_metric shows what a metric must do."
        ) from exc


def _lacking(metric: Metric, observed: Observed, oracle: Observed | None) -> str:
    """Say what the metric declares to read and nobody observed; empty where nothing lacks."""
    if metric.needs_oracle and oracle is None:
        return "it compares the model with the oracle: pass the oracle's observations as oracle=."
    for whose in (observed, oracle or {}) if metric.needs_oracle else (observed,):
        for split in metric.reads:
            try:
                seen = part(whose, split)
                for name in metric.fields:
                    if getattr(seen, name, ()) is None:
                        seen.need(name)
            except ObservationError as exc:
                return str(exc)
    return ""


def _number(value: Any) -> float:
    if isinstance(value, (str, bytes)):
        raise ObservationError(f"it returned a {type(value).__name__}; expected a number.")
    return float(value)
