"""The engine that makes cells as Ray tasks, one GPU for each where there are GPUs."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any

from metareval.errors import MissingDependencyError
from metareval.results import printable, shorten
from metareval_backends.study.config import Study, study_of
from metareval_backends.study.events import Engine, Event
from metareval_backends.study.plan import Block, plan
from metareval_backends.study.store import Store
from metareval_backends.study.worker import (
    blocked,
    failure_of,
    missing_need,
    open_work,
    stop_error,
)

# A worker that is lost costs the cell it was at, which is made again.
RETRIES = 3
_TICK_SECONDS = 0.5

# The last block that this process worked on, so that its model is loaded once.
_last: dict[tuple[str, str, str], Any] = {}


def ray_engine() -> Engine:
    """Return the engine.

    Raises
    ------
    MissingDependencyError
        Ray is not installed.
    """
    try:
        _ray()
    except ImportError as error:
        raise MissingDependencyError(
            "The engine ray needs the package 'ray', which is not installed: "
            "pip install 'metareval[ray]'"
        ) from error
    return run_ray


def run_ray(
    study: Study, blocks: tuple[Block, ...], store: Store, *, workers: int | None
) -> Iterator[list[Event]]:
    """Make all cells that are not there, as Ray tasks.

    With the environment variable ``RAY_ADDRESS`` they run in that cluster, whose machines must
    see the folder of the study under the same path. Otherwise Ray is started here.

    Parameters
    ----------
    study : Study
    blocks : tuple of Block
    store : Store
    workers : int, optional
        Tasks at once, where Ray is started here; by default one for each core.
    """
    ray = _ray()
    ours = not ray.is_initialized()
    if ours:
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if "RAY_ADDRESS" not in os.environ:
            options |= {"address": "local", "num_cpus": workers, "include_dashboard": False}
        ray.init(**options)
    try:
        resources = ray.cluster_resources()
        gpus = resources.get("GPU", 0)
        tasks = _Tasks(study, store, gpus > 0)
        waiting = [b for b in blocks if not all(store.is_done(c) for c in b.cells)]
        # Few blocks at once, since a process keeps the model of the last one.
        slots = max(int(gpus or resources.get("CPU", 1)), 1)
        while waiting or tasks.pending:
            while waiting and tasks.active_blocks < slots:
                tasks.submit(waiting.pop(0))
            yield tasks.take()
    finally:
        if ours:
            ray.shutdown()


def _ray() -> Any:
    # An extra that need not be there, nor its types.
    return importlib.import_module("ray")


class _Tasks:
    """The tasks in flight."""

    def __init__(self, study: Study, store: Store, has_gpus: bool) -> None:
        ray = _ray()
        self.store, self.has_gpus = store, has_gpus
        self.setup = {
            "data": study.data,
            "source": study.source,
            "out": str(store.out.resolve()),
        }
        self.task = ray.remote(max_retries=RETRIES)(make_cell)
        self.pending: dict[Any, tuple[Block, str]] = {}

    @property
    def active_blocks(self) -> int:
        """Blocks of which a task is in flight."""
        return len({block.path for block, _ in self.pending.values()})

    def submit(self, block: Block) -> None:
        """Submit what is missing of a block; tasks wait for those they need."""
        architecture = block.architecture
        on_gpu = self.has_gpus and architecture.device != "cpu"
        # Small models are built on the CPU unless the file says otherwise.
        on_gpu = on_gpu and (architecture.tiny is None or architecture.device is not None)
        task = self.task.options(num_cpus=1, num_gpus=int(on_gpu))
        refs: dict[str, Any] = {}
        for cell in block.cells:
            if self.store.is_done(cell):
                continue
            needed = [refs[name] for name in cell.needs if name in refs]
            refs[cell.name] = task.remote(self.setup, block.path, cell.name, *needed)
            self.pending[refs[cell.name]] = (block, cell.path)

    def take(self) -> list[Event]:
        """Wait a moment for tasks, and return what became of them."""
        ray = _ray()
        ready, _ = ray.wait(list(self.pending), timeout=_TICK_SECONDS)
        events = []
        for ref in ready:
            _, cell = self.pending.pop(ref)
            try:
                result = ray.get(ref)
            # A worker that was lost too often, or a task that needed one.
            except ray.exceptions.RayError as error:
                why = shorten(printable(" ".join(str(error).split())), 300)
                failure = {"error": f"Ray: {why}", "kind": "", "stops": False, "details": ""}
                result = {"failure": failure}
            failure = result.get("failure", {})
            if failure and failure["stops"]:
                raise stop_error(failure)
            events.append(Event(cell, result.get("seconds", 0.0), failure))
        return events


def make_cell(
    setup: Mapping[str, Any], block_path: str, name: str, *_needed: Mapping[str, Any]
) -> dict[str, Any]:
    """Make one cell, in a process of Ray; return its seconds or its failure."""
    key = (str(setup["out"]), repr(setup["data"]), block_path)
    try:
        if key not in _last:
            # The model of the last block goes first, so that two need not fit.
            _last.clear()
            study = study_of(setup["data"], source=setup["source"])
            block = next(b for b in plan(study) if b.path == block_path)
            _last[key] = open_work(study, block, Store(setup["out"]))
        work = _last[key]
        cell = next(c for c in work.block.cells if c.name == name)
        if work.store.is_done(cell):
            # Its process was lost after the cell was there.
            return {"seconds": float(work.store.record(cell).get("seconds", 0.0))}
        lacking = missing_need(work.block, cell, work.store)
        if lacking:
            return {"failure": blocked(lacking)}
        return {"seconds": work.make(cell)["seconds"]}
    # A model or a method may fail in any way.
    except Exception as error:
        return {"failure": failure_of(error)}
