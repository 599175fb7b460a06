"""A study of a few seconds, written where a test wants it."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

TINY = {"width": 16, "layers": 1, "image_size": 16, "patch_size": 8}
# Forty-odd real images of digits: what is learnt from them does not matter here.
DIGITS = {"limit": 60, "scale": 2, "forget_share": 0.3}

MICRO: dict[str, Any] = {
    "name": "micro",
    "seeds": [0, 1],
    "oracles": 2,
    "architecture": [
        {
            "name": "vit",
            "backend": "classifier",
            "tiny": TINY,
            "train": {"epochs": 2, "learning_rate": 3e-3, "batch_size": 16},
        }
    ],
    "benchmark": [{"name": "digits", "options": DIGITS}],
    "method": [
        {
            "name": "gradient_ascent",
            "label": "ascent",
            "schedule": {"epochs": 1, "batch_size": 8},
            "strengths": [
                {"label": "weak", "schedule": {"learning_rate": 1e-4}},
                {"label": "strong", "schedule": {"learning_rate": 1e-2}},
            ],
        }
    ],
    "measure": {"metrics": ["FA", "RA", "JS"], "distances": ["function", "weights"]},
}


def micro(**changes: Any) -> dict[str, Any]:
    """Return the data of the study, with other values for some keys."""
    return {**copy.deepcopy(MICRO), **changes}


def write(folder: Path, data: dict[str, Any] | None = None) -> Path:
    """Write a study as TOML."""
    path = folder / "study.toml"
    path.write_text(toml(data or MICRO), encoding="utf-8")
    return path


def toml(data: dict[str, Any]) -> str:
    """Return the data of a study as TOML."""
    return "".join(f"{key} = {_value(value)}\n" for key, value in data.items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def at_work(out: Path) -> list[int]:
    """Return the ids of the processes that are making a cell."""
    return [
        int(path.name.rsplit(".", 2)[-2].partition("-")[0])
        for path in out.glob("cells/*/*/.*.tmp")
        if path.is_dir()
    ]


def stamps(out: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of every cell that is there."""
    found = {}
    for path in out.glob("cells/*/*/*/cell.json"):
        state = path.stat()
        found[path.parent.relative_to(out).as_posix()] = (state.st_ino, state.st_mtime_ns)
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not collected yet does not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
