"""Audit a table of metrics: rules with stable codes, and what they find."""

from __future__ import annotations

from metareval.auditing.claims import claims_for
from metareval.auditing.model import Finding, RuleDoc
from metareval.auditing.registry import explain, rules
from metareval.auditing.run import AuditResult, audit

__all__ = ["AuditResult", "Finding", "RuleDoc", "audit", "claims_for", "explain", "rules"]
