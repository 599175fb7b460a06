"""The benchmark of a study, with its options."""

from __future__ import annotations

from typing import Any

from metareval.errors import ArgumentError
from metareval.plugins import get_benchmark
from metareval.protocols import Benchmark
from metareval_backends.study.config import BenchmarkChoice


def configured(choice: BenchmarkChoice) -> Benchmark:
    """Return a benchmark with the options of the file; nothing is read.

    Raises
    ------
    MetarevalError
        It cannot be used, or does not take the options.
    """
    benchmark: Any = get_benchmark(choice.name)
    if not choice.options:
        return benchmark  # type: ignore[no-any-return]
    if not callable(getattr(benchmark, "configured", None)):
        raise ArgumentError(f"The benchmark {choice.name!r} takes no options; leave 'options' out.")
    return benchmark.configured(**choice.options)  # type: ignore[no-any-return]
