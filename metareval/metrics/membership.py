"""Membership inference: can the forgotten samples be told from samples never trained on?

Members are the forget split; non-members are the ``nonmember`` split, and ``test`` where there is
none. A model that has forgotten treats both alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metareval.errors import ObservationError
from metareval.metrics.definition import FloatArray, Observed, known_metric, part
from metareval.observations import Observations, row_blocks
from metareval.stats.ranks import average_ranks

IntArray = NDArray[np.int64]

FOLDS = 5
FEWEST = 2
# Share of the least likely tokens that Min-K% averages.
LEAST_LIKELY = 0.2

# Weight of half the squared coefficients against the summed loss.
_PENALTY = 1.0
_MOST_STEPS = 100
_MOST_HALVINGS = 40
# Scores nearer to the boundary than this are rounding errors of a tie.
_TIE = 1e-9


def confidence_features(next_logprobs: NDArray[Any]) -> FloatArray:
    """Return what the attack sees of each distribution: confidence, entropy and margin.

    Parameters
    ----------
    next_logprobs : ndarray, shape (n, vocabulary)

    Returns
    -------
    ndarray, shape (n, 3)
        The largest probability, the entropy in nats, and the largest minus the second largest
        probability (minus 0 where there is one column).

    Examples
    --------
    >>> import numpy as np
    >>> confidence_features(np.log([[0.5, 0.25, 0.25]])).round(4)
    array([[0.5   , 1.0397, 0.25  ]])
    """
    n, width = next_logprobs.shape
    out = np.empty((n, 3))
    for rows in row_blocks(n, width):
        logs = next_logprobs[rows].astype(np.float64)
        p = np.exp(logs)
        logs[p == 0] = 0.0
        top = np.partition(p, width - 2, axis=1)[:, width - 2 :] if width > 1 else p
        out[rows, 0] = top[:, -1]
        out[rows, 1] = -np.einsum("ij,ij->i", p, logs)
        out[rows, 2] = top[:, -1] - (top[:, 0] if width > 1 else 0.0)
    return out


def attack_accuracy(
    members: FloatArray,
    others: FloatArray,
    *,
    member_ids: Sequence[str],
    other_ids: Sequence[str],
    folds: int = FOLDS,
) -> float:
    """Return the cross-validated accuracy of a logistic attack on membership.

    Both classes count for one half, in training as in the accuracy, whatever their sizes. Samples
    go to folds by a hash of their ids, class by class, so that the result depends neither on their
    order nor on a seed. Features are standardised on the training folds, and coefficients bear the
    usual ridge penalty (weight 1).

    Parameters
    ----------
    members, others : ndarray, shapes (n, features) and (m, features)
    member_ids, other_ids : sequence of str, lengths n and m
    folds : int
        Fewer where a class has fewer samples.

    Returns
    -------
    float
        Mean of the shares of members and of non-members told right; a score on the boundary is
        half right.

    Raises
    ------
    ObservationError
        A class has fewer than two samples.

    Examples
    --------
    >>> import numpy as np
    >>> ids = [f"s{i}" for i in range(20)]
    >>> x = np.linspace(0, 1, 20)[:, None]
    >>> attack_accuracy(x + 2, x, member_ids=ids, other_ids=ids)
    1.0
    """
    _refuse_few(len(members), len(others))
    folds = min(folds, len(members), len(others))
    first, first_fold = _dealt(members, member_ids, folds)
    second, second_fold = _dealt(others, other_ids, folds)
    x = np.concatenate([first, second])
    fold = np.concatenate([first_fold, second_fold])
    member = np.arange(len(x)) < len(first)
    right = np.empty(len(x))
    for held_out in range(folds):
        train, tested = fold != held_out, fold == held_out
        scores = _fitted_scores(x[train], member[train], x[tested])
        scores = np.where(member[tested], scores, -scores)
        right[tested] = np.where(np.abs(scores) <= _TIE, 0.5, scores > 0)
    return float((right[member].mean() + right[~member].mean()) / 2)


def _dealt(x: FloatArray, ids: Sequence[str], folds: int) -> tuple[FloatArray, IntArray]:
    """Sort samples by the hash of their ids, and deal them to the folds in turn."""
    digests = [hashlib.sha256(i.encode("utf-8", "surrogatepass")).digest() for i in ids]
    order = sorted(range(len(ids)), key=digests.__getitem__)
    return x[order], np.arange(len(ids)) % folds


def _fitted_scores(x: FloatArray, member: NDArray[np.bool_], new: FloatArray) -> FloatArray:
    """Fit the attack to x, and return its log-odds of membership for new samples."""
    weight = np.where(member, 0.5 / member.sum(), 0.5 / (~member).sum()) * len(x)
    centre, spread = x.mean(axis=0), x.std(axis=0)
    # A feature that varies by rounding errors alone must not be blown up into a signal.
    varies = spread > 1e-9 * (1 + np.abs(centre))
    scale = np.where(varies, spread, np.inf)
    design = np.column_stack([np.ones(len(x)), (x - centre) / scale])
    beta = logistic_fit(design, np.where(member, 1.0, -1.0), weight)
    out: FloatArray = np.column_stack([np.ones(len(new)), (new - centre) / scale]) @ beta
    return out


def logistic_fit(design: FloatArray, sign: FloatArray, weight: FloatArray) -> FloatArray:
    """Fit a ridge-penalised logistic regression by Newton's method.

    Parameters
    ----------
    design : ndarray, shape (n, features)
        The first column is the constant, which bears no penalty.
    sign : ndarray, shape (n,)
        1 or -1.
    weight : ndarray, shape (n,)
        Weight of each sample.

    Returns
    -------
    ndarray, shape (features,)
        Minimiser of the weighted log-loss plus half the sum of squared coefficients.
    """
    penalty = np.full(design.shape[1], _PENALTY)
    penalty[0] = 0.0
    signed = design * sign[:, None]

    def loss(beta: FloatArray) -> float:
        return float(weight @ np.logaddexp(0.0, -signed @ beta) + penalty @ beta**2 / 2)

    beta = np.zeros(design.shape[1])
    now = loss(beta)
    for _ in range(_MOST_STEPS):
        doubt = np.exp(-np.logaddexp(0.0, signed @ beta))
        gradient = penalty * beta - signed.T @ (weight * doubt)
        curvature = signed.T @ (signed * (weight * doubt * (1 - doubt))[:, None])
        step = np.linalg.solve(curvature + np.diag(penalty + 1e-12), gradient)
        size = 1.0
        for _ in range(_MOST_HALVINGS):
            if (then := loss(beta - size * step)) <= now:
                break
            size /= 2
        else:
            break
        beta, gained, now = beta - size * step, now - then, then
        if gained <= 1e-12 * (1 + abs(now)) and np.abs(step).max() <= 1e-8:
            break
    return beta


def auc(members: FloatArray, others: FloatArray) -> float:
    """Return the chance that a member scores above a non-member, ties counting one half.

    Parameters
    ----------
    members, others : ndarray, shapes (n,) and (m,)
        Infinities are ordered.

    Raises
    ------
    ObservationError
        A class has fewer than two samples.

    Examples
    --------
    >>> import numpy as np
    >>> auc(np.array([3.0, 2.0]), np.array([2.0, 1.0]))
    0.875
    """
    n, m = len(members), len(others)
    _refuse_few(n, m)
    ranks = average_ranks(np.concatenate([members, others]))
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def least_likely_means(
    logprobs: NDArray[Any], counts: IntArray, *, share: float = LEAST_LIKELY
) -> FloatArray:
    """Return the mean log-probability of the least likely tokens of each sample (Min-K%).

    Parameters
    ----------
    logprobs : ndarray, shape (total_tokens,)
        One sample after another.
    counts : ndarray, shape (n,)
        Tokens of each sample, at least 1.
    share : float
        Share of the tokens to average, rounded down, at least one token.

    Examples
    --------
    >>> import numpy as np
    >>> least_likely_means(np.array([-1.0, -4.0, -2.0, -3.0]), np.array([3, 1]), share=0.7)
    array([-3., -3.])
    """
    sample = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    ordered = logprobs.astype(np.float64)[np.lexsort((logprobs, sample))]
    # A share such as 0.3 of 10 tokens is 3 of them, though the product is just below.
    taken = np.maximum(1, np.floor(share * counts + 1e-9)).astype(np.int64)
    kept = ordered[np.arange(len(ordered)) - np.repeat(starts, counts) < np.repeat(taken, counts)]
    out: FloatArray = np.add.reduceat(kept, np.cumsum(taken) - taken) / taken
    return out


def _refuse_few(n: int, m: int) -> None:
    if min(n, m) < FEWEST:
        raise ObservationError(
            f"Membership inference needs at least {FEWEST} members and {FEWEST} non-members; found "
            f"{n} and {m}. Observe more samples."
        )


def _classes(observed: Observed) -> tuple[Observations, Observations]:
    members = part(observed, "forget")
    if "nonmember" not in observed and "test" not in observed:
        have = ", ".join(sorted(map(str, observed)))
        raise ObservationError(
            "No observations of non-members: neither of the split 'nonmember' nor of 'test'; "
            f"found: {have}. Observe the model on samples it was never trained on."
        )
    others = part(observed, "nonmember" if "nonmember" in observed else "test")
    _refuse_few(members.n, others.n)
    return members, others


def _logistic_attack(observed: Observed) -> float:
    """Accuracy of a logistic attack that tells members from non-members.

    Cross-validated on confidence, entropy and margin of the next-token distribution, both classes
    counting for one half. 0 to 1, one half for a model that treats both alike; lower is better.
    After Shokri et al. (2017).
    """
    members, others = _classes(observed)
    return attack_accuracy(
        confidence_features(members.need("next_logprobs")),
        confidence_features(others.need("next_logprobs")),
        member_ids=members.sample_ids,
        other_ids=others.sample_ids,
    )


def _loss_auc(observed: Observed) -> float:
    """Area under the curve of an attack by loss.

    Chance that a member has a lower mean loss on its gold answer than a non-member, ties counting
    one half. 0 to 1, one half for a model that treats both alike; lower is better. Yeom et al.
    (2018).
    """
    members, others = _classes(observed)
    return auc(members.mean_logprob, others.mean_logprob)


def _mink_auc(observed: Observed) -> float:
    """Area under the curve of an attack by the least likely tokens (Min-K%).

    As ``MIA_loss_auc``, by the mean log-probability of the 20% least likely gold tokens, at least
    one. 0 to 1, one half for a model that treats both alike; lower is better. Shi et al. (2024).
    """
    members, others = _classes(observed)
    scores = (
        least_likely_means(seen.need("token_logprobs"), seen.need("token_counts"))
        for seen in (members, others)
    )
    return auc(*scores)


_SPLITS, _TOKENS = ("forget", "nonmember", "test"), ("token_logprobs", "token_counts")

MIA = known_metric("MIA", _logistic_attack, reads=_SPLITS, fields=("next_logprobs",))
MIA_loss_auc = known_metric("MIA_loss_auc", _loss_auc, reads=_SPLITS, fields=_TOKENS)
MIA_mink_auc = known_metric("MIA_mink_auc", _mink_auc, reads=_SPLITS, fields=_TOKENS)
