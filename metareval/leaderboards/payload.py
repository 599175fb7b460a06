"""What the page is given: every statistic as plain values, and nothing left to estimate."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metareval.catalogue import BUILT_IN_METRICS
from metareval.files import FORMULA_STARTS
from metareval.leaderboards.board import CONFIDENCE, Board, Standing, View
from metareval.leaderboards.summary import sentences, tiles
from metareval.reporting.latex import ESCAPES
from metareval.reporting.wording import reason
from metareval.results import printable

FloatArray = NDArray[np.float64]

SEVERITIES = {"error": "error", "warning": "warning", "info": "note"}


def payload(boards: Sequence[Board], slugs: Sequence[str]) -> dict[str, Any]:
    """Return what the page shows and reckons with."""
    return {
        "confidence": CONFIDENCE,
        # The rules for exported texts are those of metareval.files and the report's LaTeX.
        "formula": list(FORMULA_STARTS),
        "latex": ESCAPES,
        "tables": [_table(b, slug) for b, slug in zip(boards, slugs, strict=True)],
    }


def to_script(value: Any) -> str:
    """Return JSON that neither ends a script element nor starts a comment in one.

    Examples
    --------
    >>> print(to_script({"a": "</script><!--"}))
    {"a":"\\u003c/script\\u003e\\u003c!--"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def anchor(slug: str, code: str, severity: str) -> str:
    """Return the id of the findings of one rule and severity."""
    return f"finding-{slug}-{code}-{severity}"


def _table(board: Board, slug: str) -> dict[str, Any]:
    table = board.table
    roles = {r: printable(c) for r in ("block", "item", "replicate") if (c := getattr(table, r))}
    return {
        "name": printable(table.name),
        "slug": slug,
        "roles": roles,
        "metrics": [
            {
                "name": printable(m),
                "full": BUILT_IN_METRICS[m].full_name if m in BUILT_IN_METRICS else "",
                "direction": table.directions[m],
                "findings": [
                    [SEVERITIES[f.severity], f.code, f.message, anchor(slug, f.code, f.severity)]
                    for f in board.audit.findings
                    if m in f.metrics
                ],
            }
            for m in table.metrics
        ],
        "entrants": {
            printable(item): {k: printable(v) for k, v in about.items()}
            for item, about in board.entrants.items()
        },
        "views": {p: _view(board, p) for p in board.views},
        "problems": dict(board.problems),
    }


def _view(board: Board, protocol: str) -> dict[str, Any]:
    view = board.views[protocol]
    uqs = view.uqs
    metrics = list(uqs.weights.index)
    return {
        "sentences": sentences(board, protocol),
        "tiles": [asdict(t) for t in tiles(board, protocol)],
        "equal": view.equal,
        "draws": dict(view.draws),
        "weights": _plain(uqs.weights.to_numpy(dtype=np.float64)),
        "rho": _plain(uqs.rho.to_numpy(dtype=np.float64)),
        "notes": [_metric_note(view, m) for m in metrics],
        "usable": [m not in uqs.excluded.index for m in metrics],
        "transforms": [uqs.transforms[m] for m in metrics],
        "levels": {n: _level(s) for n, s in view.standings.items()},
    }


def _metric_note(view: View, metric: str) -> str:
    if metric in view.uqs.excluded.index:
        return f"no weight: its reliability is undefined ({reason(str(view.uqs.excluded[metric]))})"
    if metric in view.uqs.clipped:
        return f"counts as {view.uqs.floor:g}, the floor"
    return ""


def _level(standing: Standing) -> dict[str, Any]:
    level = standing.level
    return {
        "labels": {
            role: _coded([printable(t) for t in texts]) for role, texts in level.labels.items()
        },
        "group": level.group.tolist(),
        "groups": [printable(g) for g in level.groups],
        "raw": [_plain(column) for column in level.raw.T],
        # Metrics that are mapped by nothing are not stored twice.
        "values": [
            None if np.array_equal(raw, mapped, equal_nan=True) else _plain(mapped)
            for raw, mapped in zip(level.raw.T, level.values.T, strict=True)
        ],
        "gaps": [[r, m, printable(why)] for (r, m), why in level.gaps.items()],
        "flat": [list(pair) for pair in sorted(level.flat)],
        "low": _plain(standing.low),
        "high": _plain(standing.high),
        "dataBest": _plain(standing.data_best),
        "dataWorst": _plain(standing.data_worst),
        "dataFirst": _plain(standing.data_first),
        "dataFirstExact": standing.data_first_exact,
        "weightBest": _plain(standing.weight_best),
        "weightWorst": _plain(standing.weight_worst),
        "weightFirst": _plain(standing.weight_first),
        "weightFirstExact": standing.weight_first_exact,
        "why": dict(standing.why),
        "stability": [_stability(standing, g) for g in sorted(standing.stability)],
    }


def _stability(standing: Standing, group: int) -> dict[str, Any]:
    found, rows = standing.stability[group]
    tie = found.tie
    return {
        "group": group,
        "rows": rows.tolist(),
        "outranks": None if found.outranks is None else [_plain(r) for r in found.outranks],
        "tie": None
        if tie is None or math.isnan(tie.distance)
        else {
            "distance": tie.distance if math.isfinite(tie.distance) else None,
            "pair": [int(rows[i]) for i in tie.pair],
            "weights": _plain(tie.weights),
        },
    }


def _coded(texts: list[str]) -> dict[str, Any]:
    """Store each label once."""
    distinct = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    return {"names": list(distinct), "codes": [distinct[t] for t in texts]}


def _plain(values: FloatArray) -> list[Any]:
    out = values.tolist()
    if np.isfinite(values).all():
        return _whole(out)
    return _whole([v if math.isfinite(v) else None for v in out])


def _whole(values: list[Any]) -> list[Any]:
    """Write whole numbers without a decimal point, which JSON reads as the same number."""
    return [int(v) if v is not None and v == int(v) and abs(v) < 2**53 else v for v in values]
