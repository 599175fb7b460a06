"""The key figures at the top of the page."""

from __future__ import annotations

import pandas as pd

from metareval.reporting.analysis import Analysis
from metareval.reporting.parts import Tile
from metareval.reporting.verdict import FIRM, agreeing, significant, surviving_claims
from metareval.reporting.wording import name, percent, plural


def tiles(analysis: Analysis) -> tuple[Tile, ...]:
    """Return the key figures."""
    out = []
    if analysis.audit is not None:
        seen = pd.Series([f.severity for f in analysis.audit.findings], dtype=object)
        errors, warnings = int((seen == "error").sum()), int((seen == "warning").sum())
        out.append(
            Tile(
                str(errors),
                f"{'error' if errors == 1 else 'errors'} and {plural(warnings, 'warning')} "
                "found by the audit",
                "bad" if errors else "fair" if warnings else "good",
                "findings",
            )
        )
    if analysis.reliability is not None:
        tracking, _ = significant(analysis)
        out.append(
            Tile(
                f"{len(tracking)} of {len(analysis.table.metrics)}",
                "metrics track the oracle beyond chance",
                "good" if tracking else "bad",
                "reliability",
            )
        )
    together, apart, defined = agreeing(analysis)
    if defined:
        out.append(
            Tile(
                f"{len(together)} of {defined}",
                "pairs of metrics agree beyond chance",
                "bad" if apart or not together else "good",
                "agreement",
            )
        )
    if analysis.score is not None and analysis.score.beats_best_part is not None:
        good = analysis.score.beats_best_part
        out.append(
            Tile(
                "yes" if good else "not shown",
                "does the composite score beat its best single metric?",
                "good" if good else "bad",
                "score",
            )
        )
    if analysis.stability is not None and len(analysis.stability.top1):
        ranks = analysis.stability.to_frame()
        leader = str(ranks.index[0])
        share = float(ranks["top1"].iloc[0])
        out.append(
            Tile(
                percent(share),
                f"of all possible weightings put {name(leader)} first",
                "good" if share >= FIRM else "fair",
                "stability",
            )
        )
    claimed, kept, _ = surviving_claims(analysis)
    if claimed:
        out.append(
            Tile(
                f"{kept} of {claimed}",
                "correlations published as significant are still so in a sound analysis",
                "good" if kept == claimed else "bad",
                "published",
            )
        )
    return tuple(out)
