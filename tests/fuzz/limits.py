"""Read hostile files, each in a process of its own, and print what each took as JSON lines.

python -m tests.fuzz.limits FOLDER [CASE ...]
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

import metareval as mr
from metareval.errors import MetarevalError
from metareval.evaluation.specs import checkpoint_specs
from metareval.observations import Observations

MB = 10**6
GB = 1000 * MB


def _repeat(path: Path, start: bytes, piece: bytes, size: int, end: bytes = b"") -> Path:
    with path.open("wb") as stream:
        stream.write(start)
        many = MB // len(piece)
        for _ in range(max(size // (many * len(piece)), 1)):
            stream.write(piece * many)
        stream.write(end)
    return path


def _sparse(path: Path, start: bytes, size: int) -> Path:
    with path.open("wb") as stream:
        stream.write(start)
        stream.truncate(size)
    return path


def _columns(many: int) -> list[str]:
    return [f"c{i}" for i in range(many)]


def _wide_csv(path: Path, many: int) -> Path:
    path.write_text(",".join(_columns(many)) + "\n" + ",".join(["1"] * many) + "\n")
    return path


def _bomb(path: Path, rows: int, text: str) -> Path:
    """A column of one long text: kilobytes on disk, gigabytes as one object for each row."""
    import pyarrow
    import pyarrow.parquet

    codes = pyarrow.array(np.zeros(rows, dtype=np.int32))
    column = pyarrow.DictionaryArray.from_arrays(codes, pyarrow.array([text]))
    table = pyarrow.table({"FA": np.zeros(rows), "m": column})
    # Without the schema of Arrow, the column is one of plain texts to whoever reads it.
    pyarrow.parquet.write_table(table, path, compression="zstd", store_schema=False)
    return path


def _zeros(path: Path, rows: int) -> Path:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({c: np.zeros(rows) for c in ("FA", "RA", "AD")})
    pyarrow.parquet.write_table(table, path, compression="zstd")
    return path


def _table(path: Path) -> object:
    return mr.read_table(path)


def _frame_of_columns(_: Path) -> object:
    many = 20_000
    frame = pd.DataFrame(np.ones((2, many), dtype=np.int64), columns=_columns(many))
    return mr.MetricTable.from_frame(frame, directions=dict.fromkeys(_columns(many), "higher"))


def _unknown_column(_: Path) -> object:
    many = 50_000
    frame = pd.DataFrame(np.ones((1, many)), columns=_columns(many))
    return mr.MetricTable.from_frame(frame, item="c")


def _runs(path: Path) -> object:
    folder = path.with_suffix(".d")
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.json").write_text(
            json.dumps({f"k{i}-{j}": 0.5 for j in range(40_000)} | {"FA": 0.5})
        )
    return mr.import_runs(folder, block=None, item=None, replicate=None, oracle=None)


def _observations(path: Path) -> Path:
    """Sound observations, with zeros behind them that belong to no array."""
    Observations("test", ["s1"], ["x"], ["y"]).save(path)
    os.truncate(path, GB)
    return path


Make, Read = Callable[[Path], object], Callable[[Path], object]
# The name of the file, how it is made, and how it is read.
CASES: Mapping[str, tuple[str, Make, Read]] = {
    "1 GB of zeros as CSV": ("a.csv", lambda p: _sparse(p, b"FA,", GB), _table),
    "1 GB of zeros as JSON": ("a.json", lambda p: _sparse(p, b'[{"FA":', GB), _table),
    "1 GB of zeros as JSON lines": ("a.jsonl", lambda p: _sparse(p, b'{"FA":', GB), _table),
    "1 GB of zeros as Parquet": ("a.parquet", lambda p: _sparse(p, b"PAR1", GB), _table),
    "1 GB of zeros as observations": (
        "a.safetensors",
        _observations,
        lambda p: Observations.load(p, max_bytes=None),
    ),
    "1 GB of zeros as a list": (
        "a.csv",
        lambda p: _sparse(p, b"checkpoint\n", GB),
        lambda p: checkpoint_specs(p),
    ),
    "a long line as CSV": ("a.csv", lambda p: _repeat(p, b"FA\n", b"9", 40 * MB), _table),
    "a long line of fields": ("a.csv", lambda p: _repeat(p, b"FA", b",1", 50 * MB), _table),
    "a long line as JSON": (
        "a.json",
        lambda p: _repeat(p, b'[{"FA":"', b"9", 40 * MB, b'"}]'),
        _table,
    ),
    "a long number": ("a.json", lambda p: _repeat(p, b'[{"FA":0.', b"3", 20 * MB, b"}]"), _table),
    "a long key": ("a.json", lambda p: _repeat(p, b'[{"', b"k", 20 * MB, b'":1}]'), _table),
    "objects without end": ("a.json", lambda p: _repeat(p, b"[{}", b",{}", 90 * MB, b"]"), _table),
    "lines without end": ("a.csv", lambda p: _repeat(p, b"FA,RA\n1,2", b"\n", 45 * MB), _table),
    "objects in lines": ("a.jsonl", lambda p: _repeat(p, b'{"FA":1}', b"\n{}", 90 * MB), _table),
    "a million columns as CSV": ("a.csv", lambda p: _wide_csv(p, MB), _table),
    "a million columns as JSON": (
        "a.json",
        lambda p: p.write_text(json.dumps([dict.fromkeys(_columns(MB), 1)])),
        _table,
    ),
    "deep lists": ("a.json", lambda p: _repeat(p, b"", b"[", 20 * MB), _table),
    "deep objects": ("a.json", lambda p: _repeat(p, b"", b'{"a":', 20 * MB), _table),
    "a Parquet text in many rows": ("a.parquet", lambda p: _bomb(p, 500_000, "x" * 20_000), _table),
    "a Parquet table of zeros": ("a.parquet", lambda p: _zeros(p, 8 * MB), _table),
    "many columns in a frame": ("none", lambda _: None, _frame_of_columns),
    "a wrong name among many": ("none", lambda _: None, _unknown_column),
    "runs without a common key": ("none", lambda _: None, _runs),
}
# The most that is read, and takes too long for the test suite.
SLOW: Mapping[str, tuple[str, Make, Read]] = {
    "the longest line as CSV": ("a.csv", lambda p: _repeat(p, b"FA\n", b"9", 530 * MB), _table),
    "the longest text": (
        "a.json",
        lambda p: _repeat(p, b'[{"m":"', b"9", 530 * MB, b'"}]'),
        _table,
    ),
    "the longest text, not ASCII": (
        "a.json",
        lambda p: _repeat(p, '[{"m":"😀'.encode(), b"9", 530 * MB, b'"}]'),
        _table,
    ),
    "the most objects": ("a.json", lambda p: _repeat(p, b"[{}", b",{}", 28 * MB, b"]"), _table),
    "the most lines": ("a.jsonl", lambda p: _repeat(p, b'{"FA":1}', b"\n{}", 38 * MB), _table),
    "the most cells": ("a.csv", lambda p: _repeat(p, b"FA,RA\n", b"1,2\n", 39 * MB), _table),
    "the most columns": ("a.csv", lambda p: _wide_csv(p, 100_000), _table),
}


def measure(name: str, folder: Path) -> dict[str, object]:
    """Run a case in a child process, and return what it took."""
    file, make, read = {**CASES, **SLOW}[name]
    path = folder / file
    made = os.fork()
    if not made:
        make(path)
        os._exit(0)
    os.waitpid(made, 0)
    size = path.stat().st_size / MB if path.exists() else 0.0
    ours, theirs = os.pipe()
    start = time.monotonic()
    child = os.fork()
    if not child:
        os.close(ours)
        try:
            outcome = f"read: {read(path)!r}"
        except MetarevalError as exc:
            outcome = f"refused: {exc}"
        except BaseException:
            outcome = f"CRASHED: {traceback.format_exc()}"
        os.write(theirs, " ".join(outcome.split())[:300].encode())
        os._exit(0)
    os.close(theirs)
    outcome = os.read(ours, 10_000).decode()
    os.close(ours)
    _, status, used = os.wait4(child, 0)
    seconds = time.monotonic() - start
    path.unlink(missing_ok=True)
    return {
        "case": name,
        "file_mb": round(size),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "memory_mb": round(used.ru_maxrss / 1024),
        "status": status,
        "outcome": outcome.replace(str(folder), ""),
    }


def main(arguments: list[str]) -> None:
    """Measure the cases that are named, or all."""
    for name in arguments[1:] or [*CASES, *SLOW]:
        print(json.dumps(measure(name, Path(arguments[0]))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
