"""Sections of a report, in the order of the page."""

from __future__ import annotations

from metareval.progress import stage
from metareval.reporting.analysis import Analysis
from metareval.reporting.parts import Section
from metareval.reporting.sections.agreement import agreement_section
from metareval.reporting.sections.findings import findings_section
from metareval.reporting.sections.methods import methods_section
from metareval.reporting.sections.published import published_section
from metareval.reporting.sections.reliability import reliability_section
from metareval.reporting.sections.score import score_section
from metareval.reporting.sections.stability import stability_section
from metareval.reporting.sections.table import table_section

_SECTIONS = (
    table_section,
    findings_section,
    agreement_section,
    reliability_section,
    score_section,
    stability_section,
    published_section,
    methods_section,
)


def all_sections(analysis: Analysis) -> tuple[Section, ...]:
    """Return the sections that a table has, figures drawn."""
    stage("Figures and tables")
    found = [section(analysis) for section in _SECTIONS]
    return tuple(s for s in found if s is not None)
