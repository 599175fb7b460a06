from __future__ import annotations

import csv
import errno
import io
import os
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from metareval.errors import ArgumentError, OutputError
from metareval.files import csv_safe, safe_child, write_atomic


def test_write_atomic_writes_text_and_bytes(tmp_path: Path) -> None:
    assert write_atomic(tmp_path / "a.txt", "é\r\n").read_bytes() == "é\r\n".encode()
    assert write_atomic(tmp_path / "a.txt", b"\x00").read_bytes() == b"\x00"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_write_atomic_respects_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        mode = write_atomic(tmp_path / "a.txt", "x").stat().st_mode
    finally:
        os.umask(before)
    assert stat.S_IMODE(mode) == 0o640


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EROFS, "can be written to"),
        (errno.EACCES, "you may write to"),
    ],
)
def test_write_atomic_failure_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, text: str
) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=text) as caught:
        write_atomic(target, "new")
    assert str(target) in str(caught.value)
    assert os.strerror(number) in str(caught.value)
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_write_atomic_cleans_up_when_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "a.txt", "new")
    assert list(tmp_path.iterdir()) == []


def test_write_atomic_names_the_reason(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Create the folder first"):
        write_atomic(tmp_path / "missing" / "a.txt", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="could not be written"):
        write_atomic(tmp_path / "folder", "x")
    with pytest.raises(OutputError, match="could not be written"):
        write_atomic(tmp_path / ("n" * 5000), "x")
    with pytest.raises(OutputError, match="null"):
        write_atomic(tmp_path / "a\0b", "x")
    with pytest.raises(OutputError, match=r"'\\ud800', half of a character"):
        write_atomic(tmp_path / "a.txt", "x\ud800")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_write_atomic_replaces_a_link_without_following_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("keep")
    link = tmp_path / "link.txt"
    link.symlink_to(outside)
    write_atomic(link, "new")
    assert outside.read_text() == "keep"
    assert not link.is_symlink()


@pytest.mark.parametrize("name", ["a.csv", "tables/a.csv", "<script>.csv", "..a", "ünï 😀.csv"])
def test_safe_child_accepts_names_inside(tmp_path: Path, name: str) -> None:
    assert safe_child(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../a", "a/../../b", "/etc/passwd", "a\\..\\b", "C:x", "a\nb", "a\0b", "a/.."],
)
def test_safe_child_refuses_names_that_leave(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArgumentError, match="would not stay in"):
        safe_child(tmp_path, name)


def test_safe_child_refuses_a_link_that_leaves(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path)
    with pytest.raises(ArgumentError, match="link that leaves"):
        safe_child(tmp_path / "in", "link/a.txt")


HOSTILE = ["=cmd()", "+1", "-1", "@x", "\tx", "\rx", "\nx", "＝1"]  # noqa: RUF001


def test_csv_safe_quotes_formulas_everywhere() -> None:
    frame = pd.DataFrame({"=head": HOSTILE, "ok": "plain"}, index=pd.Index(HOSTILE, name="@index"))
    rows = list(csv.reader(io.StringIO(csv_safe(frame), newline="")))
    assert rows[0] == ["'@index", "'=head", "ok"]
    for text, row in zip(HOSTILE, rows[1:], strict=True):
        assert row == ["'" + text, "'" + text, "plain"]


def test_csv_safe_leaves_numbers_and_plain_text() -> None:
    frame = pd.DataFrame(
        {
            "x": [-1.5, np.nan, -np.inf],
            "n": [-1, 0, 1],
            "mixed": pd.Series([-0.1, "a=b", None], dtype=object),
        }
    )
    assert csv_safe(frame, index=False) == "x,n,mixed\n-1.5,-1,-0.1\n,0,a=b\n-inf,1,\n"


def test_csv_safe_takes_any_shape_of_axis() -> None:
    index = pd.MultiIndex.from_tuples([("=a", 1), ("b", -2)], names=["-k", "n"])
    frame = pd.DataFrame([[1, 2], [3, 4]], index=index, columns=["x", "x"])
    assert csv_safe(frame) == "'-k,n,x,x\n'=a,1,1,2\nb,-2,3,4\n"
    columns = pd.MultiIndex.from_tuples([("=a", "b")])
    assert csv_safe(pd.DataFrame([[None]], columns=columns), index=False) == '\'=a / b\n""\n'
    category = pd.DataFrame({"c": pd.Categorical(["=a", "b"])})
    assert csv_safe(category, index=False) == "c\n'=a\nb\n"
    assert csv_safe(pd.DataFrame({"a": []}), index=False) == "a\n"


def test_csv_safe_floats_read_back_exactly() -> None:
    values = np.random.default_rng(0).standard_normal(50) * 10.0 ** np.arange(-25, 25)
    text = csv_safe(pd.DataFrame({"x": values}), index=False)
    assert [float(v) for v in text.split()[1:]] == values.tolist()
