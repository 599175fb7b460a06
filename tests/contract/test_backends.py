"""Every backend that metareval brings along keeps the rules for backends."""

from __future__ import annotations

from typing import Any

import pytest

from metareval.metrics import BUILTIN
from metareval.plugins import get_backend
from metareval.testing import check_backend, example_samples

NAMES = ("llava", "blip2", "classifier")


@pytest.mark.parametrize("name", NAMES)
def test_rules_hold(name: str) -> None:
    check_backend(get_backend(name))


@pytest.mark.parametrize("name", NAMES)
def test_metrics_take_what_backends_observe(name: str) -> None:
    backend: Any = get_backend(name)
    samples = example_samples(28)
    parts = {"forget": samples[:14], "retain": samples[14:], "nonmember": samples[7:21]}
    runs = []
    for seed in (0, 1):
        model, oracle = backend.tiny(seed), backend.tiny(seed + 5)
        runs.append(
            tuple(
                {split: backend.observe(m, part, split=split) for split, part in parts.items()}
                for m in (model, oracle)
            )
        )
    for metric in BUILTIN.values():
        for observed, oracle_seen in runs:
            value = metric(observed, oracle_seen)
            assert value != value or metric.low <= value <= metric.high
