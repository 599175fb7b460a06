"""What becomes of cells in a run, from whatever engine makes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from metareval_backends.study.config import Study
from metareval_backends.study.plan import Block
from metareval_backends.study.store import Store


@dataclass(frozen=True)
class Event:
    """A cell that is done or failed.

    Parameters
    ----------
    cell : str
        Path of the cell.
    seconds : float
    failure : dict
        Why it failed; empty where it did not.
    """

    cell: str
    seconds: float = 0.0
    failure: dict[str, Any] = field(default_factory=dict)


class Engine(Protocol):
    """Makes all cells that are not there."""

    def __call__(
        self, study: Study, blocks: tuple[Block, ...], store: Store, *, workers: int | None
    ) -> Iterator[list[Event]]:
        """Yield what happened, as it happens, and nothing now and then."""
