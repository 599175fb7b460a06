"""How time and memory grow with rows, metrics and draws; each point in a new process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

# Work, n, k, draws.
POINTS = (
    *(("tau-b matrix", n, 5, 0) for n in (100, 1_000, 10_000, 100_000)),
    *(("tau-b matrix", 1_000, k, 0) for k in (10, 50, 200)),
    ("tau-b matrix", 100_000, 50, 0),
    *(("tau-b bootstrap", n, 2, 1_000) for n in (36, 100, 1_000, 5_000)),
    *(("tau-b bootstrap", 36, 5, b) for b in (1_000, 10_000, 100_000, 1_000_000)),
    *(("tau-b bootstrap", 36, k, 1_000) for k in (20, 50, 200)),
    *(("Spearman bootstrap", n, 2, 1_000) for n in (36, 1_000, 10_000, 100_000)),
    *(("permutations", n, 1, 1_000) for n in (36, 100, 1_000, 10_000)),
    *(("permutations", 36, 1, b) for b in (10_000, 100_000, 1_000_000)),
)


def measure_all() -> list[dict[str, Any]]:
    """Measure every point."""
    out = []
    for work, n, k, draws in POINTS:
        done = subprocess.run(
            [sys.executable, "point.py", json.dumps([work, n, k, draws])],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
        seconds, mib = json.loads(done.stdout)
        point = {"work": work, "n": n, "k": k, "draws": draws, "seconds": seconds, "mib": mib}
        print(f"{work}, n={n}, k={k}, B={draws}: {seconds:.3g} s, {mib:.0f} MiB", flush=True)
        out.append(point)
    return out


def draw(points: list[dict[str, Any]], folder: Path) -> None:
    """Draw time and memory against n, k and B as cost.svg and cost.png."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.5), layout="constrained")
    axes = figure.subplots(2, 3, sharey="row")
    for column, (axis_name, key) in enumerate(
        (("rows n", "n"), ("metrics k", "k"), ("draws B", "draws"))
    ):
        others = [o for o in ("n", "k", "draws") if o != key]
        lines: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for p in points:
            lines.setdefault((p["work"], *(p[o] for o in others)), []).append(p)
        for name, line in lines.items():
            if len({p[key] for p in line}) < 3:
                continue
            line = sorted(line, key=lambda p: p[key])
            fixed = ", ".join(
                f"{'B' if o == 'draws' else o}={v:,}"
                for o, v in zip(others, name[1:], strict=True)
                if v
            )
            for row, what in enumerate(("seconds", "mib")):
                axes[row, column].loglog(
                    [p[key] for p in line],
                    [max(p[what], 1e-4) if row == 0 else max(p[what], 0.1) for p in line],
                    marker="o",
                    label=f"{name[0]} ({fixed})",
                )
        axes[1, column].set_xlabel(axis_name)
        axes[0, column].legend(fontsize=7)
        for row in range(2):
            axes[row, column].grid(alpha=0.3)
    axes[0, 0].set_ylabel("seconds")
    axes[1, 0].set_ylabel("peak memory above imports, MiB")
    figure.savefig(folder / "cost.svg", metadata={"Date": None})
    figure.savefig(folder / "cost.png", dpi=110)
