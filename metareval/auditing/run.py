"""Apply the rules to a table."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from metareval.auditing.claims import Claims, match_embedded
from metareval.auditing.context import Context
from metareval.auditing.model import SEVERITIES, Finding
from metareval.auditing.registry import choose_rules
from metareval.auditing.wording import count, name
from metareval.coerce import as_table
from metareval.results import TEXT_WIDTH, Result
from metareval.table import MetricTable

_COLUMNS = ("severity", "rule", "message", "advice")


@dataclass(frozen=True, eq=False, repr=False)
class AuditResult(Result):
    """What an audit found; see :func:`audit`.

    Parameters
    ----------
    findings : tuple of Finding
        Errors first, then warnings, then notes; in the order of codes.
    table : str
        Name of the table.
    n_rows, n_units : int
        Rows, and independent units.
    rules : tuple of str
        Codes of the rules that were applied.
    claims : bool
        Whether published figures were checked.
    """

    findings: tuple[Finding, ...]
    table: str
    n_rows: int
    n_units: int
    rules: tuple[str, ...]
    claims: bool

    @property
    def codes(self) -> tuple[str, ...]:
        """Distinct codes of the findings, in order."""
        return tuple(sorted({f.code for f in self.findings}))

    @property
    def worst(self) -> str:
        """The highest severity found; empty where nothing was found."""
        return self.findings[0].severity if self.findings else ""

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each finding: severity, rule, message and advice by code."""
        index = pd.Index([f.code for f in self.findings], name="code", dtype=object)
        data = {c: [getattr(f, c) for f in self.findings] for c in _COLUMNS}
        return pd.DataFrame(data, index=index, columns=list(_COLUMNS), dtype=object)

    def to_dict(self) -> dict[str, Any]:
        """Return the findings, with their evidence, and what was audited as plain values."""
        return {
            "table": self.table,
            "n_rows": self.n_rows,
            "n_units": self.n_units,
            "rules": list(self.rules),
            "claims": self.claims,
            "worst": self.worst,
            "findings": [f.to_dict() for f in self.findings],
        }

    def headline(self) -> str:
        """Return one line that counts the findings."""
        seen = [f.severity for f in self.findings]
        nouns = {"error": "error", "warning": "warning", "info": "note"}
        parts = [count(seen.count(s), nouns[s]) for s in SEVERITIES if s in seen]
        claims = ", published figures checked" if self.claims else ""
        return (
            f"Audit of {name(self.table)} ({count(self.n_rows, 'row')}, "
            f"{count(self.n_units, 'independent unit')}{claims}): "
            f"{', '.join(parts) or 'nothing found'} from {count(len(self.rules), 'rule')}"
        )

    def __repr__(self) -> str:
        lines = [self.headline()]
        for f in self.findings:
            lines.append(f"\n{f.code} {f.severity} ({f.rule})")
            for start, text in (("  ", f.message), ("  -> ", f.advice)):
                lines.append(
                    textwrap.fill(
                        text,
                        TEXT_WIDTH,
                        initial_indent=start,
                        subsequent_indent=" " * len(start),
                        break_on_hyphens=False,
                    )
                )
        return "\n".join(lines)


def audit(
    table: MetricTable | pd.DataFrame,
    oracle: Any = None,
    *,
    published: Mapping[str, Any] | None = None,
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    directions: Mapping[str, str] | None = None,
    block: Any = None,
    item: Any = None,
    replicate: Any = None,
) -> AuditResult:
    """Look for what makes conclusions from a table of metrics unsound.

    Nothing is drawn at random: the same rows give the same findings. Each rule is explained by
    ``metareval.auditing.explain(code)``.

    Parameters
    ----------
    table : MetricTable or DataFrame
    oracle : str, Series or array, or several, optional
        Distance of each model to the oracle (smaller is closer), or to each of several, for a
        DataFrame.
    published : mapping, optional
        What was claimed about the table, to be held against its rows: any of ``tau_matrix`` and
        ``tau_p_matrix`` (in the order of ``metrics``), ``modality`` and ``reliability``, in the
        form of :func:`metareval.datasets.load_published`. By default what was published about
        the embedded tables, where the rows are theirs.
    select, ignore : sequence of str, optional
        Codes or short names of the rules to apply, or to leave out.
    metrics, directions, block, item, replicate
        Roles, for a DataFrame; see :meth:`MetricTable.from_frame`.

    Returns
    -------
    AuditResult
        ``findings`` with code, severity, message, evidence and advice.

    Raises
    ------
    ArgumentError
        An unknown rule, or claims of another form.
    TableError
        A table that cannot be analysed.

    Examples
    --------
    >>> import metareval as mr
    >>> from metareval.auditing import audit
    >>> result = audit(mr.load_dataset("unifiedunl"), select=["saturated-accuracy"])
    >>> print(result.findings[0].message)
    FA and RA are both exactly 1 in every row of unlok_vqa (12 rows): what should be forgotten and
    what should be kept cannot be told apart, as when an empty label matches every answer or a
    parser matches none.
    """
    data = as_table(
        table,
        oracle,
        metrics=metrics,
        directions=directions,
        block=block,
        item=item,
        replicate=replicate,
    )
    chosen = choose_rules(select, ignore)
    known = match_embedded(data)
    if known is not None:
        # Published figures hang on the order of rows; the embedded order is the published one.
        order, figures = known
        data = replace(data, frame=data.frame.iloc[order])
        published = figures if published is None else published
    claims = None if published is None else Claims.read(published, data)
    context = Context(data, claims)
    # Sums of extreme values may overflow; what is then infinite or undefined fires no rule.
    with np.errstate(over="ignore", invalid="ignore"):
        findings = [finding for rule in chosen for finding in rule.check(context)]
    findings.sort(key=lambda f: (SEVERITIES.index(f.severity), f.code))
    return AuditResult(
        findings=tuple(findings),
        table=data.name,
        n_rows=len(data),
        n_units=data.n_units,
        rules=tuple(rule.code for rule in chosen),
        claims=claims is not None,
    )
