"""The command ``evaluate``: checkpoints on a benchmark, to a table."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from metareval.errors import ArgumentError
from metareval.results import TEXT_WIDTH, printable, shorten

if TYPE_CHECKING:
    from metareval.evaluation import CheckpointSpec
    from metareval.protocols import Benchmark

SUMMARY = "observe checkpoints on a benchmark, and make a table of metrics"

EPILOG = """\
Example:

  metareval evaluate --backend llava --base runs/base --benchmark portraits-faces \\
      --oracle runs/oracle-1 --oracle runs/oracle-2 --checkpoints runs.csv \\
      --item method --replicate seed --out results
  metareval report results/table.json --out report

Run it again after an interruption: what was observed is in OUT and is not computed twice.

exit codes: 0 done; 1 a checkpoint, or a value of it, failed and the others are in the table; 2 the
command cannot be used as it stands, or an oracle or every checkpoint failed; 130 interrupted.
"""

# The column of names given as NAME=PATH.
LABEL = "label"

EXIT_OK = 0
EXIT_FAILURES = 1


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command."""
    parser.epilog = EPILOG
    models = parser.add_argument_group("models")
    models.add_argument("--backend", required=True, metavar="NAME", help="what runs the models")
    models.add_argument(
        "--base", metavar="PATH", help="the model that adapters belong to (folder or hub id)"
    )
    models.add_argument(
        "--oracle",
        action="append",
        required=True,
        metavar="PATH",
        help="model retrained without the forget split; repeat it for several",
    )
    which = models.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--checkpoint",
        action="append",
        metavar="[NAME=]PATH",
        help="model to evaluate, with a name for the table; repeat it for several",
    )
    which.add_argument(
        "--checkpoints",
        metavar="FILE",
        help="CSV, TSV, JSON or JSON lines with a column 'checkpoint'; the others are labels",
    )
    models.add_argument("--batch-size", type=int, metavar="N", help="default: the backend's choice")
    models.add_argument("--layer", metavar="NAME", help="layer for AD; default: the backend's")

    data = parser.add_argument_group("benchmark")
    data.add_argument("--benchmark", required=True, metavar="NAME", help="where samples come from")
    data.add_argument(
        "--benchmark-option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="for example path=data/mllmu; repeat it for several",
    )
    data.add_argument("--limit", type=int, metavar="N", help="first N samples of each split only")

    table = parser.add_argument_group("table")
    table.add_argument("--out", required=True, metavar="FOLDER", help="observations and results")
    table.add_argument(
        "--metrics", nargs="+", metavar="NAME", help="default: FA RA MIA AD JS FA_gap"
    )
    table.add_argument(
        "--distance",
        nargs="+",
        choices=("function", "weights"),
        default=["function"],
        help="to the oracle; the first is the table's (default: function)",
    )
    table.add_argument(
        "--probe", metavar="SPLIT", help="split of the function distance (default: nonmember)"
    )
    table.add_argument("--block", nargs="+", metavar="LABEL", help="what must not be mixed")
    table.add_argument("--item", nargs="+", metavar="LABEL", help="what is ranked")
    table.add_argument("--replicate", nargs="+", metavar="LABEL", help="repeats of an item")


def run(options: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from metareval.evaluation import evaluate

    named = options.checkpoint is not None
    checkpoints = _named(options.checkpoint) if named else options.checkpoints
    item = options.item
    if named and not (item or options.block or options.replicate) and checkpoints[0].labels:
        item = [LABEL]
    done = evaluate(
        options.backend,
        checkpoints,
        oracle=options.oracle,
        benchmark=_benchmark(options.benchmark, options.benchmark_option),
        out=options.out,
        base=options.base,
        metrics=options.metrics,
        distance=options.distance,
        probe=options.probe,
        batch_size=options.batch_size,
        layer=options.layer,
        limit=options.limit,
        block=options.block,
        item=item,
        replicate=options.replicate,
    )
    if options.json:
        print(json.dumps(done.to_dict(), indent=2, allow_nan=False))
    else:
        print(repr(done))
        print(f"\nWrote {printable(str(done.out / 'table.json'))}; table.csv, summary.json and")
        print("the observations are beside it.")
    for name, problem in done.failed.items():
        text = f"metareval: {shorten(printable(name), 80)}: {problem}"
        print(textwrap.fill(text, TEXT_WIDTH, break_on_hyphens=False), file=sys.stderr)
    return EXIT_FAILURES if done.failed else EXIT_OK


def _named(given: Sequence[str]) -> list[CheckpointSpec]:
    """Read NAME=PATH and PATH; where one has a name, the path is the name of the others."""
    from metareval.evaluation import CheckpointSpec
    from metareval.reading.files import exists

    pairs = []
    for text in given:
        name, equals, path = text.partition("=")
        # A folder may have an equals sign in its own name.
        pairs.append((name, path) if equals and not exists(text) else ("", text))
    if not any(name for name, _ in pairs):
        return [CheckpointSpec(path) for _, path in pairs]
    return [CheckpointSpec(path, {LABEL: name or path}) for name, path in pairs]


def _benchmark(name: str, given: Sequence[str]) -> Benchmark:
    from metareval.plugins import get_benchmark

    benchmark: Any = get_benchmark(name)
    options: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise ArgumentError(f"--benchmark-option got {text!r}; write KEY=VALUE.")
        if key in options:
            raise ArgumentError(f"--benchmark-option gives {key!r} twice.")
        options[key] = value
    if not options:
        return benchmark  # type: ignore[no-any-return]
    if not callable(getattr(benchmark, "configured", None)):
        raise ArgumentError(
            f"The benchmark {name!r} takes no options; leave out --benchmark-option."
        )
    return benchmark.configured(**options)  # type: ignore[no-any-return]
