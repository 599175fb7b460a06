"""Studies: train, unlearn, observe and measure a whole grid of models, from one file.

Nothing here imports torch before a model is trained, so that a table can be made anywhere.
"""

from __future__ import annotations

from metareval_backends.study.config import Study, read_study
from metareval_backends.study.run import StudyRun, run_study
from metareval_backends.study.status import StudyStatus, study_status
from metareval_backends.study.table import StudyTable, study_table

__all__ = [
    "Study",
    "StudyRun",
    "StudyStatus",
    "StudyTable",
    "read_study",
    "run_study",
    "study_status",
    "study_table",
]
