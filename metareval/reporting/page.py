"""From an analysis to the HTML page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from metareval.reporting.analysis import Analysis
from metareval.reporting.parts import Page, Picture
from metareval.reporting.sections import all_sections
from metareval.reporting.tiles import tiles
from metareval.reporting.verdict import answer, in_short
from metareval.reporting.wording import MINUS, name, number, plural
from metareval.results import printable, shorten

# Evidence is for looking up, not for reading in full: the JSON file holds all of it.
MOST_ENTRIES = 30
MOST_CHARACTERS = 300
# Line breaks of code, and the spaces that keep a number beside its unit.
KEPT = "\n\N{NO-BREAK SPACE}"
_LINK = re.compile(r"https://[^\s,;<>\"']*[^\s,;<>\"'.)]|arXiv:\d{4}\.\d{4,5}")


def build_page(analysis: Analysis, title: str | None) -> Page:
    """Return the content of the page, figures drawn."""
    table = analysis.table
    return Page(
        title=shorten(printable(title), 200) if title else "Can these metrics be trusted?",
        subtitle=(
            f"{name(table.name)}: {plural(len(table.metrics), 'metric')}, "
            f"{plural(len(table), 'row')}, {plural(table.n_units, 'independent unit')}"
        ),
        answer=answer(analysis),
        verdict=in_short(analysis),
        tiles=tiles(analysis),
        sections=all_sections(analysis),
    )


def render_page(page: Page, facts: dict[str, Any]) -> str:
    """Return the page as one self-contained HTML document.

    Parameters
    ----------
    page : Page
    facts : dict
        What the footer says about how the page was made.
    """
    text: str = page_environment().get_template("report.html.j2").render(page=page, facts=facts)
    return text


def page_environment(*packages: str) -> Any:
    """Return the templates of the report, and of further packages, with what they need.

    Every text that reaches a page through them is escaped and printable.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.FunctionLoader(_reader(p)) for p in (__package__, *packages)]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_legible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["linked"] = _linked
    environment.filters["minus"] = _minus
    environment.filters["evidence"] = _evidence
    environment.filters["picture"] = _picture
    return environment


def _reader(package: str) -> Callable[[str], str | None]:
    folder = files(package) / "templates"

    def read(name: str) -> str | None:
        found = folder / name
        return found.read_text(encoding="utf-8") if found.is_file() else None

    return read


def _picture(picture: Picture) -> Any:
    from markupsafe import Markup, escape

    title = str(escape(picture.caption))
    return Markup(picture.drawing.inline(f"figure-{picture.slug}", title))


def _legible(value: Any) -> Any:
    """Replace control and direction-changing characters in any text that reaches the page."""
    if type(value) is not str:  # markup is made of texts that went through here
        return value
    return "".join(c if c in KEPT else printable(c) for c in value)


def _minus(text: str) -> str:
    """Write the negative numbers of a text with a real minus sign."""
    return re.sub(r"(?<![\w.-])-(?=\d)", MINUS, text)


def _linked(text: str) -> Any:
    """Escape a text and turn addresses in it into links, which load nothing until followed."""
    from markupsafe import Markup, escape

    text = _legible(text)
    out, at = Markup(""), 0
    for found in _LINK.finditer(text):
        shown = found.group()
        address = (
            f"https://arxiv.org/abs/{shown.removeprefix('arXiv:')}"
            if shown.startswith("arXiv:")
            else shown
        )
        out += escape(text[at : found.start()])
        out += Markup('<a href="{}" rel="noreferrer">{}</a>').format(address, shown)
        at = found.end()
    return out + escape(text[at:])


def _evidence(value: Any) -> list[tuple[str, str]]:
    """Lay nested evidence out as lines of a key and a value."""
    lines: list[tuple[str, str]] = []
    _collect(value, "", lines)
    if len(lines) > MOST_ENTRIES:
        rest = len(lines) - MOST_ENTRIES
        lines = [*lines[:MOST_ENTRIES], ("", f"and {rest} more in results.json")]
    return lines


def _collect(value: Any, key: str, lines: list[tuple[str, str]]) -> None:
    if isinstance(value, dict) and not _flat(value):
        for k, v in value.items():
            _collect(v, f"{key} / {k}" if key else str(k), lines)
    elif isinstance(value, list) and not all(_scalar(v) for v in value):
        for i, v in enumerate(value, start=1):
            _collect(v, f"{key} {i}", lines)
    else:
        lines.append((name(key), _inline(value)))


def _flat(value: dict[str, Any]) -> bool:
    return (
        all(
            _scalar(v) or (isinstance(v, list) and all(_scalar(x) for x in v))
            for v in value.values()
        )
        and len(json.dumps(value)) <= MOST_CHARACTERS
    )


def _scalar(value: Any) -> bool:
    return not isinstance(value, (dict, list))


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name(k)}: {_inline(v)}" for k, v in value.items())
    if isinstance(value, list):
        shown = ", ".join(_inline(v) for v in value[:MOST_ENTRIES])
        return shown + (
            f" and {len(value) - MOST_ENTRIES} more" if len(value) > MOST_ENTRIES else ""
        )
    return number(value) if value is None or isinstance(value, (int, float)) else name(value)
