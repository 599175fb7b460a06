"""What the audit found."""

from __future__ import annotations

from metareval.auditing import explain
from metareval.errors import MetarevalError
from metareval.reporting.analysis import Analysis
from metareval.reporting.parts import Column, Part, Problem, Rule, Section, make_table
from metareval.reporting.verdict import audit_sentence

_TITLE = "What the audit found"


def findings_section(analysis: Analysis) -> Section:
    """Show the findings, those of one rule and severity together."""
    if analysis.audit is None:
        return Section(
            "findings",
            _TITLE,
            "The audit could not be run.",
            (Problem(analysis.problems["audit"]),),
        )
    groups: dict[tuple[str, str], list[int]] = {}
    for i, finding in enumerate(analysis.audit.findings):
        groups.setdefault((finding.severity, finding.code), []).append(i)
    parts: list[Part] = []
    for (severity, code), members in groups.items():
        try:
            doc = explain(code)
        except MetarevalError:
            doc = None
        found = tuple(analysis.audit.findings[i] for i in members)
        parts.append(Rule(severity, found, doc))
    if analysis.audit.findings:
        columns = [
            Column(head, head, str, number=False)
            for head in ("severity", "rule", "message", "advice")
        ]
        parts.append(
            make_table(
                "findings",
                "Every finding.",
                analysis.audit.to_frame(),
                columns,
                labels=["code"],
                file_only=True,
            )
        )
    lead = (
        "The audit looks for what makes conclusions from a table of metrics unsafe. An error means "
        "that a conclusion drawn in the usual way would be wrong; a warning, that it may be. "
        + audit_sentence(analysis)
    )
    return Section("findings", _TITLE, lead, tuple(parts))
