"""Runs and workers that are killed: whole cells are kept, nothing is made twice, the same table."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from metareval_backends.study import run_study, study_table
from tests.study_files import alive, at_work, micro, stamps, write

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills by signals of POSIX")

ROUNDS = 4


def _start(path: Path, out: Path) -> subprocess.Popen[bytes]:
    code = f"from metareval_backends.study import run_study; run_study({str(path)!r}, {str(out)!r})"
    # A shell's background job ignores the signal, and so would its children.
    code = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {code}"
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)


def _wait(condition: object, seconds: float = 60.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.002)


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path, micro(seeds=list(range(6))))
    run_study(str(path), tmp_path / "whole")
    study_table(str(path), tmp_path / "whole")
    out = tmp_path / "killed"
    rng = random.Random(5)
    kept: dict[str, tuple[int, int]] = {}
    for _ in range(ROUNDS):
        process = _start(path, out)
        before = len(stamps(out))
        more = rng.randrange(3)
        _wait(lambda: at_work(out) and len(stamps(out)) >= before + more)  # noqa: B023
        time.sleep(rng.random() * 0.1)
        workers = at_work(out)
        process.send_signal(signal.SIGKILL)
        process.wait()
        _wait(lambda: not any(map(alive, workers)), 10)  # noqa: B023
        now = stamps(out)
        assert {name: now[name] for name in kept} == kept
        kept = now
    assert len(kept) < 16, "it was done before it could be killed"
    done = run_study(str(path), out)
    assert done.stored == len(kept)
    assert done.failed == {}
    assert {name: stamps(out)[name] for name in kept} == kept
    assert not list(out.glob("cells/*/*/.*"))
    study_table(str(path), out)
    for name in ("table.csv", "table.json", "references.csv"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_an_interrupted_run_ends_its_workers(tmp_path: Path) -> None:
    path, out = write(tmp_path), tmp_path / "out"
    process = _start(path, out)
    _wait(lambda: at_work(out))
    workers = at_work(out)
    process.send_signal(signal.SIGINT)
    process.wait(20)
    assert process.returncode != 0
    assert not any(map(alive, workers))
    assert not list(out.glob("cells/*/*/.*"))


def killing(out: Path, times: int) -> threading.Thread:
    """Kill whoever makes a cell, some times."""

    def kill() -> None:
        killed: set[int] = set()
        end = time.monotonic() + 60
        while len(killed) < times and time.monotonic() < end:
            for pid in at_work(out):
                if pid not in killed and pid != os.getpid():
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
            time.sleep(0.002)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_a_killed_worker_costs_no_cell(tmp_path: Path) -> None:
    data = micro(seeds=[0])
    data["architecture"][0]["train"]["epochs"] = 20
    path = str(write(tmp_path, data))
    thread = killing(tmp_path / "out", 1)
    done = run_study(path, tmp_path / "out")
    thread.join()
    assert (done.made, done.failed) == (6, {})
    run_study(path, tmp_path / "calm")
    for out in ("out", "calm"):
        study_table(path, tmp_path / out)
    tables = [(tmp_path / out / "table.csv").read_bytes() for out in ("out", "calm")]
    assert tables[0] == tables[1]


def test_a_cell_that_kills_its_worker_fails(tmp_path: Path) -> None:
    data = micro(seeds=[0])
    data["architecture"][0]["train"]["epochs"] = 40
    path = str(write(tmp_path, data))
    thread = killing(tmp_path / "out", 2)
    done = run_study(path, tmp_path / "out")
    thread.join()
    assert "signal 9" in done.failed["vit/digits/base"]
    assert done.failed["vit/digits/ascent+weak+0"] == "it needs base, which failed"
    # The oracles need no base.
    assert done.made == 2
