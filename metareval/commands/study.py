"""The command ``study``: its options stand here, what it does comes with the backends."""

from __future__ import annotations

import argparse

SUMMARY = "train, unlearn and measure a grid of models described in one file"

ACTIONS = ("run", "status", "table")

EPILOG = """\
Example:

  metareval study run smoke --out runs/smoke
  metareval study table smoke --out runs/smoke
  metareval report runs/smoke/table.json --out report

run     makes what is not in OUT yet; interrupted, it goes on where it stopped
status  says what is done, what failed and how long the rest will take
table   measures what is stored, without a model: table.csv, table.json, references.csv

exit codes: 0 done; 1 a cell failed, and the others are there; 2 the command, file or folder cannot
be used as it stands; 130 interrupted.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command."""
    parser.epilog = EPILOG
    parser.add_argument("action", choices=ACTIONS, help="what to do")
    parser.add_argument(
        "study", metavar="FILE_OR_PRESET", help="TOML file, or the name of a preset"
    )
    parser.add_argument("--out", required=True, metavar="FOLDER", help="folder of the study")
    running = parser.add_argument_group("run")
    running.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="processes on this machine, or Ray tasks (default: local)",
    )
    running.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="at once; default: one for each architecture, with Ray one for each core",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from metareval.plugins import get_command

    code: int = get_command("study").run(options)
    return code
