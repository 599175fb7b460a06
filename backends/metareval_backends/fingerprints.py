"""A text by which a changed checkpoint is noticed, without reading all of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from metareval_backends.folder import find_checkpoint, side_files
from metareval_backends.safetensors_header import open_regular, read_header

# Smaller files are hashed in full, larger ones by parts of every tensor.
_WHOLE_BYTES = 64 * 2**20
_PART_BYTES = 4096


def fingerprint(name: str, base: str | None = None) -> str:
    """Return a text that changes when the files of a checkpoint or of its base change.

    Files up to 64 MiB are hashed in full. Of larger ones, the header and the first, middle and
    last 4 KiB of every tensor are, so that 13 GB need not be read; a change to single numbers
    inside such a file can go unnoticed.

    Parameters
    ----------
    name : str
        A folder or hub id, as for ``find_checkpoint``.
    base : str, optional
        The model that an adapter belongs to.

    Returns
    -------
    str
        SHA-256 in hexadecimal digits.

    Raises
    ------
    LoadError
        A checkpoint cannot be found or is damaged.
    """
    digest = hashlib.sha256()
    found = [find_checkpoint(name)]
    found += [find_checkpoint(base, what="base")] if base is not None else []
    for number, checkpoint in enumerate(found):
        digest.update(f"{number} {checkpoint.kind} {checkpoint.revision}\n".encode())
        for path in sorted({*checkpoint.weights, *side_files(checkpoint.folder)}):
            label = path.relative_to(checkpoint.folder).as_posix()
            digest.update(f"{label!r} {path.stat().st_size}\n".encode())
            for part in _parts(path):
                digest.update(part)
    return digest.hexdigest()


def _parts(path: Path) -> Iterator[bytes]:
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size <= _WHOLE_BYTES:
            while block := stream.read(2**20):
                yield block
            return
        spans = [(0, size)]
        if path.suffix == ".safetensors":
            spans = [(entry.start, entry.stop) for entry in read_header(path).values()]
            # The tensors follow the header, the first of them at once.
            yield stream.read(spans[0][0])
        for start, stop in spans:
            for at in (start, (start + stop) // 2, max(start, stop - _PART_BYTES)):
                stream.seek(at)
                yield stream.read(min(_PART_BYTES, stop - at))
