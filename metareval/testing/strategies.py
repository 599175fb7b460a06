"""Hypothesis strategies: tables and observations as people have them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from metareval.observations import SPLITS, Observations
from metareval.table import MetricTable

NAMES = ("m1", "m2", "m3", "m4")


@st.composite
def tables(
    draw: st.DrawFn,
    *,
    min_rows: int = 1,
    gaps: bool = True,
    infinities: bool = True,
    oracle: bool = True,
) -> MetricTable:
    """Draw a small table with ties, constants, up to three blocks and up to three replicates.

    Parameters
    ----------
    min_rows : int
        Independent units (block and item) at least.
    gaps : bool
        Whether values may be missing.
    infinities : bool
        Whether values may be infinite.
    oracle : bool
        Whether there is a distance to an oracle.

    Returns
    -------
    strategy of MetricTable
        Columns ``block``, ``item``, ``replicate``, ``m1`` to ``m4``, ``distance``.

    Examples
    --------
    >>> from hypothesis import given
    >>> import metareval as mr
    >>> from metareval.testing import tables
    >>> @given(tables(min_rows=2))
    ... def test_bounds(table):
    ...     low = mr.agreement(table, n_resamples=10).estimate.min().min()
    ...     assert np.isnan(low) or low >= -1
    """
    n_blocks = draw(st.integers(1, 3))
    # Few enough units that every permutation is listed in no time.
    n_items = draw(st.integers(max(1, -(-min_rows // n_blocks)), 6 if n_blocks == 1 else 3))
    n_replicates = draw(st.integers(1, 3))
    k = draw(st.integers(1, 4))
    values = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 1e-9, -3.0])
    if gaps:
        values |= st.just(np.nan)
    if infinities:
        values |= st.sampled_from([np.inf, -np.inf])
    rows = [
        (f"b{b}", f"i{i}", f"r{r}")
        for b in range(n_blocks)
        for i in range(n_items)
        for r in range(n_replicates)
    ]
    frame = pd.DataFrame(rows, columns=["block", "item", "replicate"])
    for name in NAMES[:k]:
        if draw(st.integers(0, 6)) == 0:
            frame[name] = draw(st.sampled_from([0.0, 1.0]))
        else:
            frame[name] = draw(st.lists(values, min_size=len(rows), max_size=len(rows)))
    if oracle:
        distance = st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.9])
        frame["distance"] = draw(st.lists(distance, min_size=len(rows), max_size=len(rows)))
    directions = {n: draw(st.sampled_from(["higher", "lower"])) for n in NAMES[:k]}
    return MetricTable.from_frame(
        frame,
        metrics=list(NAMES[:k]),
        directions=directions,
        oracle="distance" if oracle else None,
        block="block",
        item="item",
        replicate="replicate",
    )


@st.composite
def observations(
    draw: st.DrawFn,
    *,
    split: str | None = None,
    like: Observations | None = None,
    complete: bool = True,
    min_samples: int = 1,
    max_samples: int = 6,
) -> Observations:
    """Draw what a model might have done on one split, ties and certainties included.

    Parameters
    ----------
    split : str, optional
        Any split where None.
    like : Observations, optional
        Another model's observations: the same samples, gold answers and sizes, in another order.
    complete : bool
        Whether every part is there; else tokens, next tokens and hidden states may be None.
    min_samples, max_samples : int
        How many samples.

    Returns
    -------
    strategy of Observations

    Examples
    --------
    >>> from hypothesis import given, strategies as st
    >>> from metareval.testing import observations
    >>> @given(st.data())
    ... def test_same_samples(data):
    ...     model = data.draw(observations(split="forget"))
    ...     oracle = data.draw(observations(like=model))
    ...     assert set(model.sample_ids) == set(oracle.sample_ids)
    >>> test_same_samples()
    """
    words = st.sampled_from(["yes", "Yes.", "no", "Ada Lovelace", "7", "the cat", "\u00e9t\u00e9"])
    if like is None:
        n = draw(st.integers(min_samples, max_samples))
        ids = [f"s{i}" for i in range(n)]
        gold = {i: draw(words) for i in ids}
        counts = {i: draw(st.integers(1, 4)) for i in ids}
        vocabulary, width = draw(st.integers(2, 6)), draw(st.integers(1, 4))
        parts = {p: complete or draw(st.booleans()) for p in ("tokens", "next", "hidden")}
        layer = "layers.1"
    else:
        ids = list(like.sample_ids)
        n = like.n
        gold = dict(zip(ids, like.gold, strict=True))
        given = [1] * n if like.token_counts is None else like.token_counts.tolist()
        counts = dict(zip(ids, given, strict=True))
        vocabulary = 2 if like.next_logprobs is None else like.next_logprobs.shape[1]
        width = 1 if like.hidden is None else like.hidden.shape[1]
        parts = {
            "tokens": like.token_counts is not None,
            "next": like.next_logprobs is not None,
            "hidden": like.hidden is not None,
        }
        layer = like.layer
        split = split or like.split
    order = draw(st.permutations(ids))
    total = sum(counts.values())
    chances = st.sampled_from([1.0, 0.9, 0.5, 0.5000001, 0.25, 1e-6, 0.0])
    weights = st.lists(st.integers(0, 4), min_size=vocabulary, max_size=vocabulary)
    states = st.lists(
        st.sampled_from([0.0, 1.0, -1.0, 0.5, 3.25, 1e4]), min_size=width, max_size=width
    )
    tokens = np.array(draw(st.lists(chances, min_size=total, max_size=total)))
    rows = np.array([draw(weights.filter(any)) for _ in order], dtype=np.float64)
    hidden = np.array([draw(states) for _ in order], dtype=np.float32)
    with np.errstate(divide="ignore"):
        logs = np.log(tokens).astype(np.float32)
        following = np.log(rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    return Observations(
        split=split or draw(st.sampled_from(SPLITS)),
        sample_ids=tuple(order),
        gold=tuple(gold[i] for i in order),
        answers=tuple(draw(st.one_of(st.just(gold[i]), words, st.just(""))) for i in order),
        token_logprobs=logs if parts["tokens"] else None,
        token_counts=np.array([counts[i] for i in order]) if parts["tokens"] else None,
        next_logprobs=following if parts["next"] else None,
        hidden=hidden if parts["hidden"] else None,
        layer=layer if parts["hidden"] else "",
        provenance={"backend": "drawn"},
    )
