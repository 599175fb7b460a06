"""Studies that come with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from metareval.errors import LoadError, unknown_name
from metareval.reading.files import read_text, shown

_MOST_BYTES = 2**20
_SUFFIX = ".toml"


def names() -> list[str]:
    """Return the names of the presets.

    Examples
    --------
    >>> names()
    ['digits', 'paper', 'small', 'smoke']
    """
    folder = files("metareval_backends.study") / "presets"
    return sorted(f.name.removesuffix(_SUFFIX) for f in folder.iterdir() if _SUFFIX in f.name)


def find(name: str) -> tuple[str, str]:
    """Return how a study is called in messages, and the text of its file.

    Raises
    ------
    LoadError
        There is no such file, nor a preset of that name.
    """
    if name in names() and not Path(name).is_file():
        file = files("metareval_backends.study") / "presets" / f"{name}{_SUFFIX}"
        return f"preset {name}", file.read_text(encoding="utf-8")
    path = Path(name)
    try:
        there, folder = path.is_file(), path.is_dir()
    except (OSError, ValueError):  # a name that is too long, or holds a zero
        there = folder = False
    if not there:
        what = "is a folder" if folder else "does not exist"
        raise LoadError(f"{shown(path)} {what}. {unknown_name('preset', name, names())}")
    return shown(path), read_text(path, limit=_MOST_BYTES)
