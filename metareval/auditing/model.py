"""What an audit is made of: rules, and the findings they make."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metareval.results import plain

if TYPE_CHECKING:
    from metareval.auditing.context import Context

# Highest first.
SEVERITIES = ("error", "warning", "info")
# Evidence keeps this many digits, so that it does not depend on the order of summation.
EVIDENCE_DIGITS = 10


@dataclass(frozen=True)
class Finding:
    """One thing that an audit found.

    Parameters
    ----------
    code : str
        Stable code of the rule, for example ``"MR001"``.
    severity : {"error", "warning", "info"}
    message : str
        One sentence that says what was found, with the numbers.
    evidence : dict
        The cells and numbers behind it, as plain values that JSON knows.
    advice : str
        One sentence that says what to do.
    rule : str
        Short name of the rule, for example ``"constant-metric"``.
    metrics, blocks : tuple of str
        Metrics and blocks that it touches; no blocks where it is about the whole table.
    """

    code: str
    severity: str
    message: str
    evidence: dict[str, Any]
    advice: str
    rule: str
    metrics: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain values."""
        out: dict[str, Any] = plain(vars(self))
        return out


@dataclass(frozen=True)
class Rule:
    """One rule of the audit.

    Parameters
    ----------
    code, slug : str
        Stable code, and short name.
    title : str
    severity : {"error", "warning", "info"}
        Severity of a typical finding; a rule may raise or lower it.
    what, why, example, advice : str
        What the rule looks at, why that matters, what it finds in the released results, and what
        to do.
    check : callable
        From the context of an audit to its findings.
    """

    code: str
    slug: str
    title: str
    severity: str
    what: str
    why: str
    example: str
    advice: str
    check: Callable[[Context], Iterable[Finding]]

    def finding(
        self,
        message: str,
        evidence: Mapping[str, Any],
        *,
        severity: str | None = None,
        advice: str | None = None,
        metrics: Sequence[str] = (),
        blocks: Sequence[str] = (),
    ) -> Finding:
        """Make a finding of this rule."""
        return Finding(
            code=self.code,
            severity=severity or self.severity,
            message=message,
            evidence=_rounded(plain(evidence)),
            advice=advice or self.advice,
            rule=self.slug,
            metrics=tuple(metrics),
            blocks=tuple(blocks),
        )


@dataclass(frozen=True, repr=False)
class RuleDoc:
    """What a rule looks at, why it matters, an example and what to do."""

    code: str
    slug: str
    title: str
    severity: str
    what: str
    why: str
    example: str
    advice: str

    def text(self, width: int = 80) -> str:
        """Return the explanation as text of at most ``width`` columns."""
        parts = []
        for head, body in (
            (f"{self.code} {self.slug} ({self.severity})", self.title),
            ("Looks at", self.what),
            ("Why", self.why),
            ("Example", self.example),
            ("What to do", self.advice),
        ):
            parts.append(textwrap.fill(f"{head}: {body}", width, subsequent_indent="  "))
        return "\n".join(parts)

    def __repr__(self) -> str:
        return self.text()


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.{EVIDENCE_DIGITS}g}") + 0.0
    return value
