"""Measure one point of cost.py in this process: print [seconds, MiB above what imports need]."""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from pathlib import Path

import cases
import numpy as np

from metareval.stats.association import association, permuted_association
from metareval.stats.resample import Permutations
from metareval.stats.statistics import get_statistic


def peak() -> int:
    """Return the highest memory of this process in KiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Unlike ru_maxrss, it leaves out what the parent held when it forked.
        found = re.search(r"VmHWM:\s+(\d+)", status.read_text())
        if found:
            return int(found[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def work_on(work: str, n: int, k: int, draws: int) -> None:
    """Do the work of one point."""
    x = np.random.default_rng(0).normal(size=(n, max(k, 2)))
    cells = [np.arange(n)]
    kendall = get_statistic("kendall")
    if work == "tau-b matrix":
        association(x, cells, kendall, "pooled")
    elif work == "permutations":
        perms = Permutations(cases.rows_as_units(n), draws, np.random.default_rng(0))
        permuted_association(x[:, :1], x[:, 1], perms, cells, kendall, "pooled")
    else:
        cases.bootstrap(x, "kendall" if "tau" in work else "spearman", draws)


if __name__ == "__main__":
    for kind in ("tau-b matrix", "permutations", "tau-b bootstrap"):
        work_on(kind, 20, 2, 10)
    base = peak()
    started = time.perf_counter()
    work_on(*json.loads(sys.argv[1]))
    print(json.dumps([time.perf_counter() - started, (peak() - base) / 1024]))
