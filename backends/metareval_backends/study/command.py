"""The command ``study``: run, watch and measure a study."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap

from metareval.results import TEXT_WIDTH, frame_text, printable, shorten

EXIT_OK = 0
EXIT_FAILURES = 1


class StudyCommand:
    """What ``metareval study`` does, reached through the entry point of that name."""

    name = "study"

    def run(self, options: argparse.Namespace) -> int:
        """Run the command and return its exit code."""
        return {"run": _run, "status": _status, "table": _table}[options.action](options)


def _run(options: argparse.Namespace) -> int:
    from metareval_backends.study.run import run_study

    done = run_study(options.study, options.out, engine=options.engine, workers=options.workers)
    if options.json:
        print(json.dumps(done.to_dict(), indent=2, allow_nan=False))
    else:
        print(textwrap.fill(printable(done.headline()), TEXT_WIDTH))
        if not done.failed:
            print("Make its table with: metareval study table, and the same file and folder.")
    _say_failed(done.failed)
    return EXIT_FAILURES if done.failed else EXIT_OK


def _status(options: argparse.Namespace) -> int:
    from metareval_backends.study.status import study_status

    found = study_status(options.study, options.out)
    if options.json:
        print(json.dumps(found.to_dict(), indent=2, allow_nan=False))
    else:
        print(textwrap.fill(printable(found.headline()), TEXT_WIDTH))
        print(frame_text(found.blocks))
    _say_failed(found.failed)
    return EXIT_FAILURES if found.failed else EXIT_OK


def _table(options: argparse.Namespace) -> int:
    from metareval_backends.study.table import TABLE_JSON, study_table

    made = study_table(options.study, options.out)
    if options.json:
        # The file as it is: it holds roles and directions too.
        print((made.out / TABLE_JSON).read_text(encoding="utf-8"), end="")
        return EXIT_OK
    print(repr(made))
    print(f"\nWrote {printable(str(made.out / TABLE_JSON))}; table.csv and references.csv")
    print("are beside it.")
    return EXIT_OK


def _say_failed(failed: object) -> None:
    assert hasattr(failed, "items")
    for cell, reason in failed.items():
        text = f"metareval: {shorten(printable(cell), 200)}: {printable(reason)}"
        print(textwrap.fill(text, TEXT_WIDTH, break_on_hyphens=False), file=sys.stderr)


study = StudyCommand()
