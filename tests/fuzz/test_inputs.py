"""Damaged and arbitrary files: only errors that are raised on purpose come out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.seeds import damaged, seeds
from tests.fuzz.targets import TARGETS, accepted

CORPUS = Path(__file__).parent / "corpus"
FILES = sorted(p for p in CORPUS.glob("*/*") if p.is_file())


@pytest.mark.parametrize("target", TARGETS)
@given(data=st.data())
def test_damaged_files(target: str, data: st.DataObject) -> None:
    TARGETS[target](data.draw(damaged(target)))


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=10)
@given(data=st.binary(max_size=200))
def test_arbitrary_bytes(target: str, data: bytes) -> None:
    TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_sound_files(target: str) -> None:
    for data in seeds()[target]:
        before = accepted["files"]
        TARGETS[target](data)
        assert accepted["files"] > before or b"evaluate" in data or b"leaderboard" in data, data


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_files_of_the_corpus(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())
