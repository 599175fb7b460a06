"""Batches of samples of like length, made smaller where they do not fit into memory."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from metareval.errors import ArgumentError, MetarevalError
from metareval.progress import track

T = TypeVar("T")
R = TypeVar("R")

# First try where nobody chose a size; halved until a batch fits.
FIRST_SIZE = 32


def in_batches(
    work: Callable[[list[T]], Sequence[R]],
    items: Sequence[T],
    *,
    length: Callable[[T], int],
    batch_size: int | None,
    label: str,
) -> list[R]:
    """Do the work batch by batch and return one result for each item, in the items' order.

    Items of like length go together, the longest first, so that padding is little and a batch
    that is too large fails at once.

    Parameters
    ----------
    work : callable
        Takes a list of items and returns one result for each.
    items : sequence
    length : callable
        The length of an item in tokens.
    batch_size : int, optional
        Items in one batch. Where None, half as many are tried each time memory runs out.
    label : str
        What is done, for the progress bar.

    Raises
    ------
    ArgumentError
        ``batch_size`` is not a positive integer.
    OutOfMemory
        A batch does not fit: of the size asked for, or of a single item.
    """
    whole = isinstance(batch_size, numbers.Integral) and not isinstance(batch_size, bool)
    if batch_size is not None and (not whole or batch_size < 1):
        raise ArgumentError(f"batch_size={batch_size!r}: expected a positive whole number.")
    order = sorted(range(len(items)), key=lambda i: -length(items[i]))
    results: dict[int, R] = {}

    def batches() -> Iterator[list[int]]:
        size, start = batch_size or FIRST_SIZE, 0
        while start < len(order):
            chosen = order[start : start + size]
            try:
                done = work([items[i] for i in chosen])
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not _out_of_memory(error):
                    raise
                if batch_size is not None or len(chosen) == 1:
                    raise OutOfMemory(_too_large(len(chosen))) from error
                size = len(chosen) // 2
                done = None
            # Outside the except clause, whose traceback keeps the failed batch alive.
            if done is None:
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                continue
            results.update(zip(chosen, done, strict=True))
            start += len(chosen)
            yield chosen

    for _ in track(batches(), total=len(items), label=label):
        pass
    return [results[i] for i in range(len(items))]


class OutOfMemory(MetarevalError, MemoryError):
    """A batch that does not fit into memory."""


def _too_large(size: int) -> str:
    advice = (
        "Pass a smaller batch_size, or none to have it chosen."
        if size > 1
        else "Load the model with dtype='bfloat16', with device_map='auto', or on a device with "
        "more memory."
    )
    return f"A batch of {size} sample{'s' * (size > 1)} is too large. {advice}"


def _out_of_memory(error: Exception) -> bool:
    # On a CPU the allocator raises a plain RuntimeError.
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)
