"""Fuzz every reader for a while, read what is too large, and write what came of it.

    pip install -e '.[fuzz]'
    python benchmarks/validation/fuzz.py [--seconds 60] [--only TARGET ...]

Writes fuzz.json beside this file, and the page again; with ``--only`` it prints instead. What makes
a target fail stays in build/fuzz.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import page

import run

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FAILURES = ROOT / "build" / "fuzz"
# What the results depend on.
SOURCES = ("metareval", "backends", "benchmarks/metareval_benchmarks", "tests/fuzz")
_STATISTIC = re.compile(r"^stat::(\w+):\s*(\d+)", re.MULTILINE)
_PLACES = re.compile(r"\bcov: (\d+)")


def fuzz(target: str, seconds: int) -> dict[str, Any]:
    """Fuzz one target in a process of its own."""
    FAILURES.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.fuzz.run", target, "--seconds", str(seconds)]
    path = os.pathsep.join(map(str, (ROOT, ROOT / "backends", ROOT / "benchmarks")))
    done = subprocess.run(
        command, cwd=FAILURES, env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    said = dict(_STATISTIC.findall(done.stdout))
    places = _PLACES.findall(done.stdout)
    if done.returncode:
        print(done.stdout[-4000:], file=sys.stderr)
    return {
        "target": target,
        "seconds": seconds,
        "runs": int(said.get("number_of_executed_units", 0)),
        "places": int(places[-1]) if places else 0,
        "memory_mb": int(said.get("peak_rss_mb", 0)),
        "slowest_seconds": int(said.get("slowest_unit_time_sec", 0)),
        "failed": done.returncode != 0,
    }


def limits() -> list[dict[str, Any]]:
    """Read the hostile files of tests/fuzz/limits.py, and return what each took."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.fuzz.limits", folder]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main(arguments: list[str]) -> int:
    """Run the command."""
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--only", nargs="*", choices=[*TARGETS], default=[])
    chosen = parser.parse_args(arguments)
    found, origin = [], run.origin(SOURCES)
    for target in chosen.only or TARGETS:
        found.append(fuzz(target, chosen.seconds))
        print(json.dumps(found[-1]), flush=True)
    if not chosen.only:
        written = {
            "command": "python benchmarks/validation/fuzz.py",
            **{key: origin[key] for key in ("commit", "changed")},
            "atheris": importlib.metadata.version("atheris"),
            "targets": found,
            "limits": limits(),
        }
        run.write(HERE / "fuzz.json", json.dumps(written, indent=1) + "\n")
        run.write(run.PAGE, page.render(HERE))
    return int(any(row["failed"] for row in found))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(sys.argv[1:]))
