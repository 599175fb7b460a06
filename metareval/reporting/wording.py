"""How a report writes numbers, and the few phrases that many sentences share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from metareval.auditing.wording import name, names
from metareval.results import cell_text

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

__all__ = [
    "all_names",
    "any_name",
    "coefficient",
    "confidence_name",
    "interval",
    "name",
    "names",
    "number",
    "p_is",
    "pair",
    "percent",
    "plural",
    "pvalue",
    "reason",
    "signed",
    "tiny",
    "with_reasons",
]

REASONS = {
    "constant": "constant",
    "too_few": "too few rows",
    "missing": "missing values",
    "non_finite": "infinite values",
    "undefined_pair": "undefined pair",
    "undefined_reliability": "undefined reliability",
    "negative": "negative agreement",
    "no_correlation": "the statistic is no correlation",
}


def number(value: Any, digits: int = 3) -> str:
    """Write a number with a real minus sign; an undefined one as a dash.

    Examples
    --------
    >>> number(0.15656), number(12)
    ('0.157', '12')
    """
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return DASH
    if not isinstance(value, bool) and isinstance(value, (int, float)) and value < 0:
        return MINUS + cell_text(-value, digits)
    return cell_text(value, digits)


def coefficient(value: Any, digits: int = 3) -> str:
    """Write a correlation, or another number that is zero where it rounds to zero."""
    if math.isnan(value):
        return DASH
    shown = f"{abs(value):.{digits}f}"
    return f"{MINUS}{shown}" if value < 0 and float(shown) != 0 else shown


def signed(value: Any, digits: int = 3) -> str:
    """Write a difference with its sign."""
    shown = coefficient(value, digits)
    return f"+{shown}" if value > 0 and float(shown) != 0 else shown


def pvalue(value: Any) -> str:
    """Write a p-value.

    Examples
    --------
    >>> pvalue(0.0004), pvalue(1.0), pvalue(0.0412)
    ('<0.001', '1.000', '0.041')
    """
    if math.isnan(value):
        return DASH
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def p_is(value: Any, label: str = "p") -> str:
    """Write ``p = 0.041`` or ``p < 0.001``."""
    return f"{label} < 0.001" if value < 0.001 else f"{label} = {pvalue(value)}"


def tiny(value: Any) -> str:
    """Write a difference that should be zero.

    Examples
    --------
    >>> tiny(0.0)
    '0'
    """
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}\N{MULTIPLICATION SIGN}10{str(int(exponent)).translate(_RAISED)}"


def interval(low: Any, high: Any, digits: int = 2) -> str:
    """Write an interval; a dash where there is none."""
    if math.isnan(low) or math.isnan(high):
        return DASH
    return f"[{coefficient(low, digits)}, {coefficient(high, digits)}]"


def percent(share: Any) -> str:
    """Write a share in whole per cent, without calling a rare thing impossible.

    Examples
    --------
    >>> percent(0.548), percent(4e-9), percent(0.99998), percent(1.0)
    ('55%', '<0.1%', '>99.9%', '100%')
    """
    if math.isnan(share):
        return DASH
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    if share < 0.01 or 0.99 < share < 1:
        return f"{100 * share:.1f}%".replace("0.0%", "0%")
    return f"{100 * share:.0f}%"


def plural(n: int, noun: str, many: str | None = None) -> str:
    """Write a number of things; small numbers as words would clutter, so all are digits."""
    return f"{n:,} {noun if n == 1 else many or noun + 's'}"


def confidence_name(confidence: float) -> str:
    """Write the level of an interval.

    Examples
    --------
    >>> confidence_name(0.95)
    '95%'
    """
    return f"{100 * confidence:g}%"


def reason(code: str) -> str:
    """Write a machine-readable reason in words."""
    return REASONS.get(code, code.replace("_", " "))


def with_reasons(excluded: pd.Series) -> str:
    """Write names, each with the machine-readable reason for leaving it out."""
    return all_names([f"{name(m)} ({reason(str(why))})" for m, why in excluded.items()])


def pair(a: str, b: str) -> str:
    """Write a pair of metrics."""
    return f"{name(a)}{DASH}{name(b)}"


def all_names(texts: Sequence[str], limit: int = 8) -> str:
    """Join names as prose; "none" for no names."""
    return names(texts, limit=limit) if texts else "none"


def any_name(texts: Sequence[str], limit: int = 8) -> str:
    """Join names as alternatives.

    Examples
    --------
    >>> any_name(["FA", "RA", "JS"])
    'FA, RA or JS'
    """
    before, word, last = names(texts, limit=limit).rpartition(" and ")
    return f"{before} or {last}" if word else last
