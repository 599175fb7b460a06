"""Membership inference: blind where there is nothing to see, sharp where there is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from metareval.errors import ObservationError
from metareval.metrics import MIA, MIA_loss_auc, MIA_mink_auc, compute
from metareval.metrics.membership import (
    attack_accuracy,
    auc,
    confidence_features,
    least_likely_means,
    logistic_fit,
)
from metareval.observations import Observations

ALL = (MIA, MIA_loss_auc, MIA_mink_auc)


def observed(
    split: str, n: int, rng: np.random.Generator, *, sharpness: float = 0.3, loss: float = 1.0
) -> Observations:
    counts = rng.integers(1, 8, n)
    logs = np.log(rng.dirichlet(np.full(12, sharpness), n) + 1e-12)
    return Observations(
        split,
        [f"{split}{i}" for i in range(n)],
        ["g"] * n,
        ["a"] * n,
        token_logprobs=-rng.exponential(loss, counts.sum()),
        token_counts=counts,
        next_logprobs=logs,
    )


def both(members: Observations, others: Observations) -> dict[str, Observations]:
    return {members.split: members, others.split: others}


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize(("n", "m"), [(40, 40), (20, 80)])
def test_exchangeable_classes_give_one_half(metric: Any, n: int, m: int) -> None:
    # One value has a standard deviation below 0.09 at these sizes, the mean of 200 below 0.0065:
    # 0.025 is nearly four of them.
    values = [
        metric(both(observed("forget", n, rng), observed("nonmember", m, rng)))
        for rng in map(np.random.default_rng, range(200))
    ]
    assert np.std(values) < 0.09
    assert abs(np.mean(values) - 0.5) < 0.025


@pytest.mark.parametrize("metric", ALL)
def test_separable_classes_give_nearly_one(metric: Any) -> None:
    rng = np.random.default_rng(0)
    members = observed("forget", 50, rng, sharpness=0.01, loss=0.001)
    others = observed("nonmember", 90, rng, sharpness=50.0, loss=50.0)
    assert metric(both(members, others)) > 0.97


@pytest.mark.parametrize("metric", ALL)
def test_the_order_of_samples_does_not_matter(metric: Any) -> None:
    rng = np.random.default_rng(4)
    members, others = observed("forget", 30, rng), observed("nonmember", 40, rng)
    value = metric(both(members, others))
    assert metric(both(members, others)) == value
    turned = both(members.subset(members.sample_ids[::-1]), others.subset(others.sample_ids[::-1]))
    assert metric(turned) == value


@pytest.mark.parametrize("metric", ALL)
def test_classes_count_alike_whatever_their_sizes(metric: Any) -> None:
    # Calling everything a non-member would be right in 95 of 100.
    rng = np.random.default_rng(5)
    flat = observed("forget", 5, rng), observed("nonmember", 95, rng)
    one = {"next_logprobs": np.log(np.full((100, 2), 0.5)), "token_logprobs": np.full(100, -1.0)}
    members, others = (
        Observations(
            seen.split,
            seen.sample_ids,
            seen.gold,
            seen.answers,
            token_logprobs=one["token_logprobs"][: seen.n],
            token_counts=np.ones(seen.n, dtype=int),
            next_logprobs=one["next_logprobs"][: seen.n],
        )
        for seen in flat
    )
    assert metric(both(members, others)) == 0.5


def test_the_attack_is_trained_on_balanced_classes() -> None:
    # Two normal distributions two standard deviations apart: the best boundary is right in 84% of
    # either class. Without weights it would lie far on the side of the few.
    rng = np.random.default_rng(11)
    members, others = rng.normal(2.0, 1.0, (40, 1)), rng.normal(0.0, 1.0, (4000, 1))
    ids = [str(i) for i in range(4000)]
    value = attack_accuracy(members, others, member_ids=ids[:40], other_ids=ids)
    assert abs(value - 0.84) < 0.1


@pytest.mark.parametrize("metric", ALL)
def test_nonmembers_come_first_and_test_stands_in(metric: Any) -> None:
    rng = np.random.default_rng(6)
    members = observed("forget", 20, rng, sharpness=0.01, loss=0.001)
    alike = observed("nonmember", 20, rng, sharpness=0.01, loss=0.001)
    unlike = observed("test", 20, rng, sharpness=50.0, loss=50.0)
    three = {"forget": members, "nonmember": alike, "test": unlike}
    assert metric(three) == metric(both(members, alike)) < 0.8
    assert metric(both(members, unlike)) > 0.9
    with pytest.raises(ObservationError, match="neither of the split 'nonmember' nor of 'test'"):
        metric({"forget": members})
    # Observed for other metrics alone, the test split need not hold what this one reads.
    bare = Observations("test", ["t"], ["g"], ["a"])
    assert compute([metric.name], {**three, "test": bare}) == {metric.name: metric(three)}


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize(("n", "m"), [(1, 9), (9, 1)])
def test_too_few_samples(metric: Any, n: int, m: int) -> None:
    rng = np.random.default_rng(7)
    with pytest.raises(ObservationError, match=f"at least 2 members .*found {n} and {m}"):
        metric(both(observed("forget", n, rng), observed("nonmember", m, rng)))


@pytest.mark.parametrize("metric", ALL)
def test_two_samples_of_each_are_enough(metric: Any) -> None:
    rng = np.random.default_rng(8)
    value = metric(both(observed("forget", 2, rng), observed("nonmember", 2, rng)))
    assert 0 <= value <= 1


def test_features_by_hand() -> None:
    logs = np.array([[0.0, -np.inf, -np.inf], [*np.log([0.2, 0.5, 0.3])]])
    entropy = -(0.2 * np.log(0.2) + 0.5 * np.log(0.5) + 0.3 * np.log(0.3))
    assert confidence_features(logs) == pytest.approx(
        np.array([[1.0, 0.0, 1.0], [0.5, entropy, 0.2]])
    )
    assert confidence_features(np.zeros((2, 1))).tolist() == [[1.0, 0.0, 1.0]] * 2


def test_auc_by_hand() -> None:
    members, others = np.array([3.0, 1.0, -np.inf]), np.array([1.0, -np.inf, 2.0])
    # Pairs won 3, drawn 2 of 9: (3, 1) (3, -inf) (3, 2) (1, -inf), and (1, 1), (-inf, -inf) drawn.
    assert auc(members, others) == pytest.approx(5 / 9)


def test_least_likely_tokens_by_hand() -> None:
    logs = np.array([-1.0, -9.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0, -8.0, -0.5, -np.inf, 0.0])
    # Two of ten tokens; at least one of one; -inf stays within its sample.
    assert least_likely_means(logs, np.array([10, 1, 1])).tolist() == [-8.5, -np.inf, 0.0]


def test_a_share_of_tokens_is_counted_exactly() -> None:
    # 0.3 * 10 is 2.9999999999999996 for some ways of getting there.
    logs = -np.arange(10.0)
    assert least_likely_means(logs, np.array([10]), share=0.1 + 0.2) == pytest.approx(-8.0)
    assert least_likely_means(logs, np.array([10]), share=0.7) == pytest.approx(-6.0)


def slow_fit(design: NDArray[Any], sign: NDArray[Any], weight: NDArray[Any]) -> NDArray[Any]:
    """The same minimum by a general optimiser."""
    from scipy.optimize import minimize

    def loss(beta: NDArray[Any]) -> float:
        margins = sign * (design @ beta)
        return float(weight @ np.logaddexp(0, -margins) + (beta[1:] ** 2).sum() / 2)

    start = np.zeros(design.shape[1])
    out: NDArray[Any] = minimize(loss, start, method="BFGS", options={"gtol": 1e-8}).x
    return out


@pytest.mark.parametrize("seed", range(5))
def test_fit_finds_the_minimum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    design = np.column_stack([np.ones(40), rng.normal(size=(40, 3)) * [1, 10, 0.1]])
    sign = np.where(design[:, 1] + rng.normal(size=40) > 0, 1.0, -1.0)
    weight = rng.uniform(0.5, 2, 40)
    assert logistic_fit(design, sign, weight) == pytest.approx(
        slow_fit(design, sign, weight), abs=1e-4
    )


def test_fit_on_separable_and_on_huge_features() -> None:
    x = np.array([-1e6, -1e6, 1e6, 1e6])
    beta = logistic_fit(np.column_stack([np.ones(4), x]), np.sign(x), np.ones(4))
    assert np.isfinite(beta).all()
    assert beta[1] > 0


def test_rounding_errors_are_no_signal() -> None:
    rng = np.random.default_rng(9)
    x = 0.5 + rng.uniform(-1e-15, 1e-15, (40, 3))
    x[:20] += 1e-13
    ids = [str(i) for i in range(20)]
    assert attack_accuracy(x[:20], x[20:], member_ids=ids, other_ids=ids) == 0.5
