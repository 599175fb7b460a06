"""Command line: each command reads a table, asks one question and shows the result."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

import metareval as mr
from metareval.commands import evaluate, study
from metareval.errors import ArgumentError, MetarevalError
from metareval.progress import show_progress
from metareval.results import TEXT_WIDTH, Result, frame_text, plain, printable

if TYPE_CHECKING:
    import pandas as pd

    from metareval.questions.perturbation import PerturbationResult
    from metareval.table import MetricTable

EXIT_OK = 0
EXIT_FINDINGS = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

EPILOG = """\
A table is a CSV, TSV, Parquet, JSON or JSON lines file, or the name of an embedded table
(metareval datasets lists them). FA, RA, MIA, AD and JS have known directions; give those of
other metrics with --lower and --higher.

exit codes: 0 done; 1 audit findings at or above --fail-on, or an unsound entry; 2 the
command, file or table cannot be used as it stands (the message says why); 130 interrupted.
"""

_INDENT: dict[str, Any] = {"initial_indent": "  ", "subsequent_indent": "  "}

SEVERITIES = ("info", "warning", "error")

# Messages of the library name its arguments.
OPTIONS = {
    "directions={": "--lower NAME, --higher NAME",
    "metrics=[": "--metrics NAME",
    "transforms={": "--transform NAME=TRANSFORM",
    "oracle=...": "--oracle NAME",
    "n_units is": "--models N",
    "n_blocks is": "--blocks N",
    "n_resamples is": "--resamples N",
    "n_clusters is": "--clusters N",
    "rng is": "--seed N",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Examples
    --------
    >>> from metareval.cli import main
    >>> main(["plan", "--rho", "0.5", "--models", "12"])  # doctest: +ELLIPSIS
    Plan (spearman, power 0.8, alpha 0.05 over 1 test)
    ...
    0
    """
    _escape_output()
    parser = build_parser()
    options = parser.parse_args(arguments)
    if not hasattr(options, "run"):
        parser.print_help()
        return EXIT_USAGE
    try:
        with show_progress():
            code: int = options.run(options)
        sys.stdout.flush()
        return code
    except MetarevalError as error:
        print(f"metareval: {printable(str(error))}{_options_meant(str(error))}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print("metareval: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (as with `| head`): nothing is left to say, nor anywhere to say it.
        _silence_output()
        return EXIT_OK
    except OSError as error:
        # Files are read and written with messages of their own; what is left is the output.
        what = "the output could not be written" if error.filename is None else error.filename
        text = f"metareval: {what}: {error.strerror or error}."
        print(printable(text), file=sys.stderr)
        _silence_output()
        return EXIT_USAGE


def _options_meant(message: str) -> str:
    """Name the options for the arguments of Python that a message speaks of."""
    meant = [option for argument, option in OPTIONS.items() if argument in message]
    return f" On the command line: {', '.join(meant)}." if meant else ""


def _silence_output() -> None:
    """Send output that cannot be written nowhere: Python tries once more when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _escape_output() -> None:
    """Write characters that the output's encoding lacks as escapes, where it has one."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="metareval",
        description="Find out whether your evaluation metrics can be trusted.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"metareval {mr.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], int], text: str, *, table: bool = True
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=EPILOG if table else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(run=run)
        sub.add_argument("--json", action="store_true", help="print JSON for programs")
        return sub

    sub = command("report", _report, "write a page, figures and tables that answer every question")
    _table_options(sub, default="unifiedunl")
    sub.add_argument("--out", default="report", metavar="FOLDER", help="default: report")
    sub.add_argument("--title", help="heading of the page")
    _transform_option(sub)
    _draw_options(sub)

    sub = command("leaderboard", _leaderboard, "write an interactive page that ranks the items")
    sub.add_argument(
        "tables",
        nargs="+",
        metavar="TABLE",
        help="files, or names of embedded tables; 'check ENTRY.json ...' checks entries instead",
    )
    _role_options(sub)
    sub.add_argument("--out", default="site", metavar="FOLDER", help="default: site")
    sub.add_argument("--title", help="heading of the page")
    sub.add_argument("--entries", metavar="FOLDER", help="entries to rank too, one JSON file each")
    sub.add_argument(
        "--against", nargs="+", metavar="TABLE", default=[], help="for check: tables to fit into"
    )
    _transform_option(sub)
    _draw_options(sub)

    sub = command("audit", _audit, "check a table for what makes its conclusions unsafe")
    _table_options(sub, optional=True)
    sub.add_argument("--explain", metavar="CODE", help="explain a rule, or all of them with 'all'")
    sub.add_argument("--select", nargs="+", metavar="CODE", help="run these rules only")
    sub.add_argument("--ignore", nargs="+", metavar="CODE", help="leave these rules out")
    sub.add_argument(
        "--fail-on",
        choices=(*SEVERITIES, "never"),
        default="never",
        help="exit with 1 when there is a finding this severe or more (default: never)",
    )

    sub = command("agreement", _agreement, "measure which metrics rank the models alike")
    _table_options(sub)
    _estimate_options(sub, statistic="kendall")
    _draw_options(sub)

    sub = command("clusters", _clusters, "group metrics, and say which groups oppose each other")
    _table_options(sub)
    sub.add_argument(
        "--clusters",
        dest="n_clusters",
        type=int,
        metavar="N",
        help="default: by silhouette",
    )
    _estimate_options(sub, statistic="kendall", protocol=False)
    _draw_options(sub)

    sub = command("reliability", _reliability, "measure which metrics track the oracle")
    _table_options(sub)
    _estimate_options(sub, statistic="spearman")
    sub.add_argument("--unit", choices=("cell", "row"), default="cell", help="what is independent")
    _draw_options(sub)

    sub = command("compare", _compare, "compare how well pairs of metrics track the oracle")
    _table_options(sub)
    _estimate_options(sub, statistic="spearman", protocol=False)
    _draw_options(sub)

    sub = command("uqs", _uqs, "fit the Unified Quality Score, and rank the items with it")
    _table_options(sub)
    _score_options(sub)
    _draw_options(sub)

    sub = command("perturb", _perturb, "test how far the score's ranking depends on its weights")
    _table_options(sub)
    _score_options(sub)
    _draw_options(sub)

    sub = command("evaluate", evaluate.run, evaluate.SUMMARY, table=False)
    evaluate.add_options(sub)

    sub = command("study", study.run, study.SUMMARY, table=False)
    study.add_options(sub)

    sub = command("plan", _plan, "say how many models a study needs")
    _table_options(sub, optional=True)
    sub.add_argument("--rho", type=float, default=0.5, help="correlation to find (default: 0.5)")
    sub.add_argument(
        "--models",
        type=int,
        metavar="N",
        help="independent models at hand, in all (default: the table's)",
    )
    sub.add_argument(
        "--blocks",
        type=int,
        metavar="N",
        help="blocks that they are divided into (default: the table's, or 1)",
    )
    sub.add_argument(
        "--tests",
        type=int,
        metavar="N",
        help="tests that share alpha (default: the table's metrics, or 1)",
    )
    sub.add_argument("--power", type=float, default=0.8, help="default: 0.8")
    sub.add_argument("--alpha", type=float, default=0.05, help="default: 0.05")
    sub.add_argument("--between", type=float, default=0.5, help="correlation between two metrics")
    sub.add_argument("--statistic", choices=("spearman", "kendall", "pearson"), default="spearman")
    sub.add_argument("--seed", type=int, default=0, help="of draws, for blocks (default: 0)")

    command("datasets", _datasets, "list the embedded tables", table=False)

    sub = command("plugins", _plugins, "list metrics, backends and benchmarks", table=False)
    sub.add_argument("--kind", choices=("metric", "backend", "benchmark"), help="default: all")
    sub.add_argument(
        "--check", action="store_true", help="import each, and say which are broken and why"
    )
    return parser


def _table_options(
    parser: argparse.ArgumentParser, *, default: str | None = None, optional: bool = False
) -> None:
    text = "file, or name of an embedded table"
    if default:
        parser.add_argument(
            "table", nargs="?", default=default, help=f"{text} (default: {default})"
        )
    else:
        parser.add_argument("table", nargs="?" if optional else None, help=text)
    _role_options(parser)


def _role_options(parser: argparse.ArgumentParser) -> None:
    roles = parser.add_argument_group("what the columns are (for a file)")
    roles.add_argument("--metrics", nargs="+", metavar="NAME", help="metric columns")
    roles.add_argument("--lower", nargs="+", metavar="NAME", default=[], help="lower is better")
    roles.add_argument("--higher", nargs="+", metavar="NAME", default=[], help="higher is better")
    roles.add_argument(
        "--oracle",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="distance to the oracle, or to each of several",
    )
    roles.add_argument("--block", nargs="+", metavar="NAME", help="what must not be mixed")
    roles.add_argument("--item", nargs="+", metavar="NAME", help="what is ranked")
    roles.add_argument("--replicate", nargs="+", metavar="NAME", help="repeats of an item")


def _estimate_options(
    parser: argparse.ArgumentParser, *, statistic: str, protocol: bool = True
) -> None:
    parser.add_argument("--statistic", default=statistic, help=f"default: {statistic}")
    parser.add_argument(
        "--estimate",
        default="stratified",
        choices=("stratified", "mean", "pooled"),
        help="default: stratified",
    )
    if protocol:
        parser.add_argument(
            "--protocol", choices=("published",), help="reproduce arXiv:2605.02206 instead"
        )


def _score_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights", default="stratified", choices=("stratified", "pooled", "cross_fitted")
    )
    parser.add_argument(
        "--protocol", choices=("published",), help="reproduce arXiv:2605.02206 instead"
    )
    _transform_option(parser)


def _transform_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--transform",
        nargs="+",
        metavar="NAME=TRANSFORM",
        default=[],
        help="map a metric outside [0, 1]: reciprocal (lower is better) or saturation",
    )


def _draw_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--resamples", type=int, default=10_000, metavar="N", help="draws (default: 10000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="default: 0")


def _directions(options: argparse.Namespace) -> dict[str, str] | None:
    both = sorted(set(options.lower) & set(options.higher))
    if both:
        raise ArgumentError(
            f"{', '.join(map(repr, both))} stands under both --lower and --higher; "
            "a metric has one direction."
        )
    given = {**dict.fromkeys(options.lower, "lower"), **dict.fromkeys(options.higher, "higher")}
    return given or None


def _table(options: argparse.Namespace, source: str | None = None) -> MetricTable:
    from metareval.datasets import resolve_table

    return resolve_table(
        options.table if source is None else source,
        metrics=options.metrics,
        directions=_directions(options),
        oracle=options.oracle,
        block=options.block,
        item=options.item,
        replicate=options.replicate,
    )


def _roles_given(options: argparse.Namespace) -> bool:
    names = ("metrics", "lower", "higher", "oracle", "block", "item", "replicate")
    return any(getattr(options, name) for name in names)


def _show(result: Result, options: argparse.Namespace) -> int:
    _print(result.to_dict() if options.json else None, repr(result))
    return EXIT_OK


def _print(data: Any, text: str) -> None:
    if data is None:
        print(text)
    else:
        print(json.dumps(data, indent=2, allow_nan=False))


def _text(frame: pd.DataFrame) -> str:
    return frame_text(frame, width=TEXT_WIDTH)


def _report(options: argparse.Namespace) -> int:
    done = mr.report(
        _table(options),
        options.out,
        title=options.title,
        transforms=_transforms(options),
        n_resamples=options.resamples,
        rng=options.seed,
    )
    if options.json:
        _print(done.to_dict(), "")
    else:
        print(f"Wrote {done.path} and {len(done.files) - 1} files beside it.")
        print("Open it in a browser; no network is needed.")
    return EXIT_OK


def _leaderboard(options: argparse.Namespace) -> int:
    if options.tables[0] == "check":
        return _check_entries(options)
    if options.against:
        raise ArgumentError("--against goes with 'metareval leaderboard check ENTRY.json'.")
    done = mr.leaderboard(
        [_table(options, source) for source in options.tables],
        options.out,
        title=options.title,
        entries=options.entries,
        transforms=_transforms(options),
        n_resamples=options.resamples,
        rng=options.seed,
    )
    if options.json:
        _print(done.to_dict(), "")
    else:
        print(f"Wrote {printable(str(done.path))} and {len(done.files) - 1} files beside it.")
        print("Open it in a browser, or put the folder on any web host; no network is needed.")
    return EXIT_OK


def _check_entries(options: argparse.Namespace) -> int:
    from metareval.leaderboards.entries import check_entries

    found = check_entries(
        options.tables[1:],
        [_table(options, source) for source in options.against],
        transforms=_transforms(options),
    )
    if options.json:
        _print(found.to_dict(), "")
    else:
        print(found.text())
    return EXIT_OK if found.sound else EXIT_FINDINGS


def _audit(options: argparse.Namespace) -> int:
    from metareval.auditing import explain, rules

    if options.explain:
        codes = list(rules().index) if options.explain == "all" else [options.explain]
        texts = [explain(code) for code in codes]
        _print([asdict(t) for t in texts] if options.json else None, "\n\n".join(map(str, texts)))
        return EXIT_OK
    if options.table is None:
        raise ArgumentError("Name a table to audit, or a rule with --explain CODE.")
    result = mr.audit(_table(options), select=options.select, ignore=options.ignore)
    _print(result.to_dict() if options.json else None, _findings(result))
    if options.fail_on == "never" or not result.worst:
        return EXIT_OK
    reached = SEVERITIES.index(result.worst) >= SEVERITIES.index(options.fail_on)
    return EXIT_FINDINGS if reached else EXIT_OK


def _findings(result: Any) -> str:
    lines = [textwrap.fill(printable(result.headline()), TEXT_WIDTH)]
    for finding in result.findings:
        lines.append("")
        lines.append(f"{finding.code} {finding.severity.upper()} ({finding.rule})")
        for text in (finding.message, f"-> {finding.advice}"):
            lines += textwrap.wrap(printable(text), TEXT_WIDTH, **_INDENT)
    if result.findings:
        lines += ["", f"Explain a rule: metareval audit --explain {result.findings[0].code}"]
    return "\n".join(lines)


def _ask(question: Callable[..., Any], options: argparse.Namespace, *further: str) -> Any:
    """Ask a question about the table with the options that such questions share."""
    chosen = {name: getattr(options, name) for name in ("statistic", "estimate", *further)}
    return question(_table(options), n_resamples=options.resamples, rng=options.seed, **chosen)


def _agreement(options: argparse.Namespace) -> int:
    return _show(_ask(mr.agreement, options, "protocol"), options)


def _clusters(options: argparse.Namespace) -> int:
    result = _ask(mr.cluster_metrics, options, "n_clusters")
    opposition = "" if result.opposition.empty else f"\n\n{_text(result.opposition)}"
    _print(result.to_dict() if options.json else None, f"{result!r}{opposition}")
    return EXIT_OK


def _reliability(options: argparse.Namespace) -> int:
    return _show(_ask(mr.reliability, options, "protocol", "unit"), options)


def _compare(options: argparse.Namespace) -> int:
    return _show(_ask(mr.compare_metrics, options), options)


def _transforms(options: argparse.Namespace) -> dict[str, str] | None:
    transforms = {}
    for text in options.transform:
        name, equals, transform = text.rpartition("=")
        if not equals:
            raise ArgumentError(f"--transform got {text!r}; write NAME=TRANSFORM.")
        transforms[name] = transform
    return transforms or None


def _fit(options: argparse.Namespace, table: MetricTable) -> mr.UQS:
    return mr.UQS.fit(
        table,
        protocol=options.protocol,
        weights=options.weights,
        transforms=_transforms(options),
        n_resamples=options.resamples,
        rng=options.seed,
    )


def _uqs(options: argparse.Namespace) -> int:
    import pandas as pd

    table = _table(options)
    uqs = _fit(options, table)
    items = pd.DataFrame({"score": uqs.score(table), "rank": uqs.rank(table).astype("Int64")})
    items = items.sort_values("rank", kind="stable")
    if options.json:
        _print({**uqs.to_dict(), "items": plain(items)}, "")
        return EXIT_OK
    print(repr(uqs))
    print(f"\n{frame_text(items, digits=4)}")
    if not uqs.validation.empty:
        print(f"\nLeave one block out:\n{_text(uqs.validation.drop(columns='parts'))}")
    return EXIT_OK


def _perturb(options: argparse.Namespace) -> int:
    table = _table(options)
    result = mr.perturb(
        _fit(options, table),
        table,
        protocol=options.protocol,
        n_resamples=options.resamples,
        rng=options.seed,
    )
    _print(
        result.to_dict() if options.json else None,
        f"{result!r}\n\nProbability that the row's item outranks the column's:\n"
        f"{_text(_outranks(result))}\n\nSmallest change of weights that reverses neighbours:\n"
        f"{_text(result.reversals[['distance', 'status']])}",
    )
    return EXIT_OK


def _outranks(result: PerturbationResult) -> pd.DataFrame:
    """Put the items in the order of their ranks; nothing outranks itself."""
    order = list(result.to_frame().index)
    frame = result.outranks.loc[order, order]
    return frame.mask(np.eye(len(order), dtype=bool))


def _plan(options: argparse.Namespace) -> int:
    if options.table is None and _roles_given(options):
        raise ArgumentError("Name a table too: what its columns are was given without one.")
    result = mr.plan(
        None if options.table is None else _table(options),
        rho=options.rho,
        n_units=options.models,
        n_blocks=options.blocks,
        tests=options.tests,
        power=options.power,
        alpha=options.alpha,
        between=options.between,
        statistic=options.statistic,
        rng=options.seed,
    )
    return _show(result, options)


def _datasets(options: argparse.Namespace) -> int:
    frame = mr.list_datasets()
    if options.json:
        _print(plain(frame.reset_index().to_dict(orient="records")), "")
        return EXIT_OK
    for name, row in frame.iterrows():
        print(printable(str(name)))
        facts = f"{row['rows']} rows: {row['metrics']}; {row['licence']}"
        for text in (row["title"], facts, row["citation"], row["source"]):
            print(textwrap.fill(printable(str(text)), TEXT_WIDTH, **_INDENT))
    return EXIT_OK


def _plugins(options: argparse.Namespace) -> int:
    from metareval.plugins import list_plugins, plugins_text

    frame = list_plugins(options.kind, check=options.check)
    records = plain(frame.to_dict(orient="records")) if options.json else None
    _print(records, plugins_text(frame))
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
