"""The page of the documentation that shows what the simulations and the mutations found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]


def number(value: float | None, digits: int = 3) -> str:
    """Return a number as the page shows it."""
    # Adding zero takes the sign from what rounds to -0.
    return "" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"


def grid(head: Sequence[str], rows: Iterable[Sequence[str]], texts: int) -> str:
    """Return a table of which the first columns are texts."""
    lines = ["| " + " | ".join(head) + " |"]
    lines.append("|" + "---|" * texts + "---:|" * (len(head) - texts))
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def marked(text: str, *, bad: bool) -> str:
    """Return a text, bold where it says that something falls short."""
    return f"**{text}**" if bad else text


def null_table(rows: Sequence[Row]) -> str:
    """Return the table of rejection rates."""
    return grid(
        ("test", "data", "p-values", "at 0.01", "at 0.05", "at 0.1", "excess (bound)", "verdict"),
        (
            (
                row["test"],
                row["data"],
                f"{row['n']:,}",
                *(number(row["rates"][level]) for level in ("0.01", "0.05", "0.1")),
                f"{number(row['excess'])} ({number(row['excess_limit'])})",
                marked(row["verdict"], bad=row["verdict"] == "too small"),
            )
            for row in rows
        ),
        texts=2,
    )


def short_nulls(rows: Sequence[Row]) -> str:
    """Say which tests reject too often, how much, and why."""
    lines = [
        f"- {row['test']}; {row['data']}: rejects {row['rates']['0.05']:.3f} at 0.05 and "
        f"{row['rates']['0.01']:.3f} at 0.01, and up to {row['excess']:.3f} too often. "
        + (f"Expected: {row['limit']}." if row["limit"] else "Not expected.")
        for row in rows
        if row["verdict"] == "too small"
    ]
    return "\n".join(lines) or "None."


def cautious_nulls(rows: Sequence[Row]) -> str:
    """Say which tests reject so seldom that they find little."""
    lines = [
        f"- {row['test']}; {row['data']}: rejects {row['rates']['0.05']:.3f} at 0.05."
        for row in rows
        if row["rates"]["0.05"] < CAUTIOUS
    ]
    return "\n".join(lines) or "None."


# A test that rejects less often at 0.05 wastes much of what the data could show.
CAUTIOUS = 0.02


def coverage_table(rows: Sequence[Row]) -> str:
    """Return the table of coverage."""
    head = ("interval of", "data", "value", "truth", "mean estimate", "coverage", "truth below")
    return grid(
        (*head, "truth above", "mean width", "no interval"),
        (
            (
                row["quantity"],
                row["data"],
                row["label"],
                number(row["truth"]),
                number(row["mean"]),
                marked(number(row["coverage"]), bad=row["verdict"] == "short"),
                number(row["too_high"]),
                number(row["too_low"]),
                number(row["width"], 2),
                str(row["without"]),
            )
            for row in rows
        ),
        texts=3,
    )


def planning_table(rows: Sequence[Row]) -> str:
    """Return the table of planned and simulated power."""
    return grid(
        ("statistic", "to be found", "test", "models", "tests", "planned", "simulated", "error"),
        (
            (
                row["statistic"],
                f"a difference of {row['found']:.2f} from {row['rho']:g}"
                if row["difference"]
                else f"{row['rho']:g}",
                row["test"],
                str(row["n"]) + (f" in {row['blocks']} blocks" if row["blocks"] > 1 else ""),
                str(row["tests"]),
                number(row["planned"]),
                marked(number(row["simulated"]), bad=abs(row["simulated"] - row["planned"]) > OFF),
                number((row["planned"] * (1 - row["planned"]) / row["tables"]) ** 0.5),
            )
            for row in rows
        ),
        texts=3,
    )


# A planned power further from the simulated one than this is worth a warning.
OFF = 0.05


def ceiling_table(rows: Sequence[Row]) -> str:
    """Return the table of ceilings."""
    return grid(
        (
            "statistic", "models", "oracles", "noise", "ceiling", "truth reaches",
            "with many models", "coverage", "negative", "no interval",
        ),
        (
            (
                row["statistic"] + (", lognormal" if row["lognormal"] else ""),
                (f"{row['blocks']} blocks of " if row["blocks"] > 1 else "") + str(row["n"]),
                str(row["k"]),
                f"{row['noise']:g}",
                number(row["ceiling"]),
                number(row["reached_here"]),
                number(row["reached"]),
                number(row["coverage"]),
                number(row["negative"]),
                number(row["without"]),
            )
            for row in rows
        ),
        texts=2,
    )  # fmt: skip


def score(modules: Sequence[Row], package: str) -> str:
    """Say how many mutants of a package were killed, with a 95 % interval where not all are tried.

    Wilson's interval, narrowed by the share that is left to be tried.
    """
    rows = [row for row in modules if row["module"].startswith(f"{package}/")]
    made, tried, killed = (sum(r[key] for r in rows) for key in ("mutants", "tried", "killed"))
    if not tried:
        return f"`{package}`: none tried."
    share = killed / tried
    text = f"`{package}`: {killed:,} of {tried:,} killed, {share:.1%}"
    if tried == made:
        return f"{text}."
    n = tried * (made - 1) / (made - tried)
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * (share * (1 - share) / n + Z**2 / (4 * n**2)) ** 0.5
    return f"{text} [{centre - half:.1%}, {centre + half:.1%}]."


# The normal quantile of a 95 % interval.
Z = 1.959964


def mutation_part(folder: Path) -> str:
    """Return the part on mutations, from the score at hand and the notes on survivors."""
    path = folder / "mutation.json"
    if not path.exists():
        return "Not run."
    found = json.loads(path.read_text(encoding="utf-8"))
    table = grid(
        ("module", "mutants", "tried", "killed", "survived", "score"),
        (
            (
                row["module"],
                str(row["mutants"]),
                str(row["tried"]),
                str(row["killed"]),
                str(row["survived"]),
                f"{row['killed'] / row['tried']:.1%}" if row["tried"] else "",
            )
            for row in found["modules"]
        ),
        texts=1,
    )
    tried = sum(r["tried"] for r in found["modules"])
    made = sum(r["mutants"] for r in found["modules"])
    scores = " ".join(score(found["modules"], name) for name in ("stats", "questions"))
    return (
        f"{made_by(found)}: mutmut {found['mutmut']}, "
        f"{made:,} mutants, {tried:,} tried. {scores} "
        "Where not all are tried, they are drawn at random. A mutant counts as killed when a test "
        "fails or runs out of time.\n\n"
        f"{table}\n\n{(folder / 'survivors.md').read_text(encoding='utf-8').strip()}"
    )


def made_by(found: Mapping[str, Any]) -> str:
    """Say which command made something, of which commit."""
    changed = " with changes" if found["changed"] else ""
    return f"Made by `{found['command']}` at commit `{found['commit'][:12]}`{changed}"


def fuzz_part(folder: Path) -> str:
    """Return the part on damaged and hostile files."""
    path = folder / "fuzz.json"
    if not path.exists():
        return "Not run."
    found = json.loads(path.read_text(encoding="utf-8"))
    targets = grid(
        ("read", "runs", "places reached", "memory, MB", "failures"),
        (
            (
                row["target"],
                f"{row['runs']:,}",
                f"{row['places']:,}",
                str(row["memory_mb"]),
                marked("yes", bad=True) if row["failed"] else "none",
            )
            for row in found["targets"]
        ),
        texts=1,
    )
    limits = grid(
        ("file", "MB", "seconds", "memory, MB", "outcome"),
        (
            (
                row["case"],
                str(row["file_mb"]),
                f"{row['cpu_seconds']:.1f}",
                str(row["memory_mb"]),
                row["outcome"].partition(":")[0],
            )
            for row in found["limits"]
        ),
        texts=1,
    )
    runs = sum(row["runs"] for row in found["targets"])
    seconds = found["targets"][0]["seconds"]
    return FUZZ.format(
        made=made_by(found), atheris=found["atheris"], seconds=seconds, runs=f"{runs:,}",
        targets=targets, limits=limits,
    )  # fmt: skip


FUZZ = """{made}: atheris {atheris}, {seconds} s for each
reader, {runs} runs. Sound files are damaged, guided by the places of our code that are reached. A
reader fails when anything but one of metareval's own errors comes out, when a message is empty or
has no end, when what was read cannot be shown, saved and read back, when a run takes over 20 s or
2 GB. `places` are edges of the code.

{targets}

Files that are too large, too deep or too wide, each read in a process of its own; seconds are of
the processor. Refused means one of our own errors, with what to do.

{limits}

Disks that fill up at any call, folders that may not be written, writers that are killed or meet,
files that change, vanish or fail while they are read: `tests/fuzz/test_faults.py`."""


def render(folder: Path) -> str:
    """Return the page for the results in a folder."""
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    seconds = sum(found["seconds"].values())
    versions = ", ".join(f"{k} {v}" for k, v in found["versions"].items())
    changed = (
        " with changes in " + ", ".join(f"`{p}`" for p in found["changed"])
        if found["changed"]
        else ""
    )
    short = [row for row in found["coverage"] if row["verdict"] == "short"]
    plans = found["planning"]
    off = [row for row in plans if abs(row["simulated"] - row["planned"]) > OFF]
    return PAGE.format(
        commit=found["commit"][:12],
        changed=changed,
        seed=found["seed"],
        seconds=f"{seconds:.0f}",
        clock="of one core" if found.get("clock") == "processor" else "beside other work",
        versions=versions,
        null=null_table(found["null"]),
        null_short=short_nulls(found["null"]),
        cautious=cautious_nulls(found["null"]),
        coverage=coverage_table(found["coverage"]),
        n_short=len(short),
        n_coverage=len(found["coverage"]),
        least=number(min(r["coverage"] for r in found["coverage"])),
        planning=planning_table(plans),
        n_off=len(off),
        n_plans=len(plans),
        off=OFF,
        ceiling=ceiling_table(found["ceiling"]),
        mutation=mutation_part(folder),
        fuzz=fuzz_part(folder),
    )


PAGE = """# How far the numbers can be believed

Made by `python benchmarks/validation/run.py` at commit `{commit}`{changed}; seed {seed},
{seconds} s {clock}, {versions}. `--only TEXT` runs some cases.

Tables are drawn whose truth is known: closeness to the oracle and metrics are normal with given
correlations. "3 seeds each": four fifths of the variance lie between models, a fifth between the
seeds of a model. Where permutations are not all listed 999 are drawn (499 for a difference in mean
agreement); intervals rest on 499 draws.

## p-values where there is nothing to find

The shares of p-values at or below 0.01, 0.05 and 0.1, which should be 0.01, 0.05 and 0.1. The
excess is the most by which the share of p-values up to t exceeds t, for any t. A verdict of
*uniform* says that all three shares lie within binomial limits that a right test leaves once in
2,000 on each side; *conservative*, that one lies below and none above; **too small**, that one lies
above or that the excess passes its bound (Dvoretzky, Kiefer, Wolfowitz and Massart, once in 2,000).
Conservative is what exact p-values of few orders or tied values are.

{null}

What rejects too often:

{null_short}

What rejects so seldom that it finds little, though it is safe:

{cautious}

Williams' and Steiger's tests are made for product moments of independent rows. Kendall's tau varies
less than they suppose, and so does a correlation over all seeds of few models: there they miss what
the paired permutation test finds, and it is the one that `best_set` rests on.

## Coverage of 95 % intervals

Share of tables whose interval holds the truth, which should be 0.950; the truth is that of
infinitely many models in each block. Bold: below the binomial limit that a right interval leaves
once in 2,000. {n_short} of {n_coverage} fall short; the lowest is {least}. "Truth below" and
"truth above" are the shares of intervals that lie wholly above and below the truth. In blocks of
four models the estimates themselves are smaller than this truth.

{coverage}

"Best set" is the share of tables whose best set holds a metric that no other exceeds.

## Planned power

The planner's power beside the share of simulated studies that found what was there by the test
named; "error" is the standard error of that share. {n_off} of {n_plans} differ by more than {off}
(bold). In blocks of few models the planner draws studies itself, by its own code.

{planning}

## The ceiling

Oracles with independent noise of the given standard deviation, closeness with 1. "Ceiling": mean
over tables; "truth reaches": mean correlation of the true closeness with the mean of the oracles in
the same tables; "with many models": the same for 200,000 models, which the interval should hold in
0.95 of tables. "Negative": share of tables without a ceiling because their oracles contradict each
other.

{ceiling}

## Mutations

{mutation}

## Hostile files

{fuzz}
"""
