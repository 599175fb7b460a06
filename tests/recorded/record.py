"""Record what each call gives: numbers, labels, text and error messages.

    python -m tests.recorded.record

A number that a paper quotes, a column that a script reads and a message that a user follows must
not change unnoticed. That the numbers are right is for the other tests to show: a change here asks
for a reason, and for a line in CHANGELOG.md where users see it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import metareval as mr
from metareval.errors import MetarevalError
from metareval.results import Result, plain
from tests.recorded import tables
from tests.recorded.calls import CALLS

HERE = Path(__file__).parent


def labels(found: Result) -> dict[str, Any]:
    """Return what names the parts of every field of a result, and of which type they are."""
    return {
        f.name: shape(pd.DataFrame(value))
        if isinstance(value := getattr(found, f.name), (pd.DataFrame, pd.Series))
        else type(value).__name__
        for f in fields(found)  # type: ignore[arg-type]
    }


NAMES: dict[str, Any] = {
    **{name: getattr(mr, name) for name in mr.__all__},
    **vars(tables),
    "labels": labels,
    "np": np,
    "pd": pd,
}


def outcome(call: str) -> Any:
    """Make a call, and return what it gives as JSON can hold it."""
    try:
        found = eval(call, dict(NAMES))
    except MetarevalError as exc:
        return f"{type(exc).__name__}: {exc}"
    if isinstance(found, Result):
        frame = found.to_frame()
        return {
            "text": repr(found).splitlines(),
            "fields": rounded(found.to_dict()),
            "frame": shape(frame),
        }
    if isinstance(found, (pd.DataFrame, pd.Series)):
        return {"values": rounded(plain(found)), "frame": shape(pd.DataFrame(found))}
    return rounded(plain(found))


def shape(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the labels and types of a frame."""
    return {
        "index": [str(name) for name in frame.index.names],
        "columns": [str(name) for name in frame.columns.names],
        # Texts are objects before pandas 3.
        "types": {
            str(name): str(kind).replace("str", "object") for name, kind in frame.dtypes.items()
        },
    }


def rounded(value: Any) -> Any:
    """Keep twelve digits of every number."""
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.12g}") if isinstance(value, float) else value


def main() -> None:
    """Write what every call gives."""
    for topic, calls in CALLS.items():
        found = {call: outcome(call) for call in calls}
        text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        (HERE / f"{topic}.json").write_text(text, encoding="utf-8")
        print(f"{topic}: {len(calls)}", file=sys.stderr)


if __name__ == "__main__":
    main()
