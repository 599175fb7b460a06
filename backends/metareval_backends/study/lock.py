"""One run at a time in a folder; a killed run leaves it open."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metareval.errors import ArgumentError, OutputError
from metareval.results import printable, shorten

FILE = "run.lock"


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold the lock of a folder, which must exist.

    The system frees the lock when the process ends, however it ends.

    Raises
    ------
    ArgumentError
        Another run holds it; the message has its process id.
    """
    path = out / FILE
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(
            f"{printable(str(path))} could not be opened: {error.strerror}."
        ) from error
    try:
        if not _lock(descriptor):
            raise ArgumentError(
                f"Another run (process {_holder(descriptor)}) is working in "
                f"{printable(str(out))}. Wait until it is done or stop it, or choose another "
                "folder with --out."
            )
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
        yield
    finally:
        os.close(descriptor)


def holder(out: Path) -> str:
    """Return the process id of the run that works in a folder; empty where there is none."""
    try:
        descriptor = os.open(out / FILE, os.O_RDWR)
    except OSError:
        return ""
    try:
        return "" if _try_lock(descriptor) else _holder(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    # A look at the status holds the lock for a moment too.
    for _ in range(5):
        if _try_lock(descriptor):
            return True
        time.sleep(0.1)
    return False


def _holder(descriptor: int) -> str:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        text = os.read(descriptor, 32).decode("ascii", "replace")
    except OSError:
        text = ""
    return shorten(printable(text.strip()), 20) or "unknown"


if sys.platform == "win32":
    import msvcrt

    # Far behind the process id, so that others can read that.
    _PLACE = 1024

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, _PLACE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
