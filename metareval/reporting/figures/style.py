"""How every figure looks, and how a drawing becomes SVG and PNG without touching global state."""

from __future__ import annotations

import functools
import io
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metareval.results import printable, shorten_name

if TYPE_CHECKING:
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

INK = "#1c2430"
QUIET = "#68727f"
RULE = "#d5dae1"
ACCENT = "#1f5fa8"
CONTRAST = "#b35806"

WIDTH = 7.6  # inches: about 730 CSS pixels
PNG_DPI = 160
LABEL_WIDTH = 24
MISSING_GLYPH = "\N{REPLACEMENT CHARACTER}"

_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    # Names are shown as they are: a dollar sign starts no formula.
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "xtick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.color": QUIET,
    "ytick.labelcolor": INK,
    "hatch.linewidth": 0.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    # Letters as outlines look the same everywhere; the salt makes ids repeatable.
    "svg.fonttype": "path",
    "svg.hashsalt": "metareval",
}
_DRAWING = threading.Lock()
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


@dataclass(frozen=True)
class Drawing:
    """A figure as files.

    Parameters
    ----------
    svg : str
        A complete SVG document.
    png : bytes
    """

    svg: str
    png: bytes

    def inline(self, prefix: str, title: str) -> str:
        """Return the SVG as an element of an HTML page.

        Ids get a prefix, since those of several figures would clash on one page; the rule for
        line joins moves to the page's style sheet.

        Parameters
        ----------
        prefix : str
        title : str
            Already escaped.
        """
        body = self.svg[self.svg.index("<svg") :]
        body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, count=1, flags=re.S)
        body = re.sub(r"<title>.*?</title>", "", body, count=1, flags=re.S)
        body = re.sub(r' xmlns(:\w+)?="[^"]*"', "", body)
        body = body.replace("xlink:href=", "href=")
        body = re.sub(r'\bid="', f'id="{prefix}-', body)
        body = body.replace('href="#', f'href="#{prefix}-').replace("url(#", f"url(#{prefix}-")
        body = re.sub(r"\s*\n\s*", " ", body)
        # The rest of the first tag is size and view box; the title must come first inside.
        opening, rest = body.split(">", 1)
        size = re.search(r' width="([\d.]+)pt"', opening)
        natural = f' style="--natural: {float(size.group(1)):.0f}pt"' if size else ""
        opening = re.sub(r' (width|height)="[^"]*"', "", opening)
        opening = opening.replace(
            "<svg", f'<svg role="img" aria-labelledby="{prefix}-title"{natural}', 1
        )
        return f'{opening}><title id="{prefix}-title">{title}</title>{rest}'


def draw(make: Callable[[], Figure], *, title: str) -> Drawing:
    """Draw a figure under the style of reports and return it as SVG and PNG.

    Parameters
    ----------
    make : callable
        Builds the figure with matplotlib's object interface.
    title : str
        Said by the SVG file to those who cannot see it.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    # The caller's settings come back at the end, so neither side sees the other's. They are one
    # for all threads, hence the lock.
    with _DRAWING, matplotlib.rc_context():
        matplotlib.rcdefaults()
        settings: Any = matplotlib.rcParams
        settings.update(_STYLE)
        figure = make()
        FigureCanvasAgg(figure)
        vector, bitmap = io.StringIO(), io.BytesIO()
        figure.savefig(vector, format="svg", metadata={"Title": printable(title), **_NO_METADATA})
        figure.savefig(bitmap, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return Drawing(svg=vector.getvalue(), png=bitmap.getvalue())


def labels(names: Sequence[str], width: int = LABEL_WIDTH) -> dict[str, str]:
    """Return names as a figure can write them: one short line each, all different.

    Characters that the font lacks are replaced; names that then look alike, or that none of is
    left, get their number among the names.

    Examples
    --------
    >>> labels(["FA", "RA"])
    {'FA': 'FA', 'RA': 'RA'}
    """
    shown = [shorten_name(_drawable(printable(n)), width) for n in names]
    counts = Counter(shown)
    return {
        n: f"{text} #{i}" if counts[text] > 1 or not text.strip(MISSING_GLYPH + " ") else text
        for i, (n, text) in enumerate(zip(names, shown, strict=True), start=1)
    }


def font_note(shown: Iterable[str], where: str) -> str:
    """Return a sentence for the caption of a figure whose font cannot write every name."""
    if not any(MISSING_GLYPH in text for text in shown):
        return ""
    return (
        f" {MISSING_GLYPH} stands for letters that the figure's font lacks; a name made of them "
        f"carries its number among the {where}."
    )


def _drawable(text: str) -> str:
    known = _font_characters()
    return "".join(c if ord(c) in known else MISSING_GLYPH for c in text)


@functools.cache
def _font_characters() -> frozenset[int]:
    from matplotlib import font_manager

    path = font_manager.findfont("DejaVu Sans")
    return frozenset(font_manager.get_font(path).get_charmap())


@functools.cache
def diverging() -> LinearSegmentedColormap:
    """Return the map for -1 to 1: orange through white to blue, which colour-blind eyes tell."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(
        "metareval-diverging", ["#a04a00", "#f1a340", "#fbfbfb", "#6ea6d8", "#174f91"]
    )


@functools.cache
def sequential() -> LinearSegmentedColormap:
    """Return the map for shares from 0 to 1: white to blue."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(
        "metareval-sequential", ["#fbfbfb", "#6ea6d8", "#174f91"]
    )


def text_colour(background: tuple[float, ...]) -> str:
    """Return dark or white, whichever reads better on a colour."""
    red, green, blue = background[:3]
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.58 else "white"
