"""What is fuzzed: each target takes bytes, and may raise only what metareval raises on purpose."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import metareval as mr
from metareval.errors import MetarevalError
from metareval.evaluation.specs import checkpoint_specs
from metareval.importers.runs import import_runs
from metareval.leaderboards.entries import check_entries, read_entry
from metareval.observations import Observations
from metareval_backends.folder import find_checkpoint
from metareval_backends.study.config import Study, read_study, study_of
from metareval_backends.study.plan import Cell, plan
from metareval_backends.study.status import study_status
from metareval_backends.study.store import Store
from metareval_backends.weights import delta_weights, iterate, tensor_names
from metareval_benchmarks.images import decode
from metareval_benchmarks.records import read_records
from tests.study_files import MICRO

ROLES: Mapping[str, Any] = {
    "oracle": "distance",
    "block": "dataset",
    "item": "method",
    "replicate": "seed",
}
# Between the files of a folder, for `runs`.
CUT = b"\n---8<---\n"
_KEY = "metareval_observations"


# How often something was read to its end; a fuzzer that is always refused finds nothing.
accepted: Counter[str] = Counter()


@contextlib.contextmanager
def on_purpose() -> Iterator[None]:
    """Let pass what metareval raises on purpose, where its message is one for people."""
    try:
        yield
        accepted["files"] += 1
    except MetarevalError as exc:
        text = str(exc)
        assert text, "an error without a message"
        assert len(text) < 100_000, "a message without end"


@contextlib.contextmanager
def a_file(data: bytes, name: str) -> Iterator[Path]:
    """Yield the path of a file with these bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        yield path


def show(table: mr.MetricTable) -> None:
    """Show a table in every way: what could be read can be shown, saved and read back."""
    assert len(table) > 0
    assert table.values.dtype == np.float64
    assert repr(table).replace("\n", "").isprintable()
    table._repr_html_()
    json.dumps(table.to_dict(), allow_nan=False)


def table(data: bytes, suffix: str) -> None:
    """Read a table with roles, with some, and without."""
    with a_file(data, f"t.{suffix}") as path:
        for roles in (ROLES, {"item": "method", "metrics": ["FA"]}, {}):
            with on_purpose():
                read = mr.read_table(path, **roles)
                show(read)
                saved = read.save(path.with_name("saved.json"))
                again = mr.read_table(saved)
                assert (
                    again.values.tobytes() == read.values.tobytes() or np.isnan(read.values).any()
                )


def runs(data: bytes) -> None:
    """Import a folder of runs."""
    with tempfile.TemporaryDirectory() as folder:
        for number, part in enumerate(data.split(CUT)[:8]):
            Path(folder, f"{number}.json").write_bytes(part)
        for options in ({}, {"metrics": ["FA"], "oracle": None}, {"fill": {"seed": "1"}}):
            with on_purpose():
                done = import_runs(folder, **options)  # type: ignore[arg-type]
                assert len(done.used) + len(done.skipped) == len(data.split(CUT)[:8])
                show(done.table)
                repr(done)


def observations(data: bytes) -> None:
    """Read observations, as they are and with the metadata sealed anew."""
    for content in (data, sealed(data)):
        with a_file(content, "a.safetensors") as path, on_purpose():
            seen = Observations.load(path)
            repr(seen)
            assert Observations.load(seen.save(path)) == seen


def sealed(data: bytes) -> bytes:
    """Give changed metadata the hashes they should have, so that more than those is looked at."""
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        record = json.loads(header["__metadata__"][_KEY])
        rest = {key: value for key, value in record.items() if key != "seal"}
        text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        seal = hashlib.sha256(text.encode("ascii")).hexdigest()
        header["__metadata__"][_KEY] = json.dumps({**rest, "seal": seal})
        head = json.dumps(header).encode()
        return len(head).to_bytes(8, "little") + head + data[8 + length :]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return data


def listing(data: bytes, suffix: str) -> None:
    """Read a list of checkpoints."""
    with a_file(data, f"c.{suffix}") as path, on_purpose():
        assert checkpoint_specs(path)


def entry(data: bytes) -> None:
    """Read an entry of a leaderboard, and check it against a table."""
    with a_file(data, "e.json") as path:
        with on_purpose():
            read_entry(path)
        with on_purpose():
            repr(check_entries([path], [mr.load_dataset("unifiedunl")]))


def study(data: bytes) -> None:
    """Read a study, and list its cells."""
    with a_file(data, "s.toml") as path, on_purpose():
        assert plan(read_study(str(path)))


@cache
def _micro() -> tuple[Study, Cell]:
    known = study_of(MICRO, source="study.toml")
    return known, plan(known)[0].cells[0]


def cell(data: bytes) -> None:
    """Look at a study whose first cell, or the error of it, holds these bytes."""
    known, first = _micro()
    for done in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            store = Store(folder)
            store.folder(first).mkdir(parents=True)
            path = store.folder(first) / "cell.json" if done else store.error_file(first)
            path.write_bytes(data)
            with on_purpose():
                found = study_status(known, folder)
                repr(found)
                json.dumps(found.to_dict(), allow_nan=False)


def checkpoint(data: bytes) -> None:
    """Look at a checkpoint: a configuration and weights, as a full model and as an adapter."""
    config, _, weights = data.partition(CUT)
    names = (
        ("config.json", "model.safetensors"),
        ("adapter_config.json", "adapter_model.safetensors"),
    )
    for settings, tensors in names:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, settings).write_bytes(config)
            Path(folder, tensors).write_bytes(weights)
            with on_purpose():
                found = find_checkpoint(folder)
                assert len(tensor_names(found)) == sum(1 for _ in iterate(found))
            with on_purpose():
                for delta in delta_weights(find_checkpoint(folder)):
                    repr(delta)


def records(data: bytes, suffix: str) -> None:
    """Read the rows of a benchmark's file."""
    with a_file(data, f"r.{suffix}") as path, on_purpose():
        assert [*read_records(path, ("question", "answer"), optional=("image",))]


def picture(data: bytes) -> None:
    """Decode a picture."""
    with on_purpose():
        assert decode(data, "p.png").mode == "RGB"


def command(data: bytes) -> None:
    """Run a command line, its words cut at line ends; {file} is the rest of the data as a CSV."""
    from metareval.cli import main

    head, _, rest = data.partition(CUT)
    words = head.decode("utf-8", "surrogateescape").split("\n")
    with a_file(rest, "t.csv") as path:
        arguments = [w.replace("{file}", str(path)) for w in words]
        out, err = io.StringIO(), io.StringIO()
        redirected = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
        # What a command writes without being told where stays in the folder, too.
        with redirected[0], redirected[1], contextlib.chdir(path.parent):
            try:
                code = main(arguments)
            except SystemExit as exc:  # as argparse ends
                code = exc.code  # type: ignore[assignment]
        assert code in (0, 1, 2), code
        accepted["files"] += code == 0
        assert code != 2 or err.getvalue() or out.getvalue(), "refused without a word"


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "csv": lambda data: table(data, "csv"),
    "tsv": lambda data: table(data, "tsv"),
    "json": lambda data: table(data, "json"),
    "jsonl": lambda data: table(data, "jsonl"),
    "parquet": lambda data: table(data, "parquet"),
    "runs": runs,
    "observations": observations,
    "listing-csv": lambda data: listing(data, "csv"),
    "listing-json": lambda data: listing(data, "json"),
    "listing-jsonl": lambda data: listing(data, "jsonl"),
    "entry": entry,
    "study": study,
    "cell": cell,
    "checkpoint": checkpoint,
    "records-json": lambda data: records(data, "json"),
    "records-jsonl": lambda data: records(data, "jsonl"),
    "records-parquet": lambda data: records(data, "parquet"),
    "picture": picture,
    "command": command,
}
