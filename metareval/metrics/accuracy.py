"""Shares of right answers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from metareval.errors import ObservationError
from metareval.metrics.definition import Observed, known_metric, matched, part
from metareval.observations import Observations
from metareval.results import shorten

BoolArray = NDArray[np.bool_]
Match = Callable[[Sequence[str], Sequence[str]], BoolArray]

# Marks that end a sentence and quotes around it. Signs such as +, #, $, % and - change an answer.
_SENTENCE_ENDS = ".!?,;:\N{HORIZONTAL ELLIPSIS}"
_QUOTES = "\"'`\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}" + (
    "\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}"
)


def normalise(text: str) -> str:
    """Return an answer without case, outer quotes, closing punctuation and extra white space.

    Letters are compared by compatibility form and case folding (NFKC), so that full-width letters
    equal ordinary ones. Inner punctuation and signs stay: "C++" is not "C", "-5" is not "5".

    Examples
    --------
    >>> normalise('  "The  Eiffel Tower." ')
    'the eiffel tower'
    >>> normalise("C++"), normalise("-5 %")
    ('c++', '-5 %')
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    spaced = " ".join(folded.split())
    return spaced.lstrip(_QUOTES + " ").rstrip(_SENTENCE_ENDS + _QUOTES + " ")


def exact_match(answers: Sequence[str], gold: Sequence[str]) -> BoolArray:
    """Say which answers equal the gold answer once both are normalised.

    Raises
    ------
    ObservationError
        A gold answer is empty.

    Examples
    --------
    >>> exact_match(["Paris.", "in Paris"], ["paris", "paris"])
    array([ True, False])
    """
    right = _normalised_gold(gold)
    return np.array([normalise(a) == g for a, g in zip(answers, right, strict=True)], dtype=bool)


def contains_match(answers: Sequence[str], gold: Sequence[str]) -> BoolArray:
    """Say which answers hold the gold answer, as whole words, once both are normalised.

    Raises
    ------
    ObservationError
        A gold answer is empty: every text contains it.

    Examples
    --------
    >>> contains_match(["It is in Paris.", "nothing"], ["Paris", "no"])
    array([ True, False])
    """
    right = _normalised_gold(gold)
    found = [
        re.search(rf"(?<!\w){re.escape(g)}(?!\w)", normalise(a)) is not None
        for a, g in zip(answers, right, strict=True)
    ]
    return np.array(found, dtype=bool)


def _normalised_gold(gold: Sequence[str]) -> list[str]:
    out = [normalise(g) for g in gold]
    if "" in out:
        at = out.index("")
        raise ObservationError(
            f"The gold answer at position {at} is {shorten(repr(gold[at]), 60)}, empty once "
            "normalised: it would match every answer or none. Mend the benchmark's answers, or "
            "leave the sample out with subset()."
        )
    return out


def _share(seen: Observations, match: Match) -> float:
    return float(match(seen.answers, seen.gold).mean())


def _forget_exact(observed: Observed) -> float:
    """Forget accuracy: share of the forget samples answered exactly right.

    Answers are compared after ``normalise``. 0 to 1, lower is better.
    """
    return _share(part(observed, "forget"), exact_match)


def _forget_class(observed: Observed) -> float:
    """Accuracy on the class that a classifier should forget.

    The share of right answers, as FA. 0 to 1, lower is better. A published variant, kept for
    comparison: see ``flags``.
    """
    return _share(part(observed, "forget"), exact_match)


def _forget_contains(observed: Observed) -> float:
    """Forget accuracy by containment: share of the answers that hold the gold answer.

    As whole words, after ``normalise``. 0 to 1, lower is better.
    """
    return _share(part(observed, "forget"), contains_match)


def _retain_exact(observed: Observed) -> float:
    """Retain accuracy: share of the retain samples answered exactly right.

    Answers are compared after ``normalise``. 0 to 1, higher is better.
    """
    return _share(part(observed, "retain"), exact_match)


def _retain_contains(observed: Observed) -> float:
    """Retain accuracy by containment: share of the answers that hold the gold answer.

    As whole words, after ``normalise``. 0 to 1, higher is better.
    """
    return _share(part(observed, "retain"), contains_match)


def _forget_gap(observed: Observed, oracle: Observed) -> float:
    """Distance of the forget accuracy from the oracle's.

    |FA - FA of the oracle| on the same samples. 0 to 1, lower is better: forgetting more than a
    model that never knew is a fault too.
    """
    model, other = matched(observed, oracle, "forget")
    return abs(_share(model, exact_match) - _share(other, exact_match))


_TEXTS = ("gold", "answers")

FA = known_metric("FA", _forget_exact, reads=("forget",), fields=_TEXTS)
FA_contains = known_metric("FA_contains", _forget_contains, reads=("forget",), fields=_TEXTS)
FA_class = known_metric("FA_class", _forget_class, reads=("forget",), fields=_TEXTS)
FA_gap = known_metric("FA_gap", _forget_gap, reads=("forget",), fields=_TEXTS, needs_oracle=True)
RA = known_metric("RA", _retain_exact, reads=("retain",), fields=_TEXTS)
RA_contains = known_metric("RA_contains", _retain_contains, reads=("retain",), fields=_TEXTS)
