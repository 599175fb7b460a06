"""How results are laid out as text."""

from __future__ import annotations

import pandas as pd

from metareval.results import display_width, frame_text, shorten_name


def test_labels_of_half_the_width_stay_whole() -> None:
    label = "unifiedunl - unifiedunl-unimodal-long-nm"
    assert len(label) == 40
    frame = pd.DataFrame({"a": [0.5], "b": [0.25]}, index=[label])
    assert frame_text(frame).splitlines()[1].startswith(f"{label}  0.500")
    shown = frame_text(frame.rename(index={label: label + "x"})).splitlines()[1]
    assert shown.startswith(label[:20] + "…" + label[-18:] + "x  0.500")


def test_wide_characters_do_not_shift_columns() -> None:
    frame = pd.DataFrame({"score": [0.5, 0.25, 0.125], "note": ["梯", "x", ""]})
    frame.index = pd.Index(["梯度上升" * 20, "nai\u0308ve", "plain"], name="item")
    head, *lines = frame_text(frame).splitlines()
    end = head.index("score") + len("score")
    for line, score in zip(lines, ("0.500", "0.250", "0.125"), strict=True):
        assert display_width(line[: line.index(score)] + score) == end
    assert max(map(display_width, lines)) <= 80
    assert lines[0].startswith("梯度上升梯度上升梯度…升梯度上升梯度上升")


def test_long_names_that_end_otherwise_are_told_apart() -> None:
    names = [f"accuracy on the forget split of the benchmark, {x}" for x in ("faces", "badges")]
    frame = pd.DataFrame({"score": [0.5, 0.25]}, index=names)
    first, second = frame_text(frame).splitlines()[1:]
    assert "benchmark, faces  0.500" in first
    assert "benchmark, badges  0.250" in second
    assert [shorten_name("abcdefghij", width) for width in (10, 9, 4, 3, 2, 1)] == [
        "abcdefghij",
        "abcd…ghij",
        "ab…j",
        "a…j",
        "a…",
        "a…",
    ]
