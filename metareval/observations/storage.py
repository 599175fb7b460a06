"""Observations as safetensors files, with a hash of their content and a seal of the rest."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from metareval.errors import ObservationError
from metareval.observations.fields import ARRAYS, TEXTS, quoted
from metareval.results import printable, shorten

FORMAT_VERSION = 1
# The largest file that `load` reads unless told otherwise.
MOST_BYTES = 8 * 2**30

_DTYPES = {"F32": np.dtype("<f4"), "I64": np.dtype("<i8")}
_METADATA_KEY = "metareval_observations"
# What the safetensors package itself takes for the longest header.
_MOST_HEADER_BYTES = 100_000_000


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def content_hash(texts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of texts and arrays, as hexadecimal digits."""
    shapes = {name: list(arrays[name].shape) for name in sorted(arrays)}
    digest = hashlib.sha256(b"metareval observations 1\n")
    digest.update(_canonical({"texts": texts, "shapes": shapes}).encode("ascii"))
    for name in sorted(arrays):
        little = arrays[name].astype(arrays[name].dtype.newbyteorder("<"), copy=False)
        digest.update(b"\n" + name.encode("ascii") + b"\n")
        digest.update(np.ascontiguousarray(little).data.cast("B") if little.size else b"")
    return digest.hexdigest()


def _seal(record: Mapping[str, Any]) -> str:
    """Hash what stands beside the arrays, so that damage to the provenance shows too."""
    rest = {key: value for key, value in record.items() if key != "seal"}
    return hashlib.sha256(_canonical(rest).encode("ascii")).hexdigest()


def _opened(path: Path) -> BinaryIO:
    # Opening a pipe would wait for somebody to write to it.
    if path.exists() and not path.is_file():
        raise ObservationError(
            f"{printable(str(path))} is not a file. Name one file of observations."
        )
    stream = path.open("rb")
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise ObservationError(f"{printable(str(path))} is not a regular file.")
    return stream


def encoded(
    texts: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    provenance: Mapping[str, str],
    content: str,
) -> bytes:
    """Return the bytes of a file: the same for the same observations with the same provenance."""
    from safetensors.numpy import save

    record: dict[str, Any] = {
        "version": FORMAT_VERSION,
        "content_hash": content,
        "texts": texts,
        "provenance": dict(provenance),
    }
    record["seal"] = _seal(record)
    little = {k: v.astype(v.dtype.newbyteorder("<")) for k, v in arrays.items()}
    data: bytes = save(little, metadata={_METADATA_KEY: _canonical(record)})
    if int.from_bytes(data[:8], "little") > _MOST_HEADER_BYTES:
        raise ObservationError(
            f"The texts of {len(texts['sample_ids'])} samples are too long for one file: they take "
            f"more than {_MOST_HEADER_BYTES:,} bytes. Save parts made with subset()."
        )
    return data


def read_fields(path: Path, max_bytes: int | None) -> dict[str, Any]:
    """Return the fields of the observations in a file, once it has been verified."""
    shown = printable(str(path))
    try:
        with _opened(path) as stream:
            return _read(stream, shown, max_bytes)
    except RecursionError as exc:
        raise _damaged(shown, "its metadata are nested too deeply") from exc
    except OSError as exc:
        raise ObservationError(f"{shown} could not be read: {exc.strerror or exc}.") from exc
    except ValueError as exc:
        if isinstance(exc, ObservationError):
            raise
        # A path with a null character is refused before any file is looked at.
        raise ObservationError(f"{shown!r} could not be read: {exc}.") from exc


def _read(stream: BinaryIO, shown: str, max_bytes: int | None) -> dict[str, Any]:
    size = os.fstat(stream.fileno()).st_size
    if max_bytes is not None and size > max_bytes:
        raise ObservationError(
            f"{shown} has {size:,} bytes, more than the limit of {max_bytes:,}. Pass a larger "
            "max_bytes if you trust the file."
        )
    start = stream.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > _MOST_HEADER_BYTES or length > size - 8:
        raise _not_safetensors(shown, start, size)
    head = stream.read(length)
    record = _record(head, start, shown, size)
    # Looked at first, so that a header does not make us read gigabytes that belong to no array.
    if _end_of_arrays(head) != size - 8 - length:
        raise _damaged(shown, "its arrays do not end where the file does")
    arrays = _tensors(start + head + stream.read(size), shown)
    if content_hash(record["texts"], arrays) != record["content_hash"]:
        raise _damaged(shown, "its content does not match its hash")
    return {**record["texts"], **arrays, "provenance": record["provenance"]}


def _record(head: bytes, start: bytes, shown: str, size: int) -> dict[str, Any]:
    """Return what stands beside the arrays, once version and seal have been checked."""
    header = _parsed(head)
    if not isinstance(header, dict):
        raise _not_safetensors(shown, start, size)
    metadata = header.get("__metadata__")
    text = metadata.get(_METADATA_KEY) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise ObservationError(
            f"{shown} is a safetensors file, but not one of observations: it lacks the entry "
            f"{_METADATA_KEY} in its metadata. Name a file that Observations.save wrote."
        )
    record = _parsed(text)
    if not isinstance(record, dict) or type(record.get("version")) is not int:
        raise _damaged(shown, "its metadata cannot be read")
    if record["version"] > FORMAT_VERSION:
        raise ObservationError(
            f"{shown} was written in format {shorten(str(record['version']), 20)} of a newer "
            f"metareval; this version reads up to format {FORMAT_VERSION}. Upgrade metareval."
        )
    if record["version"] < 1 or record.get("seal") != _seal(record):
        raise _damaged(shown, "its metadata do not match their hash")
    texts = record.get("texts")
    if not isinstance(texts, dict) or {*texts} != {"split", "layer", *TEXTS}:
        raise _damaged(shown, "its texts are not those of observations")
    if not {"content_hash", "provenance"} <= {*record}:
        raise _damaged(shown, "its metadata are not those of observations")
    return record


def _end_of_arrays(head: bytes) -> int:
    header = _parsed(head)
    entries = header.items() if isinstance(header, dict) else ()
    offsets = [
        e.get("data_offsets") for key, e in entries if key != "__metadata__" and isinstance(e, dict)
    ]
    ends = [o[1] for o in offsets if isinstance(o, list) and len(o) == 2 and type(o[1]) is int]
    return max(ends, default=0)


def _parsed(text: str | bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _tensors(data: bytes, shown: str) -> dict[str, Any]:
    from safetensors import SafetensorError, deserialize

    parse: Callable[[bytes], list[tuple[str, dict[str, Any]]]] = deserialize
    try:
        tensors = parse(data)
    except SafetensorError as exc:
        raise _damaged(shown, printable(str(exc))) from exc
    arrays: dict[str, Any] = {}
    for name, tensor in tensors:
        dtype = _DTYPES.get(tensor["dtype"])
        if name not in ARRAYS or dtype is None or dtype != ARRAYS[name][0]:
            raise _damaged(
                shown,
                f"it holds {quoted(name)} of type {quoted(tensor['dtype'])}, which is not a part "
                "of observations",
            )
        try:
            array = np.frombuffer(bytes(tensor["data"]), dtype=dtype).reshape(tensor["shape"])
        except ValueError as exc:
            raise _damaged(shown, f"{quoted(name)} does not have its shape") from exc
        arrays[name] = array.astype(ARRAYS[name][0], copy=False)
    return arrays


def _damaged(shown: str, what: str) -> ObservationError:
    return ObservationError(
        f"{shown} is damaged: {what.rstrip('.')}. Observe the model again, or restore the file "
        "from a copy."
    )


def _not_safetensors(shown: str, start: bytes, size: int) -> ObservationError:
    if re.match(rb"\x80[\x02-\x05]|PK\x03\x04", start):
        return ObservationError(
            f"{shown} is a pickle or zip file, as torch.save writes, not observations. It was not "
            "opened, since opening a pickle runs what is in it. Name a file that "
            "Observations.save wrote."
        )
    return ObservationError(
        f"{shown} ({size:,} bytes) is not a whole safetensors file: its header is missing or cut "
        "short. Name a file that Observations.save wrote, or observe the model again."
    )
