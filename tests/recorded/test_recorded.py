"""What every recorded call gives today, beside what it gave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.recorded.calls import CALLS
from tests.recorded.record import outcome

RECORDED = {topic: json.loads(Path(__file__).with_name(f"{topic}.json").read_text("utf-8"))
            for topic in CALLS}  # fmt: skip


def same(found: Any, known: Any) -> bool:
    """Whether two outcomes are one; numbers to nine digits, which other processors keep."""
    if isinstance(known, dict):
        return (
            isinstance(found, dict)
            and [*found] == [*known]
            and all(same(found[key], value) for key, value in known.items())
        )
    if isinstance(known, list):
        return len(found) == len(known) and all(map(same, found, known))
    if isinstance(known, float) and isinstance(found, float):
        return found == pytest.approx(known, rel=1e-9, abs=1e-12)  # type: ignore[no-any-return]
    return type(found) is type(known) and found == known


@pytest.mark.parametrize(
    ("topic", "call"), [(topic, call) for topic, calls in CALLS.items() for call in calls]
)
def test_results_are_as_recorded(topic: str, call: str) -> None:
    found, known = outcome(call), RECORDED[topic][call]
    assert same(found, known), f"{call}\nfound {found}\nrecorded {known}"


@pytest.mark.parametrize("topic", CALLS)
def test_nothing_else_is_recorded(topic: str) -> None:
    assert [*RECORDED[topic]] == [*CALLS[topic]]
