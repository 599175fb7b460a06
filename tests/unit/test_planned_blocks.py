"""Power in blocks of few models: drawn studies against enumeration and against the formulas."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats

import metareval as mr
from metareval.errors import ArgumentError
from metareval.stats.simulated_power import BlockPower, latent
from metareval.stats.statistics import get_statistic


def drawn(sizes: tuple[int, ...], statistic: str, *, alpha: float = 0.05) -> BlockPower:
    return BlockPower(
        sizes,
        statistic=get_statistic(statistic),
        alpha=alpha,
        n_draws=10_000,
        rng=np.random.default_rng(0),
    )


@pytest.mark.parametrize("statistic", ["spearman", "kendall"])
@pytest.mark.parametrize("sizes", [(4, 4), (3, 3, 3), (5, 3), (2, 5)])
def test_critical_values_equal_enumeration(statistic: str, sizes: tuple[int, ...]) -> None:
    """All orders within the blocks, each as likely as the next where nothing is to be found."""
    rows = np.concatenate([np.arange(s) + 10 * i for i, s in enumerate(sizes)])
    parts = np.split(rows, np.cumsum(sizes)[:-1])
    values = []
    for order in itertools.product(*(itertools.permutations(p) for p in parts)):
        if statistic == "kendall":
            agree = [
                scipy.stats.kendalltau(p, o).statistic * math.comb(len(p), 2)
                for p, o in zip(parts, order, strict=True)
            ]
            values.append(sum(agree) / sum(math.comb(s, 2) for s in sizes))
        else:
            centred = [
                np.concatenate([v - np.mean(v) for v in each])
                for each in (parts, map(np.array, order))
            ]
            values.append(np.dot(*centred) / np.dot(centred[0], centred[0]))
    found = np.abs(values)
    # Where chance reaches a value about as often as alpha, draws may fall on either side.
    for alpha in (0.03, 0.07, 0.15):
        shares = {v: float((found >= v - 1e-9).mean()) for v in np.unique(found.round(9))}
        if any(abs(share - alpha) < 0.01 for share in shares.values()):
            continue
        reached = [v for v, share in shares.items() if share <= alpha]
        critical = drawn(sizes, statistic, alpha=alpha).critical
        assert critical == pytest.approx(min(reached, default=math.inf), abs=1e-8)


@pytest.mark.parametrize(("sizes", "alpha"), [((4,), 2 / 24), ((4, 2), 0.05), ((3, 2, 2), 0.1)])
def test_perfect_agreement_is_found_wherever_it_is_rare_enough(
    sizes: tuple[int, ...], alpha: float
) -> None:
    """That chance may reach it is known, however often it did in the studies drawn."""
    for seed in range(20):
        power = BlockPower(
            sizes,
            statistic=get_statistic("kendall"),
            alpha=alpha,
            n_draws=2000,
            rng=np.random.default_rng(seed),
        )
        assert power.critical == 1
        assert power.power(0.999) > 0.8
    none = BlockPower(
        sizes,
        statistic=get_statistic("kendall"),
        alpha=0.99 * 2 / math.prod(map(math.factorial, sizes)),
        n_draws=2000,
        rng=np.random.default_rng(0),
    )
    assert none.power(0.999) == 0


def kendall_null(sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return absolute values of tau and their probabilities: inversions, model by model."""
    chance = np.array([1.0])
    for size in sizes:
        for i in range(1, size + 1):
            chance = np.convolve(chance, np.full(i, 1 / i))
    return np.abs(1 - 2 * np.linspace(0, 1, len(chance))), chance


@pytest.mark.parametrize("alpha", [4e-3, 1e-3, 1e-5])
@pytest.mark.parametrize("sizes", [(4, 4, 4), (6, 6), (5, 5, 5, 1, 5), (12, 12, 12), (20, 20, 20)])
def test_levels_that_draws_do_not_reach_are_kept(sizes: tuple[int, ...], alpha: float) -> None:
    tau, chance = kendall_null(sizes)
    reached = [v for v in np.unique(tau.round(9)) if chance[tau >= v - 1e-8].sum() <= alpha]
    planned = BlockPower(
        sizes,
        statistic=get_statistic("kendall"),
        alpha=alpha,
        n_draws=100,
        rng=np.random.default_rng(0),
    )
    if not reached:
        assert planned.critical == math.inf
        return
    assert chance[tau >= planned.critical - 1e-8].sum() <= alpha
    # The normal distribution asks for a little more than is needed, most of it far out.
    assert planned.critical == pytest.approx(min(reached), abs=0.08)


@pytest.mark.parametrize(("statistic", "most"), [("spearman", 2.5), ("pearson", 1.0)])
@pytest.mark.parametrize("sizes", [(6, 6), (4, 8, 10), (12, 12, 12)])
def test_rare_levels_are_kept_by_ranks_and_values(
    statistic: str, most: float, sizes: tuple[int, ...]
) -> None:
    """Ranks of few models reach the critical value up to twice as often as t has it."""
    rng = np.random.default_rng(5)
    draws, alpha = 100_000, 2e-3
    sums = np.zeros((3, draws))
    for size in sizes:
        x, y = rng.standard_normal((2, draws, size))
        if statistic == "spearman":
            x, y = (scipy.stats.rankdata(v, axis=1) for v in (x, y))
        x, y = (v - v.mean(axis=1, keepdims=True) for v in (x, y))
        sums += [(x * y).sum(axis=1), (x * x).sum(axis=1), (y * y).sum(axis=1)]
    planned = BlockPower(
        sizes,
        statistic=get_statistic(statistic),
        alpha=alpha,
        n_draws=100,
        rng=rng,
    )
    level = (np.abs(sums[0]) / np.sqrt(sums[1] * sums[2]) >= planned.critical - 1e-9).mean()
    # Four standard errors of a share of alpha.
    assert abs(level - alpha) <= 4 * math.sqrt(alpha / draws) or alpha < level < most * alpha


@pytest.mark.parametrize("statistic", ["spearman", "kendall", "pearson"])
def test_critical_values_in_the_tail_have_the_variance_of_permutations(statistic: str) -> None:
    """Blocks of unequal size, one of two models and one of a single one among them."""
    sizes, alpha = (5, 4, 2, 1), 2e-3
    variance = whole = 0.0
    for size in sizes:
        x = np.arange(size) - (size - 1) / 2
        i, j = np.triu_indices(size, 1)
        orders = x[np.array(list(itertools.permutations(range(size))))]
        values = (
            np.sign(orders[:, j] - orders[:, i]).sum(axis=1)
            if statistic == "kendall"
            else orders @ x
        )
        variance += values.var()
        whole += values.max()
    critical = BlockPower(
        sizes,
        statistic=get_statistic(statistic),
        alpha=alpha,
        n_draws=100,
        rng=np.random.default_rng(0),
    ).critical
    assert critical < 1
    if statistic == "kendall":
        p = 2 * scipy.stats.norm.sf(critical * whole / math.sqrt(variance))
    else:
        # Normal values within blocks leave 4 + 3 + 1 degrees of freedom, less one for the slope.
        df = 7 if statistic == "pearson" else whole**2 / variance - 1
        p = 2 * scipy.stats.t.sf(critical * math.sqrt(df / (1 - critical**2)), df)
    assert p == pytest.approx(alpha, rel=1e-9)


@pytest.mark.parametrize("statistic", ["spearman", "kendall", "pearson"])
def test_many_tests_do_not_hide_a_strong_correlation(statistic: str) -> None:
    plan = mr.plan(
        rho=0.8, n_units=60, n_blocks=3, tests=5000, statistic=statistic, n_resamples=100, rng=0
    )
    assert plan.power_at_hand > 0.95
    assert 0.3 < plan.smallest_detectable < 0.7
    assert plan.models_needed < 60


@pytest.mark.parametrize("statistic", ["spearman", "kendall", "pearson"])
def test_one_block_of_many_agrees_with_fisher(statistic: str) -> None:
    for rho in (0.2, 0.5):
        found = drawn((36,), statistic).power(rho)
        # Fisher's z is right to about 0.02 there, 10,000 draws to 0.01.
        assert found == pytest.approx(
            mr.plan(rho=rho, n_units=36, statistic=statistic).power_at_hand, abs=0.03
        )


def test_where_no_order_is_rare_enough_nothing_is_found() -> None:
    plan = mr.plan(n_units=6, n_blocks=3, rng=0)  # 8 orders: the smallest p is 2 / 8
    assert plan.smallest_pvalue == 0.25
    assert plan.power_at_hand == 0
    assert math.isnan(plan.smallest_detectable)


def test_small_blocks_hold_less_than_one_large_one() -> None:
    one, three, six = (mr.plan(n_units=24, n_blocks=b, rng=1) for b in (1, 3, 6))
    assert one.power_at_hand > three.power_at_hand > six.power_at_hand
    assert one.smallest_detectable < three.smallest_detectable < six.smallest_detectable
    assert one.models_needed < three.models_needed < six.models_needed
    assert three.models_needed % 3 == six.models_needed % 6 == 0


@pytest.mark.parametrize(("statistic", "blocks"), [("spearman", 3), ("kendall", 6), ("pearson", 4)])
def test_the_models_needed_suffice_and_fewer_do_not(statistic: str, blocks: int) -> None:
    options = {"rho": 0.6, "n_blocks": blocks, "statistic": statistic, "rng": 5}
    needed = mr.plan(**options).models_needed  # type: ignore[arg-type]
    # Each power is drawn anew: 10,000 draws leave a standard error of 0.004.
    enough = mr.plan(n_units=needed, **options)  # type: ignore[arg-type]
    assert enough.power_at_hand > 0.8 - 0.02
    fewer = mr.plan(n_units=needed - blocks, **options)  # type: ignore[arg-type]
    assert fewer.power_at_hand < 0.8 + 0.02
    assert enough.smallest_detectable == pytest.approx(0.6, abs=0.06)


def test_seeds_repeat_and_the_sign_does_not_matter() -> None:
    first, second = (mr.plan(rho=r, n_units=15, n_blocks=3, rng=3) for r in (0.5, -0.5))
    assert first.power_at_hand == second.power_at_hand
    assert first.models_needed == second.models_needed


def test_large_blocks_go_by_the_formula() -> None:
    found = mr.plan(rho=0.1, n_units=408, n_blocks=4)
    assert found.power_at_hand == mr.plan(rho=0.1, n_units=405).power_at_hand
    assert found.models_needed == mr.plan(rho=0.1, n_blocks=4).models_needed
    one = mr.plan(rho=0.1).models_needed
    assert found.models_needed == 4 * math.ceil((one + 3) / 4)


def test_a_table_gives_its_blocks(released: mr.MetricTable) -> None:
    plan = mr.plan(released, rng=0)
    assert (plan.n_units, plan.n_blocks) == (12, 3)
    again = mr.plan(n_units=12, n_blocks=3, tests=5, rng=0)
    assert again.power_at_hand == plan.power_at_hand
    assert again.smallest_pvalue == plan.smallest_pvalue
    wider = mr.plan(released, n_units=36, rng=0)
    assert (wider.n_units, wider.n_blocks) == (36, 3)


def test_blocks_need_models() -> None:
    with pytest.raises(ArgumentError, match="5 models in 3 blocks: a block needs at least 2"):
        mr.plan(n_units=5, n_blocks=3)
    for value in (0, True, 1.5, "2"):
        with pytest.raises(ArgumentError, match="n_blocks is"):
            mr.plan(n_blocks=value)  # type: ignore[arg-type]


def test_latent_correlations_of_normal_variables() -> None:
    """Greiner: the rank correlation of many normal pairs is the one that was asked for."""
    rng = np.random.default_rng(0)
    for name, compute in (("spearman", scipy.stats.spearmanr), ("kendall", scipy.stats.kendalltau)):
        r = latent(name, 0.4)
        x, e = rng.standard_normal((2, 40_000))
        # The standard error of either is about 0.005.
        assert compute(x, r * x + math.sqrt(1 - r * r) * e).statistic == pytest.approx(
            0.4, abs=0.02
        )
