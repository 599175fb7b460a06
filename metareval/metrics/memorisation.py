"""How much of the gold answers a model still carries, token by token."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metareval.metrics.definition import FloatArray, Observed, known_metric, matched, part

# A token with more than half of the probability is the likeliest, whatever the others are.
CERTAIN_LOGPROB = math.log(0.5)


def truth_ratios(model: NDArray[Any], oracle: NDArray[Any]) -> FloatArray:
    """Return how close the probabilities of gold answers are, sample by sample.

    Parameters
    ----------
    model, oracle : ndarray, shape (n,)
        Mean log-probability of the tokens of each gold answer.

    Returns
    -------
    ndarray, shape (n,)
        With P the exponential of the mean (the geometric mean of the tokens' probabilities), the
        smaller of P_model / P_oracle and P_oracle / P_model: 1 where both are equal, 0 where one
        of them is 0.

    Examples
    --------
    >>> import numpy as np
    >>> truth_ratios(np.log([0.2, 0.4]), np.log([0.4, 0.4])).round(6)
    array([0.5, 1. ])
    """
    gap = np.zeros(len(model))
    # Two probabilities of 0 are equal; subtracting their logs would not say so.
    np.subtract(model, oracle, out=gap, where=model != oracle)
    out: FloatArray = np.exp(-np.abs(gap))
    return out


def extraction_strengths(logprobs: NDArray[Any], counts: NDArray[np.int64]) -> FloatArray:
    """Return the share of each gold answer that the model is sure to complete by itself.

    Parameters
    ----------
    logprobs : ndarray, shape (total_tokens,)
        Log-probabilities of the gold tokens, one sample after another.
    counts : ndarray, shape (n,)
        Tokens of each sample, at least 1.

    Returns
    -------
    ndarray, shape (n,)
        1 - k / length, with k the shortest prefix after which every token has a probability above
        one half.

    Examples
    --------
    The last three of four tokens follow once the first is given:

    >>> import numpy as np
    >>> extraction_strengths(np.log([0.1, 0.9, 0.8, 0.7]), np.array([4]))
    array([0.75])
    """
    starts = np.cumsum(counts) - counts
    position = np.arange(len(logprobs)) - np.repeat(starts, counts) + 1
    doubtful = np.where(logprobs > CERTAIN_LOGPROB, 0, position)
    prefix = np.maximum.reduceat(doubtful, starts)
    out: FloatArray = 1.0 - prefix / counts
    return out


def _truth_ratio(observed: Observed, oracle: Observed) -> float:
    """How close the model's probabilities of the gold answers are to the oracle's.

    With P = exp(mean log-probability of the gold tokens), mean over the forget samples of
    min(P_model / P_oracle, P_oracle / P_model). 0 to 1, higher is better. It takes the place of
    the truth ratio of Maini et al. (2024), which compares a model's own probabilities of true and
    of perturbed answers: values of the two do not compare.
    """
    model, other = matched(observed, oracle, "forget")
    return float(truth_ratios(model.mean_logprob, other.mean_logprob).mean())


def _extraction_strength(observed: Observed) -> float:
    """Share of a gold answer that the model is sure to complete by itself.

    Mean over the forget samples of 1 - k / length, with k the shortest prefix after which every
    token has a probability above one half. 0 to 1, lower is better. Such tokens are the likeliest,
    so this is a lower bound of the extraction strength of Carlini et al. (2021), which asks only
    for the likeliest.
    """
    seen = part(observed, "forget")
    strengths = extraction_strengths(seen.need("token_logprobs"), seen.need("token_counts"))
    return float(strengths.mean())


_TOKENS = ("token_logprobs", "token_counts")

truth_ratio = known_metric(
    "truth_ratio", _truth_ratio, reads=("forget",), fields=_TOKENS, needs_oracle=True
)
extraction_strength = known_metric(
    "extraction_strength", _extraction_strength, reads=("forget",), fields=_TOKENS
)
