"""metareval: find out whether your evaluation metrics can be trusted."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from metareval.auditing import audit as audit
    from metareval.datasets import list_datasets as list_datasets
    from metareval.datasets import load_dataset as load_dataset
    from metareval.datasets import load_published as load_published
    from metareval.evaluation.run import evaluate as evaluate
    from metareval.importers.runs import import_runs as import_runs
    from metareval.leaderboards import leaderboard as leaderboard
    from metareval.load import read_table as read_table
    from metareval.questions.agreement import agreement as agreement
    from metareval.questions.clustering import cluster_metrics as cluster_metrics
    from metareval.questions.comparison import compare_metrics as compare_metrics
    from metareval.questions.modality import compare_agreement as compare_agreement
    from metareval.questions.perturbation import perturb as perturb
    from metareval.questions.planning import plan as plan
    from metareval.questions.reliability import reliability as reliability
    from metareval.questions.uqs import UQS as UQS
    from metareval.reporting import report as report
    from metareval.table import MetricTable as MetricTable

# Public names load on first use, so that `import metareval` stays fast.
_HOMES = {
    "MetricTable": "metareval.table",
    "audit": "metareval.auditing",
    "report": "metareval.reporting",
    "leaderboard": "metareval.leaderboards",
    "agreement": "metareval.questions.agreement",
    "cluster_metrics": "metareval.questions.clustering",
    "compare_agreement": "metareval.questions.modality",
    "compare_metrics": "metareval.questions.comparison",
    "perturb": "metareval.questions.perturbation",
    "plan": "metareval.questions.planning",
    "reliability": "metareval.questions.reliability",
    "UQS": "metareval.questions.uqs",
    "evaluate": "metareval.evaluation.run",
    "import_runs": "metareval.importers.runs",
    "list_datasets": "metareval.datasets",
    "load_published": "metareval.datasets",
    "load_dataset": "metareval.datasets",
    "read_table": "metareval.load",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'metareval' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
