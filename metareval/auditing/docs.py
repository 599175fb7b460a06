"""Print docs/audit.md: ``python -m metareval.auditing.docs > docs/audit.md``."""

from __future__ import annotations

from metareval.auditing.model import Rule
from metareval.auditing.registry import RULES

_HEAD = """\
# Audit rules

`metareval.audit(table)` looks for what makes conclusions from a table of metrics unsound. It draws
nothing at random: the same rows give the same findings. Every finding has a stable code, a severity
(`error`, `warning` or `info`), one sentence with the numbers, the evidence behind it, and one
sentence on what to do.

```python
import metareval as mr

result = mr.audit(mr.load_dataset("unifiedunl"))
result.findings  # errors first
mr.audit(mr.load_dataset("unifiedunl"), ignore=["MR014"])
mr.audit(mr.load_dataset("unifiedunl"), select=["tie-breaking"])
```

`published=` holds claims against the rows: a mapping with any of `tau_matrix` and `tau_p_matrix`
(in the order of `metrics`), `modality` and `reliability`, in the form that
`metareval.datasets.load_published()` returns. Where the rows are those of an embedded table, what
was published about it is checked without being asked for.

*Released results* are those of arXiv:2605.02206, `mr.load_dataset("unifiedunl")` and its
companions. In Python, `metareval.auditing.explain("MR002")` prints one of the sections below and
`metareval.auditing.rules()` lists them.

This page is written by `python -m metareval.auditing.docs`.
"""


def page() -> str:
    """Return the page as Markdown."""
    index = ["| Code | Rule | Severity | |", "|---|---|---|---|"]
    index += [
        f"| [{r.code}](#{r.code.lower()}-{r.slug}) | {r.slug} | {r.severity} | {r.title} |"
        for r in RULES.values()
    ]
    return "\n".join([_HEAD, *index, "", *(_section(r) for r in RULES.values())]).rstrip() + "\n"


def _section(rule: Rule) -> str:
    return (
        f"## {rule.code} {rule.slug}\n\n"
        f"**{rule.title}.** Severity: {rule.severity}, unless said otherwise.\n\n"
        f"- **Looks at:** {rule.what}\n"
        f"- **Why:** {rule.why}\n"
        f"- **Example:** {rule.example}\n"
        f"- **What to do:** {rule.advice}\n"
    )


if __name__ == "__main__":
    print(page(), end="")
