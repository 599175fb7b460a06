"""Make the tables of docs/findings.md from the embedded studies.

python benchmarks/studies/findings.py            # put them into the page
python benchmarks/studies/findings.py --check    # say whether the page is up to date
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

import metareval as mr
from metareval.datasets import load_provenance
from metareval.files import write_atomic

PAGE = Path(__file__).parents[2] / "docs" / "findings.md"
STUDIES = ("study-small", "study-digits")
SEED = 0
PAPER = ["FA", "RA", "MIA", "AD", "JS"]


def number(value: float, digits: int = 2) -> str:
    """Write a number, with a true minus sign; a dash where it is undefined."""
    if np.isnan(value):
        return "\N{EN DASH}"
    text = f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")
    return text.removeprefix("\N{MINUS SIGN}") if float(f"{value:.{digits}f}") == 0 else text


def interval(low: float, high: float) -> str:
    """Write an interval."""
    return f"[{number(low)}, {number(high)}]"


def lines(header: str, rows: Iterable[Iterable[str]]) -> str:
    """Lay out a Markdown table; the first column is text, the others are numbers."""
    names = header.split(" | ")
    rule = ["---", *["---:"] * (len(names) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [names, rule, *rows])


def references() -> str:
    """Bases, oracles and the noise floor of each block."""
    rows = []
    for name in STUDIES:
        table = mr.load_dataset(name)
        models = table.to_frame().groupby("block", sort=False)[str(table.oracle)]
        frame = pd.DataFrame(load_provenance(name)["references"])
        for block, group in frame.groupby("block", sort=False):
            base = group[group["reference"] == "base"].iloc[0]
            oracle = group[group["reference"] == "oracle-1"].iloc[0]
            closest, furthest = models.get_group(block).agg(["min", "max"])
            rows.append(
                [
                    f"{name.removeprefix('study-')}: {block}",
                    number(base["FA"]),
                    number(base["RA"]),
                    number(oracle["FA"]),
                    number(base[["distance_1", "distance_2"]].mean(), 3),
                    f"{number(closest, 3)} to {number(furthest, 3)}",
                    number(base["noise_floor"], 3),
                ]
            )
    header = (
        "block | FA of base | RA of base | FA of oracle | base to oracles | unlearned to oracles"
        " | oracle to oracle"
    )
    return lines(header, rows)


def reliability() -> str:
    """Reliability of every metric in both studies."""
    found = {name: mr.reliability(mr.load_dataset(name), rng=SEED) for name in STUDIES}
    rows = []
    for metric in found[STUDIES[0]].frame.index:
        cells = [metric]
        for name in STUDIES:
            frame = found[name].frame
            if metric not in frame.index:
                cells += ["", "", ""]
                continue
            row = frame.loc[metric]
            cells += [
                number(row["rho"]),
                interval(row["low"], row["high"]),
                f"{row['adjusted']:.3f}",
            ]
        rows.append(cells)
    ceilings = ["ceiling"]
    for name in STUDIES:
        ceilings += [number(found[name].ceiling), interval(*found[name].ceiling_interval), ""]
    header = "metric | small: rho | interval | p, Holm | digits: rho | interval | p, Holm"
    return lines(header, [*rows, ceilings])


def one_oracle() -> str:
    """Reliability of the metrics that see the first oracle, judged by the second alone."""
    rows = []
    for metric in ("FA", "RA", "AD", "JS", "FA_gap", "CKA", "truth_ratio"):
        cells = [metric]
        for name in STUDIES:
            table = mr.load_dataset(name)
            for column in ("distance_1", "distance_2"):
                result = mr.reliability(
                    table.to_frame().drop(columns=[str(table.oracle)]),
                    column,
                    metrics=[metric],
                    directions=table.directions,
                    block=table.block,
                    item=table.item,
                    replicate=table.replicate,
                    n_resamples=100,
                    rng=SEED,
                )
                cells.append(number(result.rho.iloc[0]))
        rows.append(cells)
    return lines("metric | small: oracle 1 | oracle 2 | digits: oracle 1 | oracle 2", rows)


def agreement() -> str:
    """Agreement of the paper's five metrics, multimodal and unimodal."""
    tables = [mr.load_dataset(name).select(metrics=PAPER) for name in STUDIES]
    first, second = (mr.agreement(t, rng=SEED) for t in tables)
    compared = mr.compare_agreement(*tables, rng=SEED)
    rows = []
    for i, a in enumerate(PAPER):
        for b in PAPER[i + 1 :]:
            rows.append(
                [
                    f"{a}, {b}",
                    *(
                        text
                        for r in (first, second)
                        for text in (
                            number(r.estimate.loc[a, b]),
                            interval(r.low.loc[a, b], r.high.loc[a, b]),
                        )
                    ),
                ]
            )
    rows.append(
        [
            "mean of all pairs",
            number(first.mean),
            "",
            number(second.mean),
            f"difference {number(compared.difference)} "
            f"{interval(compared.low, compared.high)}, p {compared.pvalue:.2f}",
        ]
    )
    return lines("pair | small: tau-b | interval | digits: tau-b | interval", rows)


def score() -> str:
    """UQS, its best part and simple scores on blocks that their weights have not seen."""
    rows = []
    for name in STUDIES:
        for metrics, label in ((PAPER, "the paper's five"), (None, "all")):
            table = mr.load_dataset(name)
            chosen = table.select(metrics=metrics) if metrics else table
            fitted = mr.UQS.fit(chosen, rng=SEED)
            frame = fitted.validation
            for candidate, row in frame.iterrows():
                rows.append(
                    [
                        f"{name.removeprefix('study-')}, {label}: {candidate}",
                        number(row["rho"]),
                        interval(row["low"], row["high"]),
                        number(row["lead"]),
                        interval(row["lead_low"], row["lead_high"])
                        if not np.isnan(row["lead"])
                        else "",
                    ]
                )
    return lines("score | rho | interval | lead of UQS | interval", rows)


TABLES: dict[str, Callable[[], str]] = {
    "references": references,
    "reliability": reliability,
    "one oracle": one_oracle,
    "agreement": agreement,
    "score": score,
}


def filled(text: str) -> str:
    """Return the page with every table made anew."""
    for name, make in TABLES.items():
        pattern = rf"(<!-- {name} -->\n).*?(\n<!-- end -->)"
        made = make()
        text, found = re.subn(
            pattern, lambda m, made=made: m[1] + made + m[2], text, flags=re.DOTALL
        )
        if found != 1:
            raise SystemExit(f"{PAGE} has {found} places for the table {name!r}; expected one.")
    return text


def main() -> int:
    """Fill the page, or check it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if old")
    options = parser.parse_args()
    old = PAGE.read_text(encoding="utf-8")
    new = filled(old)
    if options.check:
        return int(old != new)
    write_atomic(PAGE, new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
