"""What a model is told by: its name, and the content of its files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from metareval.errors import LoadError
from metareval.reading.files import shown

# Files up to this size are hashed in full, larger ones at evenly spaced places. Whatever trained a
# model further has changed nearly all numbers of a tensor, so that the places catch it.
_WHOLE_BYTES = 64 * 2**20
_PLACES = 4096
_PLACE_BYTES = 4096

_CHANGED = "it changed while it was read"
# A subfolder with one of these is a checkpoint of its own, as training leaves them beside the last.
_CONFIGURATIONS = ("config.json", "adapter_config.json")


@dataclass(frozen=True)
class Identity:
    """What a stored observation must agree on to be that of a checkpoint.

    Parameters
    ----------
    names : mapping of str to str
        What was asked for: the checkpoint, and the setting in which it is observed (backend, base,
        layer, benchmark, limit).
    contents : mapping of str to (str or None)
        Hashes of files; None where they are not to be had here.
    """

    names: Mapping[str, str]
    contents: Mapping[str, str | None]

    def entries(self) -> dict[str, str]:
        """Return what is kept with an observation."""
        return {**self.names, **{key: value or "" for key, value in self.contents.items()}}

    def difference(self, stored: Mapping[str, str]) -> str:
        """Say in what a stored observation differs; empty where it is that of this model.

        What cannot be hashed here, a checkpoint that was moved away say, is not compared.
        """
        for key, value in {**self.names, **self.contents}.items():
            if value is not None and stored.get(key, "") != value:
                return f"another {key}" if key in self.names else f"the {key} changed"
        return ""

    @property
    def compared(self) -> bool:
        """Whether the checkpoint's own content is known here, and not its name alone."""
        own = ("checkpoint files", "backend fingerprint")
        return any(self.contents.get(key) is not None for key in own)


def files_hash(name: str, *, leave_out: Path | None = None) -> str | None:
    """Return a hash of a local file or folder; None where there is no such path.

    Hidden files are left out, and subfolders that are checkpoints themselves.

    Parameters
    ----------
    name : str
        Checkpoint, as the backend takes it.
    leave_out : Path, optional
        A folder that is not looked into, where it lies inside the checkpoint.

    Raises
    ------
    LoadError
        A file cannot be read.
    """
    root = path = Path(name)
    try:
        if not root.exists():
            return None
        digest = hashlib.sha256(b"metareval checkpoint 1\n")
        excluded = None if leave_out is None else leave_out.resolve()
        for path in [root] if root.is_file() else sorted(_files(root, excluded)):
            size = path.stat().st_size
            label = path.relative_to(root).as_posix()
            digest.update(f"{label!r} {size}\n".encode())
            for part in _parts(path, size):
                digest.update(part)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise LoadError(f"{shown(path)}: the checkpoint cannot be read: {reason}.") from exc
    return digest.hexdigest()


def _files(folder: Path, excluded: Path | None) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_file():
            yield path
        elif path.is_dir() and not _apart(path, excluded):
            yield from _files(path, excluded)


def _apart(folder: Path, excluded: Path | None) -> bool:
    # A link to a folder may lead back to where it stands.
    return (
        folder.is_symlink()
        or folder.resolve() == excluded
        or any((folder / name).is_file() for name in _CONFIGURATIONS)
    )


def _parts(path: Path, size: int) -> Iterator[bytes]:
    length, places = size, [0]
    if size > _WHOLE_BYTES:
        length = _PLACE_BYTES
        places = [(size - length) * number // (_PLACES - 1) for number in range(_PLACES)]
    with path.open("rb") as stream:
        for place in places:
            stream.seek(place)
            left = length
            while part := stream.read(min(2**20, left)):
                left -= len(part)
                yield part
            if left:
                raise ValueError(_CHANGED)
        if os.fstat(stream.fileno()).st_size != size:
            raise ValueError(_CHANGED)
