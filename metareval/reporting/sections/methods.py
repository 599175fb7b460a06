"""How to read the report, and how to make it again."""

from __future__ import annotations

import platform
from typing import Any

import metareval
from metareval.datasets import load_dataset
from metareval.reporting.analysis import Analysis
from metareval.reporting.parts import Code, Heading, Prose, Section, Terms
from metareval.reporting.sections.table import embedded
from metareval.reporting.wording import confidence_name, name

# Longer names are cut in the command too, which then has to be mended by hand.
LONGEST_NAME = 200

_CEILING = (
    "ceiling",
    "The correlation that a metric without error could be expected to reach, since the oracles "
    "themselves do not agree perfectly on which model is closer (Spearman and Brown's formula). A "
    "metric can pass it by chance, or where it shares the noise of an oracle.",
)


def methods_section(analysis: Analysis) -> Section:
    """Explain the methods and the terms."""
    return Section(
        "methods",
        "How to read this",
        "Every sentence and figure above follows from the table by fixed rules; nothing was "
        "written by hand. What the methods and terms mean:",
        (
            Terms(_terms(analysis)),
            Heading("How to make this report again"),
            Prose(
                "The same table, seed and versions give the same files, byte for byte. Each figure "
                "is what its function returns alone with the same seed."
            ),
            Code(_command(analysis)),
        ),
    )


def _terms(analysis: Analysis) -> tuple[tuple[str, str], ...]:
    level = confidence_name(analysis.confidence)
    draws = f"{analysis.n_resamples:,}"
    return (
        (
            "adjusted p",
            "A p-value corrected for the number of tests made (Holm's method). Of 20 tests of "
            "nothing, one has an uncorrected p below 0.05 on average.",
        ),
        (
            "beyond chance",
            f"Shorthand for: the adjusted p is at most {analysis.alpha:g}.",
        ),
        (
            "block",
            "What must not be mixed, such as a dataset or an architecture: models of different "
            "blocks are not compared.",
        ),
        *((_CEILING,) if analysis.table.oracle_repeats else ()),
        ("cell", "The rows of one block and one replicate, within which metrics are compared."),
        (
            "cross-fitted",
            "Each block is scored with weights learned on the other blocks, so that no block "
            "judges itself.",
        ),
        (
            f"interval ({level})",
            f"The range that covers {level} of the values when the independent units are drawn "
            f"anew with replacement within their blocks ({draws} times; percentile bootstrap). A "
            "range that includes 0 leaves open whether there is a relation at all.",
        ),
        (
            "oracle",
            "The ideal to which every model's distance was measured; in unlearning, the model that "
            "was retrained without the data to be forgotten.",
        ),
        (
            "outranks",
            "The share of all possible weights under which one item scores above another, computed "
            "exactly.",
        ),
        (
            "p",
            "How often a relation as strong appears when units are exchanged at random within "
            "their blocks: of all exchanges where they can be listed, else of "
            f"{draws} random ones.",
        ),
        (
            "pooled",
            "All rows taken together. Where blocks differ in level, this mixes differences between "
            "blocks with differences between models, and can even turn the sign.",
        ),
        (
            "radius",
            "The smallest change of the score's weights that makes two neighbours of the ranking "
            "change places.",
        ),
        ("rho (Spearman)", "Correlation of ranks; on this page, with closeness to the oracle."),
        (
            "stratified (within blocks)",
            "Models are compared within their block only, and the comparisons are added up. A "
            "block in which a metric does not vary adds nothing to tau; it pulls rho towards 0 "
            "where the distance to the oracle varies.",
        ),
        (
            "support",
            "The share of tables drawn anew in which all metrics of a cluster stay together.",
        ),
        (
            "tau (Kendall's tau-b)",
            "Pairs of models that two metrics order alike, minus those they order oppositely, as "
            "a share of all pairs, ties allowed for.",
        ),
        (
            "undefined",
            "There is no value, because something does not vary or too few models are left. It is "
            "neither 0 nor bad, it is unknown.",
        ),
        (
            "unit (independent)",
            "One item in one block. Replicates such as seeds repeat the same thing, so they move "
            "together and do not count as further models.",
        ),
    )


def _whole(column: str) -> str:
    """Keep a name as the file has it, unless it would drown the page."""
    return column if len(column) <= LONGEST_NAME else name(column)


def _command(analysis: Analysis) -> str:
    table = analysis.table
    options = [f"n_resamples={analysis.n_resamples}", f"rng={analysis.seed}"]
    if analysis.confidence != 0.95:
        options.insert(0, f"confidence={analysis.confidence:g}")
    if analysis.transforms:
        given = {_whole(m): str(t) for m, t in analysis.transforms.items()}
        options.append(f"transforms={given}")
    if embedded(table) is not None and table.role_columns == ("dataset", "method", "seed"):
        part = f".select(metrics={list(table.metrics)})"
        whole = load_dataset(table.name).metrics == table.metrics
        lines = [f"table = mr.load_dataset({table.name!r}){'' if whole else part}"]
    else:
        roles = {
            role: getattr(table, role)
            for role in ("oracle", "block", "item", "replicate")
            if getattr(table, role) is not None
        }
        spelt: dict[str, Any] = {role: _whole(column) for role, column in roles.items()}
        if table.oracle_repeats:
            spelt["oracle"] = [_whole(column) for column in table.oracle_repeats]
        directions = {_whole(m): d for m, d in table.directions.items()}
        lines = [
            "table = mr.read_table(",
            '    "tables/analysed.csv",',
            f"    directions={directions},",
            *(f"    {role}={column!r}," for role, column in spelt.items()),
            f"    name={_whole(table.name)!r},",
            ")",
        ]
    return "\n".join(
        [
            f"# metareval {metareval.__version__}, Python {platform.python_version()}",
            "import metareval as mr",
            *lines,
            f"mr.report(table, {', '.join(options)})",
        ]
    )
