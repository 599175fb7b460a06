"""The calls whose results are recorded, by topic, as a user would write them."""

from __future__ import annotations

from collections.abc import Mapping

CALLS: Mapping[str, tuple[str, ...]] = {
    "planning": (
        "plan()",
        "plan(TABLE)",
        "plan(FEW, rho=0.6, power=0.9, alpha=0.1, between=0.2)",
        "plan(METRICS, directions=DIRECTIONS)",
        "plan(FRAME[['RA', 'dataset', 'method', 'seed']], block='dataset', item='method', "
        "replicate='seed')",
        "plan(n_units=12, statistic='kendall')",
        "plan(n_units=12, tests=5, rho=-0.5, statistic='pearson')",
        "plan(n_units=1)",
        "plan(rho=0)",
        "plan(rho=1)",
        "plan(rho=-1.0)",
        "plan(rho=True)",
        "plan(rho='0.5')",
        "plan(between=1)",
        "plan(between=-1)",
        "plan(between='0')",
        "plan(power=1)",
        "plan(alpha=0)",
        "plan(tests=0)",
        "plan(tests=10**9)",
        "plan(tests=10**9 + 1)",
        "plan(tests=1.5)",
        "plan(n_units=True)",
        "plan(n_units=0)",
        "plan(TABLE, n_units=12)",
        "plan(statistic='tau')",
    ),
}
