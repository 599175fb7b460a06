"""All rules, in the order of their codes, and what they say about themselves."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from metareval.auditing import (
    blocks,
    claimed,
    definitions,
    oracle,
    replicates,
    ties,
    units,
    values,
    variation,
)
from metareval.auditing.model import Rule, RuleDoc
from metareval.errors import ArgumentError, unknown_name
from metareval.validation import name_list

_MODULES = (variation, ties, replicates, blocks, units, values, oracle, claimed, definitions)

RULES: dict[str, Rule] = {
    rule.code: rule
    for rule in sorted((r for module in _MODULES for r in module.RULES), key=lambda r: r.code)
}
_SLUGS = {rule.slug: rule.code for rule in RULES.values()}


def find_rule(code: object) -> Rule:
    """Return the rule of a code or short name, or say which exist."""
    rule = RULES.get(_SLUGS.get(code, code)) if isinstance(code, str) else None
    if rule is None:
        raise unknown_name("audit rule", code, [*RULES, *_SLUGS])
    return rule


def choose_rules(select: Sequence[str] | None, ignore: Sequence[str] | None) -> list[Rule]:
    """Return the rules to apply, in the order of their codes."""
    chosen = set(RULES)
    if select is not None:
        chosen = {find_rule(code).code for code in name_list(select, "select")}
    if ignore is not None:
        chosen -= {find_rule(code).code for code in name_list(ignore, "ignore")}
    if not chosen:
        raise ArgumentError(
            "select and ignore leave no rule to apply; metareval.auditing.rules() lists them."
        )
    return [rule for code, rule in RULES.items() if code in chosen]


def explain(code: str) -> RuleDoc:
    """Explain a rule: what it looks at, why that matters, an example, and what to do.

    Parameters
    ----------
    code : str
        Code or short name of the rule.

    Returns
    -------
    RuleDoc
        Prints as text.

    Raises
    ------
    ArgumentError
        No rule has this code or name.

    Examples
    --------
    >>> from metareval.auditing import explain
    >>> explain("MR001").slug
    'constant-metric'
    """
    rule = find_rule(code)
    return RuleDoc(
        code=rule.code,
        slug=rule.slug,
        title=rule.title,
        severity=rule.severity,
        what=rule.what,
        why=rule.why,
        example=rule.example,
        advice=rule.advice,
    )


def rules() -> pd.DataFrame:
    """List all rules.

    Returns
    -------
    DataFrame, index code
        Columns rule, severity, title, what and advice.

    Examples
    --------
    >>> from metareval.auditing import rules
    >>> rules().loc["MR002", "rule"]
    'tie-breaking'
    """
    columns = {
        "rule": [r.slug for r in RULES.values()],
        "severity": [r.severity for r in RULES.values()],
        "title": [r.title for r in RULES.values()],
        "what": [r.what for r in RULES.values()],
        "advice": [r.advice for r in RULES.values()],
    }
    return pd.DataFrame(columns, index=pd.Index(list(RULES), name="code"))
