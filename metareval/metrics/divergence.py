"""Distances between model and oracle: distributions of the next token, and activations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metareval.errors import ObservationError
from metareval.metrics.definition import FloatArray, Observed, known_metric, matched_rows
from metareval.observations import row_blocks

# Sorted probabilities that the published variant of JS compares.
TOP_K = 10
# Centred activations of two samples always align perfectly.
FEWEST_FOR_CKA = 3


def js_divergences(p_logs: NDArray[Any], q_logs: NDArray[Any]) -> FloatArray:
    """Return the Jensen-Shannon divergence of each pair of rows, in nats.

    Parameters
    ----------
    p_logs, q_logs : ndarray, shape (n, vocabulary)
        Log-probabilities, aligned by column; ``-inf`` is a probability of exactly 0. Rows are
        divided by their sum.

    Returns
    -------
    ndarray, shape (n,)
        Half of KL(p, m) plus half of KL(q, m), with m the mean of p and q: 0 to ln 2.

    Examples
    --------
    >>> import numpy as np
    >>> js_divergences(np.log([[0.5, 0.5]]), np.array([[0.0, -np.inf]])).round(6)
    array([0.215762])
    """
    out = np.empty(len(p_logs))
    for rows in row_blocks(*p_logs.shape):
        out[rows] = _js(_probabilities(p_logs[rows]), _probabilities(q_logs[rows]))
    return out


def sorted_topk_divergences(
    p_logs: NDArray[Any], q_logs: NDArray[Any], *, k: int = TOP_K
) -> FloatArray:
    """Return the divergence of the k largest probabilities of each row, sorted by size.

    Which columns the probabilities stand in is ignored, so this is not a divergence of the two
    distributions; it is here because results were published with it.

    Examples
    --------
    Certain of different answers, and still at distance 0:

    >>> import numpy as np
    >>> a = np.log([[0.9, 0.05, 0.05]])
    >>> b = np.log([[0.05, 0.05, 0.9]])
    >>> sorted_topk_divergences(a, b), js_divergences(a, b).round(2)
    (array([0.]), array([0.46]))
    """
    out = np.empty(len(p_logs))
    for rows in row_blocks(*p_logs.shape):
        out[rows] = _js(_largest(p_logs[rows], k), _largest(q_logs[rows], k))
    return out


def _probabilities(logs: NDArray[Any]) -> FloatArray:
    p: FloatArray = np.exp(logs.astype(np.float64))
    p /= p.sum(axis=1, keepdims=True)
    return p


def _largest(logs: NDArray[Any], k: int) -> FloatArray:
    k = min(k, logs.shape[1])
    largest = np.partition(logs, logs.shape[1] - k, axis=1)[:, logs.shape[1] - k :]
    return _probabilities(np.sort(largest, axis=1)[:, ::-1])


def _js(p: FloatArray, q: FloatArray) -> FloatArray:
    both = p + q
    total = np.zeros(len(p))
    for x in (p, q):
        # log(2x / (p + q)) is finite wherever x > 0, even for the smallest x there is.
        logs = np.zeros_like(x)
        np.divide(2 * x, both, out=logs, where=x > 0)
        np.log(logs, out=logs, where=x > 0)
        total += np.einsum("ij,ij->i", x, logs)
    # Rounding may pass either bound by a few units in the last place.
    return np.clip(total / 2, 0.0, math.log(2.0))


def activation_distances(x: NDArray[Any], y: NDArray[Any]) -> FloatArray:
    """Return the Euclidean distance of each pair of rows.

    Examples
    --------
    >>> import numpy as np
    >>> activation_distances(np.array([[3.0, 4.0]]), np.array([[0.0, 0.0]]))
    array([5.])
    """
    return _norms(x.astype(np.float64) - y)


def _norms(x: NDArray[Any]) -> FloatArray:
    out: FloatArray = np.sqrt(np.einsum("ij,ij->i", x, x, dtype=np.float64))
    return out


def linear_cka(x: NDArray[Any], y: NDArray[Any]) -> float:
    """Return the linear centred kernel alignment of two sets of activations.

    Parameters
    ----------
    x, y : ndarray, shapes (n, a) and (n, b)
        Activations for the same n samples; the widths may differ.

    Returns
    -------
    float
        ``|Y'X|^2 / (|X'X| |Y'Y|)`` in Frobenius norms, columns centred: 1 where the activations
        are equal up to rotation, scale and shift. NaN where one of them does not vary.

    Raises
    ------
    ObservationError
        Fewer than three samples, for which it would always be 1.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 1.0]])
    >>> turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    >>> round(linear_cka(x, 3 * x @ turn + 7), 12)
    1.0
    """
    if len(x) < FEWEST_FOR_CKA:
        raise ObservationError(
            f"CKA needs at least {FEWEST_FOR_CKA} samples, found {len(x)}: with fewer it is 1 for "
            "any two models. Observe more samples."
        )
    centred_x, centred_y = _centred(x), _centred(y)
    if not (centred_x.any() and centred_y.any()):
        return math.nan
    # Both ways give the same sums; the smaller matrices win.
    if len(x) < max(x.shape[1], y.shape[1]):
        of_x, of_y = centred_x @ centred_x.T, centred_y @ centred_y.T
        shared = float(np.vdot(of_x, of_y))
    else:
        of_x, of_y = centred_x.T @ centred_x, centred_y.T @ centred_y
        shared = float(np.square(centred_y.T @ centred_x).sum())
    value = shared / float(np.linalg.norm(of_x) * np.linalg.norm(of_y))
    return min(max(value, 0.0), 1.0)


def _centred(x: NDArray[Any]) -> FloatArray:
    wide = x.astype(np.float64)
    out: FloatArray = wide - wide.mean(axis=0)
    # The mean of equal values may be off by a rounding error, which is not variation.
    out[:, (wide == wide[0]).all(axis=0)] = 0.0
    # Scale does not matter, and squares of squares must neither overflow nor vanish.
    largest = np.abs(out).max()
    return out / largest if largest > 0 else out


def _js_aligned(observed: Observed, oracle: Observed) -> float:
    """Jensen-Shannon divergence of the next-token distributions of model and oracle.

    Mean over the forget samples of (KL(p, m) + KL(q, m)) / 2, m = (p + q) / 2, over the whole
    vocabulary, token by token. 0 to ln 2 nats, lower is better. Lin (1991).
    """
    logs = matched_rows(observed, oracle, "forget", "next_logprobs")
    return float(js_divergences(*logs).mean())


def _js_topk_sorted(observed: Observed, oracle: Observed) -> float:
    """Divergence of the ten largest probabilities of model and oracle, each sorted by size.

    As JS, on lists that have lost their tokens and were divided by their sums. 0 to ln 2 nats,
    lower is better. A published variant, kept for comparison: see ``flags``.
    """
    logs = matched_rows(observed, oracle, "forget", "next_logprobs")
    return float(sorted_topk_divergences(*logs).mean())


def _activation_distance(observed: Observed, oracle: Observed) -> float:
    """Euclidean distance of the mean hidden states of model and oracle.

    Mean over the forget samples of |h_model - h_oracle|. 0 or more, lower is better. After
    Golatkar et al. (2021).
    """
    hidden = matched_rows(observed, oracle, "forget", "hidden")
    return float(activation_distances(*hidden).mean())


def _relative_distance(observed: Observed, oracle: Observed) -> float:
    """Activation distance in units of the oracle's activations.

    AD divided by the mean of |h_oracle| over the forget samples. 0 or more, lower is better; NaN
    where the oracle's activations are all 0.
    """
    mine, theirs = matched_rows(observed, oracle, "forget", "hidden")
    scale = float(_norms(theirs).mean())
    return float(activation_distances(mine, theirs).mean()) / scale if scale > 0 else math.nan


def _cka(observed: Observed, oracle: Observed) -> float:
    """Linear centred kernel alignment of the hidden states of model and oracle.

    |Y'X|^2 / (|X'X| |Y'Y|) over the forget samples, columns centred. 0 to 1, higher is better; NaN
    where the activations of one model do not vary. Kornblith et al. (2019).
    """
    return linear_cka(*matched_rows(observed, oracle, "forget", "hidden", same_width=False))


_NEXT, _HIDDEN, _FORGET = ("next_logprobs",), ("hidden",), ("forget",)

JS = known_metric("JS", _js_aligned, reads=_FORGET, fields=_NEXT, needs_oracle=True)
JS_topk_sorted = known_metric(
    "JS_topk_sorted", _js_topk_sorted, reads=_FORGET, fields=_NEXT, needs_oracle=True
)
AD = known_metric("AD", _activation_distance, reads=_FORGET, fields=_HIDDEN, needs_oracle=True)
AD_relative = known_metric(
    "AD_relative", _relative_distance, reads=_FORGET, fields=_HIDDEN, needs_oracle=True
)
CKA = known_metric("CKA", _cka, reads=_FORGET, fields=_HIDDEN, needs_oracle=True)
