"""A process that makes the cells of blocks: it is told which on its input, and reports on output.

Both are lines of JSON. The process ends when its input does, so that none outlives the run.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from metareval.errors import MetarevalError, MissingDependencyError, OutputError, PluginError
from metareval.results import printable, shorten
from metareval_backends.study.config import study_of
from metareval_backends.study.plan import Block, Cell, plan
from metareval_backends.study.store import Store

Say = Callable[[dict[str, Any]], None]

# A full disk, or a package that is not there: the other cells would fail likewise.
STOP = (OutputError, PluginError, MissingDependencyError)
_STOP_KINDS = {each.__name__: each for each in STOP}


def main() -> None:
    """Serve until the input ends."""
    # An interrupt goes to the whole group of processes; the one that leads ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="ascii")
    # What packages print must not end between the reports.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(event: dict[str, Any]) -> None:
        out.write(json.dumps(event) + "\n")
        out.flush()

    orders: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    setup = orders.get()
    sys.path[:] = setup["sys_path"]
    study = study_of(setup["data"], source=setup["source"])
    store = Store(setup["out"])
    blocks = {block.path: block for block in plan(study)}
    while True:
        say({"event": "ready"})
        order = orders.get()
        with contextlib.suppress(_Stopped):
            _make_block(study, blocks[order["block"]], store, set(order["skip"]), say)


def _listen(orders: queue.Queue[dict[str, Any]]) -> None:
    for line in sys.stdin:
        orders.put(json.loads(line))
    os._exit(0)


class _Stopped(Exception):
    """The run cannot go on."""


def _make_block(study: Any, block: Block, store: Store, skip: set[str], say: Say) -> None:
    work: Any = None
    for cell in block.cells:
        if store.is_done(cell) or cell.path in skip:
            continue
        lacking = missing_need(block, cell, store)
        if lacking:
            say({"event": "failed", "cell": cell.path, **blocked(lacking)})
            continue
        say({"event": "start", "cell": cell.path})
        try:
            if work is None:
                work = open_work(study, block, store)
            record = work.make(cell)
        # A model or a method may fail in any way.
        except Exception as error:
            failure = failure_of(error)
            say({"event": "failed", "cell": cell.path, **failure})
            if failure["stops"]:
                raise _Stopped from error
        else:
            say({"event": "done", "cell": cell.path, "seconds": record["seconds"]})


def open_work(study: Any, block: Block, store: Store) -> Any:
    """Import what computes, and return the work of a block."""
    try:
        import torch

        from metareval_backends.study.block import BlockWork
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("metareval"):
            raise
        raise MissingDependencyError(
            f"A study trains models and needs the package {error.name!r}, which is not installed: "
            "pip install 'metareval[vlm]'"
        ) from error
    # One thread for each process: models are small, or on a GPU, and sums keep their order.
    torch.set_num_threads(1)
    return BlockWork(study, block, store)


def missing_need(block: Block, cell: Cell, store: Store) -> str:
    """Return a cell that another needs and that is not there; empty where there is none."""
    cells = {c.name: c for c in block.cells}
    return next((n for n in cell.needs if not store.is_done(cells[n])), "")


def blocked(lacking: str) -> dict[str, Any]:
    """Return the failure of a cell that needs another that failed."""
    return {"error": f"it needs {lacking}, which failed", "kind": "", "stops": False, "details": ""}


def failure_of(error: Exception) -> dict[str, Any]:
    """Return what is kept of an error."""
    known = isinstance(error, MetarevalError)
    text = printable(" ".join(str(error).split()))
    return {
        "error": shorten(text if known else f"{type(error).__name__}: {text}", 1000),
        "kind": type(error).__name__,
        "stops": isinstance(error, STOP),
        "details": "" if known else traceback.format_exc()[-4000:],
    }


def stop_error(failure: dict[str, Any]) -> MetarevalError:
    """Return the error of a failure that ends the run."""
    return _STOP_KINDS.get(str(failure["kind"]), OutputError)(str(failure["error"]))


if __name__ == "__main__":
    main()
