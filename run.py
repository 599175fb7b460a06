"""Set up an environment in .venv and run one job in it; needs Python 3.11 or newer and pip's index.

python3 run.py report [TABLE ...]   write report/report.html for the released results
python3 run.py test [ARGUMENTS]     run the checks and the tests
python3 run.py bench [ARGUMENTS]    time metareval beside its peers
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENT = HERE / ".venv"
OLDEST = (3, 11)
EXTRAS = {"report": "report", "test": "test", "bench": "bench"}
# Asked for by its number and before the rest: a range takes the newest build, for GPUs, of
# several gigabytes, also where a build for CPUs lies at hand.
TORCH = {"test": "torch==2.13.0", "bench": "torch==2.13.0"}


def main(arguments: list[str]) -> int:
    """Run the job that the first argument names."""
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        print(f"metareval needs Python 3.11 or newer; {sys.executable} is {found}.")
        return 2
    if not arguments or arguments[0] not in EXTRAS:
        print(__doc__.strip())
        return 2
    job, rest = arguments[0], arguments[1:]
    python = set_up(EXTRAS[job])
    if job == "report":
        return run([python, "-m", "metareval.cli", "report", *rest])
    if job == "bench":
        return run([python, "benchmarks/speed/run.py", *rest]) or run(
            [python, "benchmarks/speed/observing.py"]
        )
    checks = [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["importlinter.cli"],
        ["pytest", *(rest or ["-n", "2"])],
    ]
    for check in checks:
        name = "lint-imports" if check[0] == "importlinter.cli" else check[0]
        print(f"== {name}", flush=True)
        command = (
            [python, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
            if name == "lint-imports"
            else [python, "-m", *check]
        )
        code = run(command)
        if code != 0:
            return code
    return 0


def set_up(extra: str) -> str:
    """Create the environment and install the project with an extra; return its Python."""
    python = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = hashlib.sha256((HERE / "pyproject.toml").read_bytes()).hexdigest()
    mark = ENVIRONMENT / f"installed-{extra}"
    if mark.is_file() and python.exists() and mark.read_text() == wanted:
        return str(python)
    if not python.exists():
        print(f"Creating {ENVIRONMENT}", flush=True)
        venv.create(ENVIRONMENT, with_pip=True)
    print(f"Installing metareval[{extra}]", flush=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if extra in TORCH:
        subprocess.run([*command, TORCH[extra]], check=True)
    subprocess.run([*command, "-e", f"{HERE}[{extra}]"], check=True)
    mark.write_text(wanted)
    return str(python)


def run(command: list[str]) -> int:
    """Run a command in the project's folder and return its exit code."""
    return subprocess.run(command, cwd=HERE, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
