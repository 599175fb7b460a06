"""What must hold of every metric on any observations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from metareval.metrics import BUILTIN
from metareval.metrics.divergence import js_divergences, linear_cka, sorted_topk_divergences
from metareval.metrics.membership import attack_accuracy, auc
from metareval.metrics.memorisation import extraction_strengths, truth_ratios
from metareval.observations import Observations

LN2 = math.log(2)
PAIRED = [name for name, metric in BUILTIN.items() if metric.needs_oracle]
LOGS = st.floats(-50, 0, width=32) | st.just(-math.inf) | st.just(0.0)
WORDS = st.sampled_from(["ada", "Ada.", "it is ada", "bo", "C++", ""])


@st.composite
def split(draw: st.DrawFn, name: str, *, n: int, vocabulary: int, width: int) -> Observations:
    counts = draw(st.lists(st.integers(1, 4), min_size=n, max_size=n))
    logits = draw(hnp.arrays(np.float64, (n, vocabulary), elements=LOGS))
    logits[:, draw(st.integers(0, vocabulary - 1))] = 0.0
    values = st.floats(-(2.0**99), 2.0**99, width=32) | st.sampled_from([0.0, 1.0])
    return Observations(
        name,
        [f"{name}{i}" for i in range(n)],
        draw(st.lists(WORDS.filter(bool), min_size=n, max_size=n)),
        draw(st.lists(WORDS, min_size=n, max_size=n)),
        token_logprobs=draw(hnp.arrays(np.float64, sum(counts), elements=LOGS)),
        token_counts=counts,
        next_logprobs=logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)),
        hidden=draw(hnp.arrays(np.float64, (n, width), elements=values)),
        layer="l",
    )


@st.composite
def models(draw: st.DrawFn) -> tuple[dict[str, Observations], dict[str, Observations]]:
    """A model and an oracle, observed on the same samples."""
    vocabulary, width = draw(st.integers(1, 14)), draw(st.integers(1, 6))
    out: tuple[dict[str, Observations], dict[str, Observations]] = ({}, {})
    for name in ("forget", "retain", "nonmember"):
        n = draw(st.integers(3, 7))
        model, oracle = (
            draw(split(name, n=n, vocabulary=vocabulary, width=width)) for _ in range(2)
        )
        out[0][name] = model
        out[1][name] = Observations(
            **{**oracle._as_arguments(), "gold": model.gold, "sample_ids": model.sample_ids}
        )
    return out


@given(models())
def test_values_are_within_their_range(
    pair: tuple[dict[str, Observations], dict[str, Observations]],
) -> None:
    for name, metric in BUILTIN.items():
        value = metric(*pair)
        assert type(value) is float
        if not (math.isnan(value) and name in ("CKA", "AD_relative")):
            assert metric.low <= value <= metric.high, name


@given(models())
def test_the_oracle_itself_scores_best(
    pair: tuple[dict[str, Observations], dict[str, Observations]],
) -> None:
    for name in PAIRED:
        metric = BUILTIN[name]
        value = metric(pair[0], pair[0])
        if not math.isnan(value):
            assert value == pytest.approx(1.0 if metric.direction == "higher" else 0.0, abs=1e-9)


@given(models(), st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(
    pair: tuple[dict[str, Observations], dict[str, Observations]], random: object
) -> None:
    model, oracle = pair
    turned = {}
    for name, seen in model.items():
        ids = list(seen.sample_ids)
        random.shuffle(ids)  # type: ignore[attr-defined]
        turned[name] = seen.subset(ids)
    for metric in BUILTIN.values():
        expected = metric(model, oracle)
        assert metric(turned, oracle) == pytest.approx(expected, rel=1e-6, abs=1e-9, nan_ok=True)


@given(models(), st.integers(1, 5))
def test_subset_and_merge_are_inverse(
    pair: tuple[dict[str, Observations], dict[str, Observations]], at: int
) -> None:
    seen = pair[0]["forget"]
    at = min(at, seen.n - 1)
    ids = seen.sample_ids
    assert Observations.merge([seen.subset(ids[:at]), seen.subset(ids[at:])]) == seen


def distributions(n: int, width: int) -> st.SearchStrategy[np.ndarray]:
    def normal(logits: np.ndarray) -> np.ndarray:
        logits[:, 0] = 0.0
        out: np.ndarray = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return out

    return hnp.arrays(np.float64, (n, width), elements=st.floats(-745, 0) | LOGS).map(normal)


@given(distributions(3, 5), distributions(3, 5))
def test_js_is_symmetric_bounded_and_definite(p: np.ndarray, q: np.ndarray) -> None:
    value = js_divergences(p, q)
    assert ((value >= 0) & (value <= LN2)).all()
    assert value == pytest.approx(js_divergences(q, p), abs=1e-15)
    assert js_divergences(p, p).max() < 1e-15
    # Pinsker-like: half the total variation, squared, is a lower bound.
    variation = np.abs(np.exp(p) - np.exp(q)).sum(axis=1) / 2
    assert (value >= variation**2 / 2 - 1e-12).all()
    assert (value <= LN2 * variation + 1e-12).all()


@given(distributions(2, 12), distributions(2, 12), st.permutations(range(12)))
def test_order_of_tokens(p: np.ndarray, q: np.ndarray, order: list[int]) -> None:
    assert js_divergences(p[:, order], q[:, order]) == pytest.approx(js_divergences(p, q))
    # The published variant does not notice when one model's tokens change places.
    blind = sorted_topk_divergences(p[:, order], q)
    assert blind == pytest.approx(sorted_topk_divergences(p, q), abs=1e-12)


SCORES = hnp.arrays(
    np.float64,
    st.integers(2, 9),
    elements=st.sampled_from([-math.inf, -2.0, -1.0, 0.0]) | st.floats(-9, 0),
)


@given(SCORES, SCORES)
def test_auc_is_the_share_of_pairs_won(members: np.ndarray, others: np.ndarray) -> None:
    pairs = [0.5 if a == b else float(a > b) for a in members for b in others]
    assert auc(members, others) == pytest.approx(np.mean(pairs))
    assert auc(members, others) + auc(others, members) == pytest.approx(1.0)


FEATURES = hnp.arrays(
    np.float64, st.tuples(st.integers(2, 12), st.just(3)), elements=st.floats(0, 1, width=16)
)


@given(FEATURES, FEATURES)
def test_the_attack_treats_classes_alike(members: np.ndarray, others: np.ndarray) -> None:
    first, second = ([f"{c}{i}" for i in range(len(x))] for c, x in (("m", members), ("o", others)))
    value = attack_accuracy(members, others, member_ids=first, other_ids=second)
    assert 0 <= value <= 1
    assert value == pytest.approx(
        attack_accuracy(others, members, member_ids=second, other_ids=first)
    )


@given(
    hnp.arrays(np.float64, (5, 3), elements=st.floats(-9, 9, width=16)),
    hnp.arrays(np.float64, (5, 4), elements=st.floats(-9, 9, width=16)),
)
def test_cka_is_symmetric_and_blind_to_scale_shift_and_rotation(
    x: np.ndarray, y: np.ndarray
) -> None:
    value = linear_cka(x, y)
    assert math.isnan(value) or 0 <= value <= 1
    assert linear_cka(y, x) == pytest.approx(value, nan_ok=True)
    turn = np.linalg.qr(np.arange(9.0).reshape(3, 3) ** 2 + np.eye(3))[0]
    assert linear_cka(x @ turn * 3, y) == pytest.approx(value, nan_ok=True, abs=1e-6)
    # Both ways of computing it agree.
    assert linear_cka(np.repeat(x, 2, axis=0), np.repeat(y, 2, axis=0)) == pytest.approx(
        value, nan_ok=True
    )


@given(st.lists(st.lists(LOGS, min_size=1, max_size=6), min_size=1, max_size=6))
def test_extraction_strength_by_its_definition(samples: list[list[float]]) -> None:
    flat = np.array([x for sample in samples for x in sample])
    counts = np.array([len(s) for s in samples])
    for value, sample in zip(extraction_strengths(flat, counts), samples, strict=True):
        sure = [math.exp(x) > 0.5 for x in sample]
        k = next(k for k in range(len(sample) + 1) if all(sure[k:]))
        assert value == pytest.approx(1 - k / len(sample))


@given(hnp.arrays(np.float64, 4, elements=LOGS), hnp.arrays(np.float64, 4, elements=LOGS))
def test_truth_ratio_is_symmetric(a: np.ndarray, b: np.ndarray) -> None:
    assert truth_ratios(a, b).tolist() == truth_ratios(b, a).tolist()
    assert (truth_ratios(a, a) == 1).all()
