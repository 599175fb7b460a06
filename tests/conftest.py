"""Profiles of Hypothesis, and the tables that many tests read."""

from __future__ import annotations

import os

# Before torch is imported: training on another number of threads gives other weights.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from hypothesis import HealthCheck, settings

import metareval as mr

# A package of its own, part of which is broken on purpose.
collect_ignore = ["plugin_pkg"]

settings.register_profile(
    # The same examples in every run; the thorough profile looks for new ones.
    "quick",
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# For runs that repeat the tests thousands of times.
settings.register_profile("brief", settings.get_profile("quick"), max_examples=8)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def released() -> mr.MetricTable:
    return mr.load_dataset("unifiedunl")


@pytest.fixture(scope="session")
def unimodal() -> mr.MetricTable:
    return mr.load_dataset("unifiedunl-unimodal")


@pytest.fixture(scope="session")
def blip2() -> mr.MetricTable:
    return mr.load_dataset("unifiedunl-blip2")
