"""Simulate tables whose truth is known, and write what the statistics make of them.

    python benchmarks/validation/run.py            about ten minutes on one core; writes
                                                   results.json here and docs/validation.md
    python benchmarks/validation/run.py --quick    a twentieth of the tables; writes nothing
    python benchmarks/validation/run.py --page     the page again, from the results at hand

``--only TEXT ...`` runs the cases whose part and name hold one of the texts, and writes nothing.
"""

from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import importlib.metadata
import json
import math
import platform
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ceilings
import intervals
import limits
import null
import numpy as np
import page
import planning

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results.json"
PAGE = ROOT / "docs" / "validation.md"
SEED = 2026
QUICK = 20
# What the results depend on.
SOURCES = (
    *(f"metareval/{part}" for part in ("stats", "questions", "design.py", "table.py", "coerce.py")),
    "benchmarks/validation",
)


def generator(part: str, name: str) -> np.random.Generator:
    """Return a generator of its own for each case, whichever others run."""
    return np.random.default_rng([SEED, zlib.crc32(f"{part} {name}".encode())])


def run_null(case: null.Case, many: int) -> list[dict[str, Any]]:
    """Draw tables of a true null hypothesis and judge their p-values."""
    rng = generator("null", case.name)
    drawn = [case.draw(rng) for _ in range(many)]
    by_test = [d if isinstance(d, dict) else {"": d} for d in drawn]
    return [
        {
            "test": f"{case.test}, {test}" if test else case.test,
            "data": case.data,
            "limit": case.limits.get(test, ""),
            **limits.judge(np.concatenate([d[test] for d in by_test])),
        }
        for test in by_test[0]
    ]


def run_coverage(case: intervals.Case, many: int) -> list[dict[str, Any]]:
    """Draw tables of known truth and count the intervals that hold it."""
    rng = generator("coverage", case.name)
    drawn = np.array([case.draw(rng) for _ in range(many)], dtype=np.float64)
    out = []
    for position, (truth, label) in enumerate(zip(case.truth(), case.labels, strict=True)):
        estimate, low, high = drawn[:, :, position].T
        made = ~np.isnan(low)
        below, above = low[made] > truth + 1e-12, high[made] < truth - 1e-12
        n = int(made.sum())
        share = 1 - float((below | above).mean()) if n else math.nan
        allowed = limits.share_limits(intervals.NOMINAL, n)
        out.append(
            {
                "quantity": case.quantity,
                "data": case.data,
                "label": label,
                "truth": truth,
                "mean": float(np.nanmean(estimate)),
                "tables": many,
                "without": many - n,
                "coverage": share,
                "too_high": float(below.mean()) if n else math.nan,
                "too_low": float(above.mean()) if n else math.nan,
                "width": float((high - low)[made].mean()) if n else math.nan,
                "limits": allowed,
                "verdict": "short"
                if share < allowed[0]
                else "wide"
                if share > allowed[1]
                else "as stated",
            }
        )
    return out


def run_planning(case: planning.Case, many: int) -> list[dict[str, Any]]:
    """Draw planned studies and count those that find what is there."""
    rng = generator("planning", case.name)
    n, value, wanted = case.planned()
    found = [case.rejects(rng, n, value) for _ in range(many)]
    return [
        {
            "statistic": case.statistic,
            "rho": case.rho,
            "n": n,
            "found": value,
            "difference": case.difference,
            "tests": case.tests,
            "blocks": case.blocks,
            "test": test,
            "planned": wanted,
            "simulated": float(np.mean([f[test] for f in found])),
            "tables": many,
        }
        for test in found[0]
    ]


def run_ceiling(case: ceilings.Case, many: int) -> dict[str, Any]:
    """Draw tables with several oracles and compare their ceilings with what the truth reaches."""
    rng = generator("ceiling", case.name)
    ceiling, low, high, rho = np.array([case.measure(rng) for _ in range(many)]).T
    reached = case.reached()
    made = ~np.isnan(low)
    return {
        "statistic": case.statistic,
        "n": case.n,
        "blocks": case.blocks,
        "k": case.k,
        "noise": case.noise,
        "lognormal": case.lognormal,
        "tables": many,
        "negative": float(np.isnan(ceiling).mean()),
        "ceiling": float(np.nanmean(ceiling)),
        "reached_here": float(rho.mean()),
        "reached": reached,
        "coverage": float(((low <= reached) & (reached <= high))[made].mean()),
        "without": float((~made).mean()),
    }


PARTS: tuple[tuple[str, Callable[[], Sequence[Any]], Callable[[Any, int], Any]], ...] = (
    ("null", lambda: null.CASES, run_null),
    ("coverage", intervals.cases, run_coverage),
    ("planning", lambda: planning.CASES, run_planning),
    ("ceiling", lambda: ceilings.CASES, run_ceiling),
)


def simulate(*, quick: bool, only: Sequence[str]) -> dict[str, Any]:
    """Run the cases; return their results with the processor time they took."""
    out: dict[str, Any] = {"clock": "processor", "seconds": {}}
    for part, cases, work in PARTS:
        started = time.process_time()
        rows: list[Any] = []
        for case in cases():
            if only and not any(text in f"{part} {case.name}" for text in only):
                continue
            begun = time.perf_counter()
            found = work(case, max(2, case.tables // QUICK) if quick else case.tables)
            rows += found if isinstance(found, list) else [found]
            print(f"{part}: {case.name} ({time.perf_counter() - begun:.1f} s)", flush=True)
        out[part] = rows
        out["seconds"][part] = round(time.process_time() - started, 1)
    return out


def origin(sources: Sequence[str] = SOURCES) -> dict[str, Any]:
    """Say which code and which versions made the results."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    changed = git("status", "--porcelain", "--", *sources).splitlines()
    return {
        "commit": git("rev-parse", "HEAD").strip(),
        # Results themselves are no source.
        "changed": sorted(
            path for line in changed if not (path := line[3:]).endswith((".json", ".md"))
        ),
        "seed": SEED,
        "versions": {
            "python": platform.python_version(),
            **{n: importlib.metadata.version(n) for n in ("metareval", "numpy", "scipy", "pandas")},
        },
    }


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it; NaN becomes null."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    waiting = path.with_name(path.name + ".tmp")
    waiting.write_text(text, encoding="utf-8")
    waiting.replace(path)


def main(arguments: list[str]) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    chosen = parser.parse_args(arguments)
    if chosen.page:
        write(PAGE, page.render(HERE))
        return 0
    results = {**origin(), **simulate(quick=chosen.quick, only=chosen.only)}
    if chosen.quick or chosen.only:
        print(json.dumps(plain({part: results[part] for part, *_ in PARTS}), indent=1))
        return 0
    write(RESULTS, json.dumps(plain(results), indent=1, allow_nan=False) + "\n")
    write(PAGE, page.render(HERE))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
