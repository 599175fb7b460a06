"""Progress of long work, shown only where somebody asked to see it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO, TypeVar

T = TypeVar("T")

_stream: ContextVar[TextIO | None] = ContextVar("metareval_progress", default=None)

# Work shorter than this shows no bar.
PATIENCE_SECONDS = 1.0


@contextmanager
def show_progress(stream: TextIO | None = None) -> Iterator[None]:
    """Show the progress of long work inside the ``with`` block on a stream (standard error)."""
    token = _stream.set(stream if stream is not None else sys.stderr)
    try:
        yield
    finally:
        _stream.reset(token)


def stage(text: str) -> None:
    """Say which part of a long job begins."""
    stream = _stream.get()
    if stream is not None:
        stream.write(f"\r\x1b[K{text}\n" if stream.isatty() else f"{text}\n")
        stream.flush()


def track(parts: Iterable[T], *, total: int, label: str) -> Iterator[T]:
    """Yield the parts of a job, showing the share done after a second on a terminal."""
    stream = _stream.get()
    if stream is None or not stream.isatty():
        yield from parts
        return
    started = time.monotonic()
    done = 0
    shown = False
    for part in parts:
        yield part
        done += len(part) if hasattr(part, "__len__") else 1
        spent = time.monotonic() - started
        if spent > PATIENCE_SECONDS:
            share = min(done / max(total, 1), 1.0)
            left = spent / share - spent if share else 0.0
            stream.write(f"\r\x1b[K  {label}: {share:4.0%}, about {left:.0f} s left")
            stream.flush()
            shown = True
    if shown:
        stream.write("\r\x1b[K")
        stream.flush()
