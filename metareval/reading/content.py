"""What a file of any format comes to: columns, and names of its rows for messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metareval.errors import LoadError
from metareval.reading.files import shown


@dataclass(frozen=True)
class Content:
    """Columns of a file (lists of values, or Series), how to name its rows, a hint for errors."""

    columns: dict[str, Any]
    rows: list[str] | None
    hint: str = ""
    empty_is_missing: bool = False


def refuse_repeats(names: Sequence[str], path: Path) -> None:
    """Refuse two columns of one name."""
    seen: dict[str, int] = {}
    for position, name in enumerate(names, start=1):
        if name in seen:
            raise LoadError(
                f"{shown(path)}: columns {seen[name]} and {position} are both named {name!r}; "
                "rename or remove one of them."
            )
        seen[name] = position
