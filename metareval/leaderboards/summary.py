"""What a ranking says, in sentences and key figures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from metareval.auditing import AuditResult
from metareval.leaderboards.board import CONFIDENCE, Board, Standing, View
from metareval.reporting.parts import Tile
from metareval.reporting.wording import (
    all_names,
    coefficient,
    confidence_name,
    interval,
    name,
    percent,
    plural,
)

# A probability from here on counts as firm.
FIRM = 0.95


def sentences(board: Board, protocol: str) -> list[str]:
    """Say what one protocol finds."""
    view = board.views[protocol]
    standing = next(iter(view.standings.values()))
    out = [_weights(view)]
    if standing.level.name == "item":
        out += [_leader(standing), _spread(standing), _radius(standing)]
    if protocol == "published":
        out.append(_against(board))
    out += [_composite(view), _entries(board)]
    return [s for s in out if s]


def tiles(board: Board, protocol: str) -> list[Tile]:
    """Return the key figures of one protocol."""
    view = board.views[protocol]
    standing = next(iter(view.standings.values()))
    out = []
    leaders = _leaders(standing)
    if standing.level.name == "item" and len(leaders) == 1 and "weights" not in standing.why:
        share = float(standing.weight_first[leaders[0]])
        if not math.isnan(share):
            text = f"of all weightings put {_item(standing, leaders[0])} first"
            out.append(Tile(percent(share), text, "good" if share >= FIRM else "fair", "ranking"))
    if standing.level.name == "item" and 0 in standing.stability:
        tie = standing.stability[0][0].tie
        if tie is not None and not math.isnan(tie.distance):
            endless = math.isinf(tie.distance)
            text = (
                "no weights reverse any neighbours"
                if endless
                else "change of the weights that makes two neighbours tie"
            )
            shown = "none" if endless else f"{tie.distance:.3f}"
            out.append(Tile(shown, text, "good" if endless else "fair", "weights"))
    if standing.level.name == "item" and "data" not in standing.why:
        ranked = ~np.isnan(standing.data_best)
        sure = int((standing.data_best[ranked] == standing.data_worst[ranked]).sum())
        total = int(ranked.sum())
        if total:
            text = "items keep their rank when the data are drawn anew"
            tone = "good" if sure == total else "fair" if sure else "bad"
            out.append(Tile(f"{sure} of {total}", text, tone, "ranking"))
    out.append(_audit_tile(board.audit))
    return out


def _audit_tile(audit: AuditResult) -> Tile:
    seen = pd.Series([f.severity for f in audit.findings], dtype=object)
    errors, warnings = int((seen == "error").sum()), int((seen == "warning").sum())
    return Tile(
        str(errors),
        f"{'error' if errors == 1 else 'errors'} and {plural(warnings, 'warning')} "
        "found by the audit",
        "bad" if errors else "fair" if warnings else "good",
        "findings",
    )


def _item(standing: Standing, row: int) -> str:
    return name(standing.level.labels["item"][row])


def _leaders(standing: Standing) -> list[int]:
    return [int(i) for i in np.flatnonzero(standing.rank == 1)]


def _weights(view: View) -> str:
    if view.equal:
        return f"All metrics weigh the same, because {view.equal.rstrip('.')}."
    if view.uqs.protocol:
        return (
            "Weights as in arXiv:2605.02206: correlation with the oracle over all rows pooled, "
            "seeds counted as models."
        )
    return "Metrics weigh as much as they track the oracle within blocks."


def _leader(standing: Standing) -> str:
    leaders = _leaders(standing)
    if not leaders:
        return "No item has a score."
    if len(leaders) > 1:
        return f"{all_names([_item(standing, i) for i in leaders])} share the first place."
    first = _item(standing, leaders[0])
    share = float(standing.weight_first[leaders[0]])
    if math.isnan(share):
        return f"{first} comes first."
    exact = "" if standing.weight_first_exact else " (sampled)"
    if share >= 1 - 1e-12:
        return f"{first} comes first whatever the weights{exact}."
    return f"{first} comes first, under {percent(share)} of all possible weightings{exact}."


def _radius(standing: Standing) -> str:
    if 0 not in standing.stability:
        return ""
    result, rows = standing.stability[0]
    tie = result.tie
    if tie is None:
        return "There are too many items for the smallest change of weights that reverses two."
    if math.isnan(tie.distance):
        return ""
    if math.isinf(tie.distance):
        return "No weights at all reverse two neighbours of the ranking."
    pair = all_names([_item(standing, int(rows[i])) for i in tie.pair])
    if tie.distance == 0:
        return f"{pair} tie, so any change of the weights may order them."
    return f"Moving the weights by {tie.distance:.3f} is enough to make {pair} tie."


def _spread(standing: Standing) -> str:
    if "data" in standing.why:
        return ""
    leaders = _leaders(standing)
    if len(leaders) != 1 or math.isnan(standing.data_worst[leaders[0]]):
        return ""
    best, worst = int(standing.data_best[leaders[0]]), int(standing.data_worst[leaders[0]])
    level = confidence_name(CONFIDENCE)
    if best == worst:
        return f"It stays there in the central {level} of the draws of other data."
    return (
        f"With weights learned from other units, and replicates drawn anew, the central {level} "
        f"of its ranks reach from {best} to {worst}."
    )


def _against(board: Board) -> str:
    ours, theirs = (board.views[p].standings.get("item") for p in ("honest", "published"))
    if ours is None or theirs is None:
        return ""
    both = ~(np.isnan(ours.rank) | np.isnan(theirs.rank))
    moved = int((ours.rank[both] != theirs.rank[both]).sum())
    if not moved:
        return "Every item has the same rank under the honest protocol."
    return (
        f"{moved} of {plural(int(both.sum()), 'item')} have another rank under the honest protocol."
    )


def _composite(view: View) -> str:
    uqs = view.uqs
    if uqs.beats_best_part is None:
        return ""
    lead: Any = uqs.validation.loc["best metric"]
    does = "beats" if uqs.beats_best_part else "is not shown to beat"
    return (
        f"On blocks that its weights have not seen, the score {does} its best single metric: a "
        f"lead of {coefficient(lead['lead'])} in rho, "
        f"{confidence_name(CONFIDENCE)} interval "
        f"{interval(lead['lead_low'], lead['lead_high'])}."
    )


def _entries(board: Board) -> str:
    n = len(board.entrants)
    if not n:
        return ""
    return (
        f"{plural(n, 'entry', 'entries')} {'is' if n == 1 else 'are'} scored with weights that "
        "were learned without them."
    )
