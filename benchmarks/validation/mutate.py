"""Change the statistics one place at a time and see whether a test notices.

    pip install -e '.[mutation]'
    python benchmarks/validation/mutate.py [--sample 1000] [--only PATTERN ...] [--again]

mutmut works on a copy of the project in ``--work`` (by default build/mutation), where a later call
goes on. Writes mutation.json beside this file, and the page again. All of it takes many hours:
``--only`` names modules or functions, as in ``metareval.stats.swaps*``; ``--sample`` tries so many
of each package, drawn at random, besides these. ``--again`` tries once more what has survived,
``--list`` prints it. Another selection of tests starts anew.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import importlib.metadata
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import page

import run

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COPIED = ("metareval", "tests", "pyproject.toml", "README.md")
MUTATED = ("metareval/stats/*", "metareval/questions/*")
# Quick tests of the statistics and the questions; Hypothesis draws few examples.
TESTS = (
    *(
        f"tests/reference/test_{name}.py"
        for name in (
            "agreement_by_other_ways",
            "association",
            "brute_force",
            "ceiling",
            "concordance",
            "draws",
            "normal_theory",
            "permutation",
            "published",
            "r",
            "score_stability",
            "simplex",
        )
    ),
    "tests/recorded",
    "tests/properties/test_agreement.py",
    "tests/properties/test_invariance.py",
    "tests/properties/test_oracle_repeats.py",
    "tests/properties/test_reliability.py",
    "tests/unit/test_questions.py",
    "tests/unit/test_oracle_repeats.py",
    "tests/unit/test_planned_blocks.py",
    "tests/unit/test_plans.py",
    "tests/unit/test_published_protocol.py",
    "tests/unit/test_scores.py",
)
SETTINGS: dict[str, tuple[str, ...]] = {
    "source_paths": ("metareval",),
    "only_mutate": MUTATED,
    "pytest_add_cli_args": ("-p", "no:cacheprovider", "-o", "addopts=-q --strict-markers"),
    "pytest_add_cli_args_test_selection": TESTS,
    "timeout_multiplier": ("4",),
    "timeout_constant": ("5",),
    "track_dependencies": ("false",),
}
# Exit codes of pytest, and signals of a test that ran out of time.
SURVIVED, UNTESTED = 0, (5, 33)


def copy(work: Path) -> None:
    """Copy the project and write mutmut's settings."""
    work.mkdir(parents=True, exist_ok=True)
    skipped = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.rmtree(work / name, ignore_errors=True)
            shutil.copytree(source, work / name, ignore=skipped)
        else:
            shutil.copy2(source, work / name)
    lines = ["[mutmut]"]
    for key, values in SETTINGS.items():
        lines.append(f"{key}=" + (values[0] if len(values) == 1 else ""))
        lines += [f"    {value}" for value in values] if len(values) > 1 else []
    (work / "setup.cfg").write_text("\n".join(lines) + "\n", encoding="utf-8")


def mutate(work: Path, patterns: list[str], children: int, minutes: float) -> None:
    """Run mutmut in the copy, for so long at most."""
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(children), *patterns]
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "brief", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=work, env=environment) as process:
        try:
            process.wait(timeout=60 * minutes)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


def results(work: Path) -> dict[str, dict[str, int | None]]:
    """Return the exit code of every mutant of every module; None where it was not tried."""
    out = {}
    for path in sorted((work / "mutants" / "metareval").glob("*/*.meta")):
        codes = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        if codes:
            out[f"{path.parent.name}/{path.stem}"] = codes
    return out


def survivors(found: dict[str, dict[str, int | None]]) -> list[str]:
    """Return the names of the mutants that no test noticed."""
    return [
        name
        for codes in found.values()
        for name, code in codes.items()
        if code == SURVIVED or code in UNTESTED
    ]


def untried(found: dict[str, dict[str, int | None]]) -> set[str]:
    """Return the names of the mutants that were not tried yet."""
    return {name for codes in found.values() for name, code in codes.items() if code is None}


def matching(found: dict[str, dict[str, int | None]], patterns: list[str]) -> list[str]:
    """Return the names of the mutants that a pattern names and that were not tried yet."""
    return [
        name
        for name in sorted(untried(found))
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    ]


def sample(found: dict[str, dict[str, int | None]], size: int, seed: int) -> list[str]:
    """Draw so many mutants of each package; return the names of those not tried yet.

    A mutant's place in the draw depends on its name alone, so that a change of one function leaves
    the others' as they are.
    """

    def place(name: str) -> bytes:
        return hashlib.sha256(f"{seed} {name}".encode()).digest()

    out = []
    for package in sorted({module.partition("/")[0] for module in found}):
        names = [n for module in found if module.startswith(f"{package}/") for n in found[module]]
        out += sorted(names, key=place)[:size]
    left = untried(found)
    return [name for name in out if name in left]


def summary(found: dict[str, dict[str, int | None]]) -> list[dict[str, Any]]:
    """Count the mutants of every module."""
    rows = []
    for module, codes in found.items():
        tried = [code for code in codes.values() if code is not None]
        survived = len(survivors({module: codes}))
        rows.append(
            {
                "module": module,
                "mutants": len(codes),
                "tried": len(tried),
                "killed": len(tried) - survived,
                "survived": survived,
            }
        )
    return rows


def show(work: Path, found: dict[str, dict[str, int | None]]) -> None:
    """Print what survived, a line for each."""
    for name in survivors(found):
        command = [sys.executable, "-m", "mutmut", "show", name]
        text = subprocess.run(command, cwd=work, capture_output=True, text=True, check=True).stdout
        lines = [
            line[0] + line[1:].strip()
            for line in text.splitlines()
            if line[:1] in "+-" and line[:3] not in ("+++", "---")
        ]
        print(f"{name}: {' '.join(lines)}")


def main(arguments: list[str]) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--children", type=int, default=1)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "mutation")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--list", action="store_true")
    chosen = parser.parse_args(arguments)
    wanted = " ".join(shlex.quote(word) for word in ("--only", *chosen.only)) if chosen.only else ""
    if chosen.list:
        show(chosen.work, results(chosen.work))
        return 0
    origin = run.origin((*COPIED, "benchmarks/validation/mutate.py"))
    copy(chosen.work)
    # Names are known once mutmut has made the mutants of the code as it is; one is tried for that.
    mutate(chosen.work, ["metareval.stats.levels.x_kruskal*_1"], 1, chosen.minutes)
    known = results(chosen.work)
    names = matching(known, chosen.only or ([] if chosen.sample or chosen.again else ["*"]))
    if chosen.again:
        names += survivors(known)
    if chosen.sample:
        names += sample(known, chosen.sample, chosen.seed)
    if names:
        mutate(chosen.work, list(dict.fromkeys(names)), chosen.children, chosen.minutes)
    rows = summary(results(chosen.work))
    written = {
        "command": " ".join(
            [
                "python benchmarks/validation/mutate.py",
                *([f"--sample {chosen.sample}"] if chosen.sample else []),
                *([wanted] if wanted else []),
            ]
        ),
        "commit": origin["commit"],
        "changed": origin["changed"],
        "mutmut": importlib.metadata.version("mutmut"),
        "modules": rows,
    }
    run.write(HERE / "mutation.json", json.dumps(written, indent=1) + "\n")
    run.write(run.PAGE, page.render(HERE))
    print(Counter({key: sum(row[key] for row in rows) for key in ("tried", "killed", "survived")}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
