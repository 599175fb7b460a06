"""Which checkpoints to evaluate, and what they are called in the table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metareval.errors import ArgumentError
from metareval.evaluation.listing import CHECKPOINT, is_listing, read_listing
from metareval.results import printable, shorten


@dataclass(frozen=True)
class CheckpointSpec:
    """A checkpoint with labels that go into the table beside it.

    Parameters
    ----------
    checkpoint : str or path
        A local folder or a hub id, as the backend takes it.
    labels : mapping of str to str
        One column each, for example ``{"method": "GA", "seed": "1"}``.

    Raises
    ------
    ArgumentError
        The checkpoint has no name on one line, or a label is not a text.

    Examples
    --------
    >>> CheckpointSpec("runs/ga-1", {"method": "GA", "seed": "1"}).labels["method"]
    'GA'
    """

    checkpoint: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        name: object = self.checkpoint
        if isinstance(name, os.PathLike):
            name = os.fspath(name)
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise ArgumentError(
                f"The checkpoint {_brief(name)} is not a name: expected a local folder or a hub "
                "id, as text that can be printed on one line."
            )
        object.__setattr__(self, "checkpoint", name)
        if not isinstance(self.labels, Mapping):
            raise ArgumentError(
                f"The labels of {_brief(name)} are a {type(self.labels).__name__}; expected a "
                "mapping such as {'method': 'GA', 'seed': '1'}."
            )
        for label, value in self.labels.items():
            if not isinstance(label, str) or not label.strip() or label == CHECKPOINT:
                raise ArgumentError(
                    f"{_brief(label)} cannot be a label of {_brief(name)}: expected a text that is "
                    f"neither empty nor {CHECKPOINT!r}, which is the column of the names."
                )
            if not isinstance(value, str) or not value.strip():
                raise ArgumentError(
                    f"The label {_brief(label)} of {_brief(name)} is {_brief(value)}; expected a "
                    "text that is not empty. Write numbers with str()."
                )
        object.__setattr__(self, "labels", dict(self.labels))


def checkpoint_specs(given: Any) -> tuple[CheckpointSpec, ...]:
    """Return what was given as ``checkpoints=``: all with the same labels, none twice.

    Raises
    ------
    ArgumentError
        Nothing is given, a checkpoint comes twice, or one lacks a label that others have.
    LoadError
        A file of checkpoints cannot be read.
    """
    if isinstance(given, (str, os.PathLike)):
        if not is_listing(given):
            raise ArgumentError(
                f"checkpoints={_brief(given)}: give a list, as in [{_brief(given)}], or the path "
                "of a CSV, TSV, JSON or JSON lines file with a column 'checkpoint'."
            )
        rows = read_listing(Path(given))
        specs = [CheckpointSpec(name, labels) for name, labels in rows]
    else:
        specs = _listed(given, "checkpoints")
    _refuse_repeats(specs, "checkpoints")
    _refuse_gaps(specs)
    return tuple(specs)


def oracle_names(given: Any) -> tuple[str, ...]:
    """Return the names of what was given as ``oracle=``, one or several."""
    one = isinstance(given, (str, os.PathLike, CheckpointSpec))
    specs = _listed([given] if one else given, "oracle")
    _refuse_repeats(specs, "oracle")
    return tuple(spec.checkpoint for spec in specs)


def place(name: str) -> str:
    """Return what tells a checkpoint from others, however its path is written."""
    try:
        return os.path.realpath(name) if Path(name).exists() else name
    except (OSError, ValueError):
        return name


def _listed(given: Any, argument: str) -> list[CheckpointSpec]:
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise ArgumentError(
            f"{argument}= got a {type(given).__name__}; expected names of checkpoints, or "
            "CheckpointSpec(name, labels)."
        )
    specs = [each if isinstance(each, CheckpointSpec) else CheckpointSpec(each) for each in given]
    if not specs:
        raise ArgumentError(f"{argument}= names no checkpoint; expected at least one.")
    return specs


def _refuse_repeats(specs: Iterable[CheckpointSpec], argument: str) -> None:
    seen: set[str] = set()
    for spec in specs:
        where = place(spec.checkpoint)
        if where in seen:
            raise ArgumentError(
                f"{argument}= names {shown_name(spec.checkpoint)} twice: one model would count as "
                "two. Name each checkpoint once."
            )
        seen.add(where)


def _refuse_gaps(specs: list[CheckpointSpec]) -> None:
    labels = list(dict.fromkeys(label for spec in specs for label in spec.labels))
    for spec in specs:
        for label in labels:
            if label not in spec.labels:
                raise ArgumentError(
                    f"The checkpoint {shown_name(spec.checkpoint)} has no label {_brief(label)}, "
                    "which others have. Give every checkpoint the same labels."
                )


def shown_name(name: str) -> str:
    """Quote the name of a checkpoint for a message, its end if it is long.

    The end of a path says more than its beginning.

    Examples
    --------
    >>> shown_name("runs/npo-1")
    "'runs/npo-1'"
    """
    shown = printable(name)
    return repr(shown if len(shown) <= 80 else f"\N{HORIZONTAL ELLIPSIS}{shown[-79:]}")


def _brief(value: object) -> str:
    return shorten(repr(value), 80)
