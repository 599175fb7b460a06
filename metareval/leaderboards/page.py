"""From boards to the files of the site."""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import numpy as np
import pandas as pd

import metareval
from metareval.auditing import explain
from metareval.errors import MetarevalError
from metareval.files import csv_safe
from metareval.leaderboards.board import CONFIDENCE, Board
from metareval.leaderboards.payload import anchor, payload, to_script
from metareval.reporting.page import page_environment
from metareval.reporting.parts import Rule
from metareval.reporting.wording import name, plural
from metareval.results import plain, printable, shorten

PAGE = "index.html"
RESULTS = "results.json"
TITLE = "Leaderboard"
# Parts of the page's script, in the order in which they stand in it.
SCRIPT = (
    "text",
    "state",
    "ranking",
    "columns",
    "table",
    "weights",
    "choices",
    "saving",
    "events",
)


def site_files(
    boards: Sequence[Board], title: str | None, *, n_resamples: int, seed: int
) -> dict[str, str | bytes]:
    """Return the content of every file by its name, the page last."""
    slugs = _slugs([b.table.name for b in boards])
    facts = {
        "metareval": metareval.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "seed": seed,
        "n_resamples": n_resamples,
        "confidence": CONFIDENCE,
    }
    out: dict[str, str | bytes] = {}
    for board, slug in zip(boards, slugs, strict=True):
        for protocol, view in board.views.items():
            for level, standing in view.standings.items():
                frame = standing.to_frame()
                out[f"tables/{slug}-{protocol}-{level}.csv"] = csv_safe(frame, index=False)
    record = {
        "made_with": facts,
        "tables": [_record(b) for b in boards],
        "files": sorted([*out, RESULTS, PAGE]),
    }
    out[RESULTS] = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    out[PAGE] = _page(boards, slugs, title, facts)
    return out


def _page(
    boards: Sequence[Board], slugs: Sequence[str], title: str | None, facts: dict[str, Any]
) -> str:
    from markupsafe import Markup

    environment = page_environment(__package__)
    templates = files(__package__) / "templates"
    script = _joined(templates / "script" / f"{part}.js" for part in SCRIPT)
    # In a function of its own, no name of the script is one of the page's.
    script = f'"use strict";\n(() => {{\n{script}}})();\n'
    shared = files("metareval.reporting") / "templates" / "style.css"
    style = _joined((shared, templates / "leaderboard.css"))
    text: str = environment.get_template("leaderboard.html.j2").render(
        title=shorten(printable(title), 200) if title else TITLE,
        subtitle=_subtitle(boards),
        tables=[_findings(b, slug) for b, slug in zip(boards, slugs, strict=True)],
        facts=facts,
        script=Markup(script),
        style=Markup(style),
        # Only what was hashed here runs: nothing that a name or a link could bring in.
        script_hash=_hash(script),
        style_hash=_hash(style),
        data=Markup(to_script(payload(boards, slugs))),
    )
    return text


def _joined(parts: Iterable[Traversable]) -> str:
    return "\n".join(part.read_text(encoding="utf-8") for part in parts)


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _subtitle(boards: Sequence[Board]) -> str:
    if len(boards) > 1:
        return plural(len(boards), "table")
    table = boards[0].table
    return (
        f"{name(table.name)}: {plural(len(table.levels('item')), 'item')}, "
        f"{plural(len(table.metrics), 'metric')}, {plural(len(table), 'row')}"
    )


def _findings(board: Board, slug: str) -> dict[str, Any]:
    groups: dict[tuple[str, str], list[Any]] = {}
    for finding in board.audit.findings:
        groups.setdefault((finding.severity, finding.code), []).append(finding)
    rules = []
    for (severity, code), found in groups.items():
        try:
            doc = explain(code)
        except MetarevalError:
            doc = None
        rules.append((anchor(slug, code, severity), Rule(severity, tuple(found), doc)))
    return {"slug": slug, "name": name(board.table.name), "rules": rules}


def _record(board: Board) -> dict[str, Any]:
    return {
        "table": board.table.name,
        "audit": board.audit.to_dict(),
        "entries": plain(board.entrants),
        "problems": dict(board.problems),
        "protocols": {
            protocol: {
                "equal_weights": view.equal,
                "draws": dict(view.draws),
                "score": view.uqs.to_dict(),
                "levels": {
                    level: plain(standing.to_frame().to_dict(orient="records"))
                    for level, standing in view.standings.items()
                },
            }
            for protocol, view in board.views.items()
        },
    }


def _slugs(names: Sequence[str]) -> list[str]:
    """Return a short, distinct name for the files and anchors of each table."""
    out: list[str] = []
    for text in names:
        slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "table"
        while slug in out:
            slug += "-2"
        out.append(slug)
    return out
