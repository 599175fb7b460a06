"""Each metric against an example worked by hand, and on inputs at the edge."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from metareval.catalogue import BUILT_IN_METRICS
from metareval.errors import ObservationError
from metareval.metrics import (
    AD,
    CKA,
    FA,
    JS,
    RA,
    AD_relative,
    FA_class,
    FA_contains,
    FA_gap,
    JS_topk_sorted,
    RA_contains,
    extraction_strength,
    truth_ratio,
)
from metareval.metrics.accuracy import contains_match, exact_match, normalise
from metareval.metrics.divergence import js_divergences, linear_cka, sorted_topk_divergences
from metareval.metrics.memorisation import extraction_strengths, truth_ratios
from metareval.observations import Observations

LN2 = math.log(2)


def seen(split: str = "forget", n: int = 2, **fields: Any) -> dict[str, Observations]:
    texts: dict[str, Any] = {
        "sample_ids": [f"s{i}" for i in range(n)],
        "gold": ["g"] * n,
        "answers": ["a"] * n,
    }
    layer = "l" if "hidden" in fields else ""
    return {split: Observations(split, **{**texts, "layer": layer, **fields})}


def answered(split: str, *pairs: tuple[str, str]) -> dict[str, Observations]:
    answers, gold = zip(*pairs, strict=True)
    return seen(split, len(pairs), answers=answers, gold=gold)


# Accuracy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Paris", "paris"),
        ("  the\n Eiffel\tTower. ", "the eiffel tower"),
        ("\N{LEFT DOUBLE QUOTATION MARK}Yes!\N{RIGHT DOUBLE QUOTATION MARK}", "yes"),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER A}da", "ada"),
        ("Stra\N{LATIN SMALL LETTER SHARP S}e", "strasse"),
        ("e\N{COMBINING ACUTE ACCENT}", "\N{LATIN SMALL LETTER E WITH ACUTE}"),
        ("C++", "c++"),
        ("C#.", "c#"),
        ("-5", "-5"),
        ("U.S.", "u.s"),
        (" . ", ""),
        ("?!", ""),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected
    assert normalise(normalise(text)) == expected


def test_accuracy_by_hand() -> None:
    pairs = [("Ada.", "ada"), ("It is Ada", "Ada"), ("Adam", "Ada"), ("", "Ada")]
    assert FA(answered("forget", *pairs)) == 0.25
    assert FA_class(answered("forget", *pairs)) == 0.25
    assert FA_contains(answered("forget", *pairs)) == 0.5
    assert RA(answered("retain", *pairs)) == 0.25
    assert RA_contains(answered("retain", *pairs)) == 0.5


def test_signs_are_part_of_an_answer() -> None:
    assert not exact_match(["C", "5", "50"], ["C++", "-5", "50%"]).any()
    assert contains_match(["I like C++ best", "a+b"], ["C++", "a+b"]).all()
    assert not contains_match(["axb", "Adam"], ["a.b", "Ada"]).any()


@pytest.mark.parametrize("gold", ["", "  ", ".", '"?"'])
@pytest.mark.parametrize("metric", [FA, FA_contains, FA_class])
def test_empty_gold_answers_are_refused(metric: Any, gold: str) -> None:
    with pytest.raises(ObservationError, match=r"position 1 is .*empty once normalised"):
        metric(answered("forget", ("x", "x"), ("y", gold)))


def test_gap_counts_both_ways() -> None:
    none = answered("forget", ("x", "Ada"), ("x", "Bo"), ("x", "Cy"), ("x", "Di"))
    half = answered("forget", ("Ada", "Ada"), ("Bo", "Bo"), ("x", "Cy"), ("x", "Di"))
    assert FA_gap(none, half) == FA_gap(half, none) == 0.5
    assert FA_gap(half, half) == 0.0


# Divergence


def test_js_by_hand() -> None:
    # One certain, one even: (3/4) ln(4/3) for the mean against each, in closed form.
    p, q = [0.0, -np.inf], np.log([0.5, 0.5]).tolist()
    expected = 0.5 * math.log(4 / 3) + 0.5 * (0.5 * math.log(2 / 3) + 0.5 * math.log(2))
    assert JS(seen(next_logprobs=[p, q]), seen(next_logprobs=[q, q])) == pytest.approx(
        expected / 2, abs=1e-8
    )


def test_js_ends_of_the_range() -> None:
    p = np.array([[0.0, -np.inf, -np.inf]])
    assert js_divergences(p, p).tolist() == [0.0]
    assert js_divergences(p, p[:, ::-1]).tolist() == [LN2]


def test_js_with_the_smallest_probabilities() -> None:
    # exp(-745) is the smallest double; half of it would be 0.
    p, q = np.array([[0.0, -745.0]]), np.array([[0.0, -np.inf]])
    for value in (js_divergences(p, q), js_divergences(q, p)):
        assert value == pytest.approx([0.0], abs=1e-300)
    assert np.isfinite(js_divergences(np.array([[0.0, -1e30]]), q)).all()


def test_js_is_taken_over_rows_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    p, q = (np.log(rng.dirichlet(np.ones(7), 50)) for _ in range(2))
    whole = js_divergences(p, q)
    monkeypatch.setattr("metareval.observations.fields._NUMBERS_AT_ONCE", 20)
    assert js_divergences(p, q).tolist() == whole.tolist()


def test_sorted_lists_do_not_see_tokens_and_the_flag_says_so() -> None:
    rng = np.random.default_rng(2)
    p = np.log(rng.dirichlet(np.ones(30), 3))
    other = p[:, rng.permutation(30)]
    assert JS_topk_sorted(seen(n=3, next_logprobs=p), seen(n=3, next_logprobs=other)) == 0
    assert JS(seen(n=3, next_logprobs=p), seen(n=3, next_logprobs=other)) > 0.1
    assert "does not see which tokens" in JS_topk_sorted.flags[0]


def test_sorted_lists_by_hand() -> None:
    # The two largest of each, divided by their sums: (3/4, 1/4) and (1/2, 1/2).
    p, q = np.log([[0.1, 0.6, 0.2, 0.1]]), np.log([[0.4, 0.1, 0.1, 0.4]])
    direct = js_divergences(np.log([[0.75, 0.25]]), np.log([[0.5, 0.5]]))
    assert sorted_topk_divergences(p, q, k=2) == pytest.approx(direct)
    # Fewer tokens than k: all of them.
    assert sorted_topk_divergences(p, q, k=9) == pytest.approx(sorted_topk_divergences(p, q, k=4))


# Activations


def test_activation_distance_by_hand() -> None:
    model = seen(hidden=[[3.0, 4.0], [1.0, 0.0]])
    oracle = seen(hidden=[[0.0, 0.0], [0.0, 0.0]])
    assert AD(model, oracle) == 3.0
    # The oracle's norms against the model's: 3 / ((5 + 1) / 2).
    assert AD_relative(oracle, model) == 1.0
    assert math.isnan(AD_relative(model, oracle))


def test_activation_distance_survives_large_values() -> None:
    huge = seen(hidden=np.full((2, 4), 3e38))
    assert AD(huge, seen(hidden=np.full((2, 4), -3e38))) == pytest.approx(1.2e39)


def test_cka_by_hand() -> None:
    x = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    y = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    # X'X = diag(2, 0), Y'Y = 4 I, Y'X has rows (2, 0), (2, 0): 8 / (2 * sqrt(32)).
    assert linear_cka(x, y) == pytest.approx(1 / math.sqrt(2))
    wide = np.hstack([y, np.zeros((4, 9))])
    assert linear_cka(x, wide) == pytest.approx(1 / math.sqrt(2))


def test_cka_on_unlike_widths_and_layers_but_not_on_too_few() -> None:
    x = np.arange(12.0).reshape(4, 3) ** 2
    model = seen(n=4, hidden=x)
    oracle = seen(n=4, hidden=np.hstack([x, x]), layer="other")
    assert CKA(model, oracle) == pytest.approx(1.0)
    with pytest.raises(ObservationError, match="at least 3 samples, found 2"):
        CKA(seen(hidden=x[:2]), seen(hidden=x[:2]))


@pytest.mark.parametrize("value", [0.0, 0.1, 1e30])
def test_cka_of_constant_activations_is_undefined(value: float) -> None:
    x = np.arange(12.0).reshape(4, 3)
    assert math.isnan(CKA(seen(n=4, hidden=np.full((4, 3), value)), seen(n=4, hidden=x)))


def test_cka_takes_rounding_of_the_mean_for_no_variation() -> None:
    constant = np.full((3, 2), 0.1)
    assert constant.mean(axis=0)[0] != 0.1
    assert math.isnan(linear_cka(constant, np.arange(6.0).reshape(3, 2)))


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_cka_has_no_scale(scale: float) -> None:
    x = np.array([[1.0, 2.0], [3.0, 1.0], [0.0, 5.0]])
    assert linear_cka(x * scale, x) == pytest.approx(1.0)


# Memorisation


def test_truth_ratio_by_hand() -> None:
    counts = [2, 1]
    model = seen(token_logprobs=np.log([0.5, 0.125, 0.2]), token_counts=counts)
    oracle = seen(token_logprobs=np.log([0.5, 0.5, 0.1]), token_counts=counts)
    # Geometric means 1/4 against 1/2, and 0.2 against 0.1.
    assert truth_ratio(model, oracle) == pytest.approx(0.5)
    assert truth_ratio(oracle, model) == pytest.approx(0.5)
    assert truth_ratio(model, model) == 1.0


def test_truth_ratio_of_impossible_answers() -> None:
    logs = np.array([-np.inf, -np.inf, -1.0])
    assert truth_ratios(logs, np.array([-np.inf, -1.0, -1.0])).tolist() == [1.0, 0.0, 1.0]


def test_truth_ratio_lets_tokenisers_differ() -> None:
    one = seen(n=1, token_logprobs=[-2.0], token_counts=[1])
    two = seen(n=1, token_logprobs=[-1.0, -3.0], token_counts=[2])
    assert truth_ratio(one, two) == 1.0


def test_extraction_strength_by_hand() -> None:
    logs = np.log([0.9, 0.1, 0.9, 0.8, 0.9, 0.9, 0.4])
    # Two of four tokens must be given; none of two; all of one.
    assert extraction_strengths(logs, np.array([4, 2, 1])).tolist() == [0.5, 1.0, 0.0]
    model = seen(n=3, token_logprobs=logs, token_counts=[4, 2, 1])
    assert extraction_strength(model) == 0.5


def test_extraction_needs_more_than_half() -> None:
    half = math.log(0.5)
    logs = np.array([half, np.nextafter(half, 0), -np.inf])
    assert extraction_strengths(logs, np.array([1, 1, 1])).tolist() == [0.0, 1.0, 0.0]


# What all have in common


@pytest.mark.parametrize("metric", [FA_gap, JS, JS_topk_sorted, AD, AD_relative, CKA, truth_ratio])
def test_paired_metrics_match_by_sample_id(metric: Any) -> None:
    rng = np.random.default_rng(3)

    def model(seed: int) -> Observations:
        rng = np.random.default_rng(seed)
        return seen(
            n=5,
            answers=rng.choice(["g", "x"], 5).tolist(),
            token_logprobs=-rng.exponential(size=9),
            token_counts=[1, 2, 1, 3, 2],
            next_logprobs=np.log(rng.dirichlet(np.ones(12), 5)),
            hidden=rng.normal(size=(5, 3)),
        )["forget"]

    a, b = model(1), model(2)
    shuffled = b.subset(rng.permutation(b.sample_ids).tolist())
    expected = metric({"forget": a}, {"forget": b})
    assert metric({"forget": a}, {"forget": shuffled}) == expected
    with pytest.raises(ObservationError, match="'s3' was not observed with the oracle"):
        metric({"forget": a}, {"forget": b.subset(["s4", "s0", "s1", "s2"])})
    with pytest.raises(ObservationError, match="'s1' and 1 more was not observed with the model"):
        metric({"forget": a.subset(["s4", "s0", "s3"])}, {"forget": b})
    other_gold = seen(n=5, gold=["g", "g", "h", "g", "g"])
    with pytest.raises(ObservationError, match="'s2' has the gold answer 'g' with the model and"):
        metric({"forget": a}, other_gold)
    with pytest.raises(ObservationError, match="oracle"):
        metric({"forget": a})


def test_columns_must_mean_the_same() -> None:
    two, three = np.log(np.full((2, 2), 0.5)), np.log(np.full((2, 3), 1 / 3))
    with pytest.raises(ObservationError, match="2 columns with the model and 3 with the oracle"):
        JS(seen(next_logprobs=two), seen(next_logprobs=three))
    with pytest.raises(ObservationError, match="layer 'l' with the model and 'm' with the oracle"):
        AD(seen(hidden=two), seen(hidden=two, layer="m"))


def test_oracle_metrics_know_it_in_the_catalogue() -> None:
    from metareval.metrics import BUILTIN

    assert set(BUILTIN) <= set(BUILT_IN_METRICS)
    for name, metric in BUILTIN.items():
        assert BUILT_IN_METRICS[name].from_oracle == metric.needs_oracle
        assert metric.flags == BUILT_IN_METRICS[name].flags
