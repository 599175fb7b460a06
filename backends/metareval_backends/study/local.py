"""The local engine: one process for each architecture, which does its blocks one after another."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from metareval.errors import PluginError
from metareval.results import printable, shorten
from metareval_backends.study.config import Study
from metareval_backends.study.events import Event
from metareval_backends.study.plan import Block
from metareval_backends.study.store import Store
from metareval_backends.study.worker import stop_error

LOGS = "logs"
# A process that is killed costs the cell it was at a second try, and no more.
TRIES = 2
_TICK_SECONDS = 0.5
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

Report = tuple["_Process", dict[str, Any] | None]


def run_local(
    study: Study, blocks: tuple[Block, ...], store: Store, *, workers: int | None
) -> Iterator[list[Event]]:
    """Make all cells that are not there, in processes on this machine.

    Parameters
    ----------
    study : Study
    blocks : tuple of Block
    store : Store
    workers : int, optional
        Processes; by default one for each architecture, as far as there are cores.
    """
    waiting = [b for b in blocks if not all(store.is_done(c) for c in b.cells)]
    wanted = workers or len({b.architecture.name for b in waiting})
    reports: queue.Queue[Report] = queue.Queue()
    crew = _Crew(study, store, waiting, reports)
    try:
        for _ in range(min(wanted, len(waiting), workers or os.cpu_count() or 1)):
            crew.hire()
        while crew.processes:
            try:
                process, report = reports.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                yield []
                continue
            yield crew.take(process, report)
    finally:
        crew.dismiss()


class _Crew:
    """The processes of a run, and the blocks that nobody has taken yet."""

    def __init__(
        self, study: Study, store: Store, waiting: list[Block], reports: queue.Queue[Report]
    ) -> None:
        self.study, self.store, self.waiting, self.reports = study, store, waiting, reports
        self.processes: list[_Process] = []
        self.tried: Counter[str] = Counter()
        self.failed: set[str] = set()
        self.hired = 0

    def hire(self) -> None:
        """Start a process."""
        self.hired += 1
        log = self.store.out / LOGS / f"worker-{self.hired}.txt"
        self.store.prepare(log.parent)
        self.processes.append(_Process(self.study, self.store, log, self.reports))

    def take(self, process: _Process, report: dict[str, Any] | None) -> list[Event]:
        """Take a report of a process; None where it ended."""
        if report is None:
            return self._ended(process)
        kind = report["event"]
        if kind == "ready":
            block = self._next(process.block)
            if block is None:
                process.close()
            else:
                process.work(block, sorted(self.failed))
            return []
        process.cell = report["cell"] if kind == "start" else ""
        if kind == "done":
            return [Event(report["cell"], report["seconds"])]
        if kind != "failed":
            return []
        failure = {key: report[key] for key in ("error", "kind", "stops", "details")}
        if failure["stops"]:
            raise stop_error(failure)
        self.failed.add(report["cell"])
        return [Event(report["cell"], failure=failure)]

    def _ended(self, process: _Process) -> list[Event]:
        code = process.wait()
        self.processes.remove(process)
        if process.closed:
            return []
        events = []
        # Between two cells nobody is to blame.
        self.tried[process.cell] += 1
        if self.tried[process.cell] >= TRIES:
            why = f"its process ended with {_signal(code)}{process.last_words()}"
            if not process.cell:
                raise PluginError(f"A worker could not go on: {why}")
            failure = {"error": why, "kind": "", "stops": False, "details": ""}
            self.failed.add(process.cell)
            events = [Event(process.cell, failure=failure)]
        if process.block is not None:
            self.waiting.insert(0, process.block)
        self.hire()
        return events

    def _next(self, last: Block | None) -> Block | None:
        """Return a block of the same architecture, or of the one with most of them left."""
        if not self.waiting:
            return None
        names = [b.architecture.name for b in self.waiting]
        taken = {p.block.architecture.name for p in self.processes if p.block is not None}
        if last is not None and last.architecture.name in names:
            name = last.architecture.name
        else:
            free = [n for n in names if n not in taken] or names
            name = max(free, key=names.count)
        return self.waiting.pop(names.index(name))

    def dismiss(self) -> None:
        """End all processes, whatever they are at."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
        self.processes.clear()


class _Process:
    """One worker."""

    def __init__(self, study: Study, store: Store, log: Path, reports: queue.Queue[Report]) -> None:
        self.block: Block | None = None
        self.cell = ""
        self.closed = False
        self.log = log
        environment = {**os.environ, **dict.fromkeys(_ONE_THREAD, "1")}
        environment["TOKENIZERS_PARALLELISM"] = "false"
        # The worker is found where this module was, also where that is no installed package.
        environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
        with log.open("wb") as stream:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "metareval_backends.study.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                env=environment,
                encoding="ascii",
            )
        assert self._child.stdout is not None
        self._listener = threading.Thread(
            target=self._listen, args=(self._child.stdout, reports), daemon=True
        )
        self._listener.start()
        self._order(
            {
                "data": study.data,
                "source": study.source,
                "out": str(store.out.resolve()),
                "sys_path": sys.path,
            }
        )

    def _listen(self, stream: IO[str], reports: queue.Queue[Report]) -> None:
        with stream:
            for line in stream:
                # A process that is killed may end in the middle of a line.
                try:
                    reports.put((self, json.loads(line)))
                except ValueError:
                    break
        reports.put((self, None))

    def work(self, block: Block, skip: Sequence[str]) -> None:
        """Give the process a block."""
        self.block = block
        self._order({"block": block.path, "skip": skip})

    def _order(self, order: dict[str, Any]) -> None:
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(order) + "\n")
            self._child.stdin.flush()
        except OSError:
            # It has ended; its reader says so.
            return

    def close(self) -> None:
        """Let the process end."""
        self.closed = True
        self.block = None
        self._end_input()

    def kill(self) -> None:
        """End the process."""
        self._child.kill()

    def wait(self) -> int:
        """Return the exit code, once it has ended."""
        self._end_input()
        code = self._child.wait()
        self._listener.join()
        return code

    def _end_input(self) -> None:
        assert self._child.stdin is not None
        try:
            self._child.stdin.close()
        except OSError:
            return

    def last_words(self) -> str:
        """Return the last line of its log, for a message."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            return ""
        last = next((line for line in reversed(lines) if line.strip()), "")
        return f": {shorten(printable(last.strip()), 300)}" if last else ""


def _signal(code: int) -> str:
    return f"signal {-code} (killed, perhaps for want of memory)" if code < 0 else f"code {code}"
