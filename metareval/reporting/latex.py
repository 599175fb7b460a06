"""Tables as LaTeX: booktabs rules, every special character escaped."""

from __future__ import annotations

from metareval.reporting.parts import Table
from metareval.results import printable

ESCAPES = {
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    # After the end of a row these would be read as its options.
    "[": "{[}",
    "*": "{*}",
    "\N{NO-BREAK SPACE}": "~",
    "\N{MINUS SIGN}": "$-$",
    "\N{EN DASH}": "--",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{REPLACEMENT CHARACTER}": "?",
    **{
        raised: f"$^{{{plain}}}$"
        for raised, plain in zip("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789", strict=True)
    },
}


def escape(text: str) -> str:
    r"""Return text that LaTeX sets as it stands.

    Examples
    --------
    >>> print(escape("50% of $x_1$"))
    50\% of \$x\_1\$
    """
    return "".join(ESCAPES.get(c, c) for c in map(_printable, text))


def _printable(character: str) -> str:
    return character if character in ESCAPES else printable(character)


def latex_table(table: Table) -> str:
    """Return a table as a ``tabular`` with booktabs rules."""
    spec = "".join("r" if number else "l" for number in table.numeric)
    lines = [
        "% Needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}.",
        f"% {escape(table.caption)}",
        f"\\begin{{tabular}}{{{spec}}}",
        "\\toprule",
        _row(table.heads),
        "\\midrule",
        *map(_row, table.cells),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _row(cells: tuple[str, ...]) -> str:
    return " & ".join(map(escape, cells)) + " \\\\"
