"""Made-up observations and samples to try a plug-in on. Nothing here stands for a real model."""

from __future__ import annotations

import zlib

import numpy as np

from metareval.observations import SPLITS, Observations
from metareval.protocols import Sample

WORDS = ("red", "blue", "green", "a small cat", "the old town", "seven", "Ada Lovelace")
SIZES = {"forget": 14, "retain": 18, "nonmember": 15, "test": 16}

VOCABULARY = 12
WIDTH = 5


def example_observations(
    seed: int = 0,
) -> tuple[dict[str, Observations], dict[str, Observations]]:
    """Make up what a model and its oracle did on all four splits.

    Both answer the same samples, some rightly, some wrongly, with answers of one to four tokens;
    the oracle lists them in another order. The same seed gives the same.

    Parameters
    ----------
    seed : int

    Returns
    -------
    observed, oracle : dict of split to Observations

    Examples
    --------
    >>> observed, oracle = example_observations()
    >>> sorted(observed)
    ['forget', 'nonmember', 'retain', 'test']
    >>> set(observed["test"].sample_ids) == set(oracle["test"].sample_ids)
    True
    """
    return (
        {split: _one(split, seed, model="model") for split in SPLITS},
        {split: _one(split, seed, model="oracle") for split in SPLITS},
    )


def _one(split: str, seed: int, *, model: str) -> Observations:
    # What belongs to the samples is drawn alike for both models, what a model did is not.
    shared = np.random.default_rng([seed, zlib.crc32(split.encode())])
    own = np.random.default_rng([seed, zlib.crc32(f"{split} {model}".encode())])
    n = SIZES[split]
    ids = np.array([f"{split}-{i:03d}" for i in range(n)])
    gold = shared.choice(WORDS, n)
    counts = shared.integers(1, 5, n)
    tokens = shared.normal(size=(n, WIDTH))

    # A model that knows more of a split is surer of it and more often right.
    knows = own.beta(3.0, 1.5 if split == "retain" else 3.0, n)
    right = own.random(n) < knows
    answers = np.where(right, gold, np.roll(WORDS, 1)[[WORDS.index(g) for g in gold]])
    chance = np.clip(np.repeat(knows, counts) + own.normal(0, 0.15, counts.sum()), 0.01, 0.99)
    logits = own.normal(size=(n, VOCABULARY))
    logits[np.arange(n), shared.integers(0, VOCABULARY, n)] += 4 * knows
    made = Observations(
        split=split,
        sample_ids=tuple(ids.tolist()),
        gold=tuple(gold.tolist()),
        answers=tuple(answers.tolist()),
        token_logprobs=np.log(chance).astype(np.float32),
        token_counts=counts.astype(np.int64),
        next_logprobs=log_softmax(logits),
        hidden=(tokens + 0.5 * own.normal(size=(n, WIDTH))).astype(np.float32),
        layer="layers.1",
        provenance={"checkpoint": f"{model} {seed}", "backend": "example"},
    )
    return made.subset(own.permutation(ids).tolist())


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Turn scores into log-probabilities, row by row, as float32."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    normalised: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normalised.astype(np.float32)


def example_samples(n: int = 7, *, seed: int = 0, size: int = 32) -> list[Sample]:
    """Make up samples with questions and answers of various lengths, and images of noise.

    Parameters
    ----------
    n : int
    seed : int
    size : int
        Height and width of the images, arrays of uint8 with three channels.

    Examples
    --------
    >>> [s.answer for s in example_samples(3)]
    ['red', 'blue', 'green']
    """
    rng = np.random.default_rng(seed)
    return [
        Sample(
            sample_id=f"sample-{i}",
            subject_id=f"subject-{i // 2}",
            question=f"What is this{' of all the things that there are' * (i % 3)}?",
            answer=WORDS[i % len(WORDS)],
            image=rng.integers(0, 256, (size, size, 3), dtype=np.uint8),
        )
        for i in range(n)
    ]
