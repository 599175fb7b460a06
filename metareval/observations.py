"""What one model did on one split: plain arrays, checked when made, stored with a content hash."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metareval.errors import ObservationError
from metareval.files import write_atomic
from metareval.results import printable, shorten

FloatArray = NDArray[np.float64]

SPLITS = ("forget", "retain", "nonmember", "test")
FORMAT_VERSION = 1
# The largest file that `load` reads unless told otherwise.
MOST_BYTES = 8 * 2**30

# Rounding may lift the log of a probability of 1 this far above 0.
LOGPROB_TOLERANCE = 1e-4
# How far the probabilities of one sample may be from a sum of 1.
SUM_TOLERANCE = 1e-3

_ARRAYS: dict[str, tuple[type[np.generic], int]] = {
    "token_logprobs": (np.float32, 1),
    "token_counts": (np.int64, 1),
    "next_logprobs": (np.float32, 2),
    "hidden": (np.float32, 2),
}
_TEXTS = ("sample_ids", "gold", "answers")
_DTYPES = {"F32": np.dtype("<f4"), "I64": np.dtype("<i8")}
_METADATA_KEY = "metareval_observations"
# What the safetensors package itself takes for the longest header.
_MOST_HEADER_BYTES = 100_000_000
# Numbers turned into float64 at once, so that a large vocabulary costs little memory.
_NUMBERS_AT_ONCE = 2**22


@dataclass(frozen=True, eq=False, repr=False)
class Observations:
    """What one model did on the samples of one split.

    Arrays are checked and kept as read-only copies. Parts that a model does not have are None: an
    image classifier, for example, has no answer tokens.

    Parameters
    ----------
    split : {"forget", "retain", "nonmember", "test"}
        Where the samples come from.
    sample_ids : sequence of str, length n
        Unique. Models are compared sample by sample through these.
    gold : sequence of str, length n
        The right answers.
    answers : sequence of str, length n
        What the model answered.
    token_logprobs : array, shape (total_tokens,), optional
        Log-probability of every token of the gold answers, each given the tokens before it
        (teacher forcing), one sample after another. Kept as float32; ``-inf`` is a probability
        of 0.
    token_counts : array of int, shape (n,), optional
        Tokens of each gold answer, at least 1; they add up to ``total_tokens``.
    next_logprobs : array, shape (n, vocabulary), optional
        Log of the distribution of the token at the answer position, by token id. Kept as float32.
    hidden : array, shape (n, width), optional
        Mean hidden state of ``layer``. Kept as float32.
    layer : str
        Name of the layer, where there is ``hidden``.
    provenance : mapping of str to str
        Where this comes from: checkpoint, backend, benchmark, versions.

    Raises
    ------
    ObservationError
        A field does not hold what it should.

    Examples
    --------
    >>> import numpy as np
    >>> seen = Observations(
    ...     "forget",
    ...     ["s1", "s2"],
    ...     gold=["Ada", "Paris"],
    ...     answers=["Ada", "Rome"],
    ...     token_logprobs=np.log([0.5, 0.5, 0.125]),
    ...     token_counts=[2, 1],
    ... )
    >>> seen
    Observations(split='forget', n=2, tokens=3)
    >>> np.exp(seen.mean_logprob).round(3)
    array([0.5  , 0.125])
    """

    split: str
    sample_ids: tuple[str, ...]
    gold: tuple[str, ...]
    answers: tuple[str, ...]
    _: KW_ONLY
    token_logprobs: NDArray[np.float32] | None = None
    token_counts: NDArray[np.int64] | None = None
    next_logprobs: NDArray[np.float32] | None = None
    hidden: NDArray[np.float32] | None = None
    layer: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise _bad("split", _quoted(self.split), f"one of {', '.join(SPLITS)}")
        for name in _TEXTS:
            self._set(name, _texts(name, getattr(self, name)))
        _check_ids(self.sample_ids)
        for name in ("gold", "answers"):
            found = len(getattr(self, name))
            if found != self.n:
                raise _bad(name, f"{found} texts", f"{self.n}, one for each sample id")
        self._set("layer", _text("layer", self.layer))
        self._set("provenance", _provenance(self.provenance))
        for name in _ARRAYS:
            if getattr(self, name) is not None:
                self._set(name, _array(name, getattr(self, name)))
        self._check_tokens()
        for name in ("next_logprobs", "hidden"):
            self._check_rows(name)
        if self.next_logprobs is not None:
            _check_sums(self.next_logprobs, self.sample_ids)
        if self.hidden is not None and not self.layer:
            raise _bad("layer", "no name", "the name of the layer that hidden comes from")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check_tokens(self) -> None:
        logprobs, counts = self.token_logprobs, self.token_counts
        if logprobs is None and counts is None:
            return
        if logprobs is None or counts is None:
            lacking = "token_logprobs" if logprobs is None else "token_counts"
            raise _bad(lacking, "None", "both token_logprobs and token_counts, or neither")
        if len(counts) != self.n:
            raise _bad("token_counts", f"{len(counts)} counts", f"{self.n}, one for each sample")
        if counts.min() < 1:
            at = int(np.argmax(counts < 1))
            raise _bad(
                "token_counts",
                f"{counts[at]} for sample {_quoted(self.sample_ids[at])}",
                "at least 1: a gold answer without tokens cannot be scored",
            )
        # Bounded one by one first, so that the sum cannot overflow.
        if counts.max() > len(logprobs) or counts.sum() != len(logprobs):
            total = sum(counts.tolist())
            raise _bad(
                "token_counts",
                f"a sum of {total}",
                f"{len(logprobs)}, the length of token_logprobs",
            )

    def _check_rows(self, name: str) -> None:
        array = getattr(self, name)
        if array is None:
            return
        if len(array) != self.n:
            raise _bad(name, f"{len(array)} rows", f"{self.n}, one for each sample id")
        if array.shape[1] == 0:
            raise _bad(name, "rows without a number", "at least one column")

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.sample_ids)

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """Where the tokens of each sample begin, and where the last ends; shape (n + 1,)."""
        counts = self.need("token_counts")
        out = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        out.setflags(write=False)
        return out

    @cached_property
    def mean_logprob(self) -> FloatArray:
        """Mean log-probability of the tokens of each gold answer, shape (n,)."""
        logprobs = self.need("token_logprobs").astype(np.float64)
        out: FloatArray = np.add.reduceat(logprobs, self.offsets[:-1]) / self.need("token_counts")
        out.setflags(write=False)
        return out

    def logprobs_of(self, i: int) -> NDArray[np.float32]:
        """Return the log-probabilities of the gold tokens of sample number ``i``."""
        if not 0 <= i < self.n:
            raise ObservationError(f"There is no sample number {i}: expected 0 to {self.n - 1}.")
        return self.need("token_logprobs")[self.offsets[i] : self.offsets[i + 1]]

    def need(self, name: str) -> NDArray[Any]:
        """Return an array, or say that these observations do not have it.

        Parameters
        ----------
        name : {"token_logprobs", "token_counts", "next_logprobs", "hidden"}

        Raises
        ------
        ObservationError
            It is None.
        """
        array = getattr(self, name)
        if array is None:
            raise ObservationError(
                f"The {self.split} observations have no {name}. Observe the model with a backend "
                "that records it, or leave out what reads it."
            )
        return cast(NDArray[Any], array)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of every field but the provenance, as hexadecimal digits."""
        return _content_hash(self._named_texts(), self._named_arrays())

    def _named_texts(self) -> dict[str, Any]:
        lists = {name: list(getattr(self, name)) for name in _TEXTS}
        return {"split": self.split, "layer": self.layer, **lists}

    def _named_arrays(self) -> dict[str, NDArray[Any]]:
        return {name: a for name in _ARRAYS if (a := getattr(self, name)) is not None}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Observations):
            return NotImplemented
        return self.content_hash == other.content_hash and self.provenance == other.provenance

    def __hash__(self) -> int:
        return hash(self.content_hash)

    def __repr__(self) -> str:
        parts = [f"split={self.split!r}", f"n={self.n}"]
        if self.token_logprobs is not None:
            parts.append(f"tokens={len(self.token_logprobs)}")
        if self.next_logprobs is not None:
            parts.append(f"vocabulary={self.next_logprobs.shape[1]}")
        if self.hidden is not None:
            layer = shorten(printable(self.layer), 60)
            parts.append(f"width={self.hidden.shape[1]}, layer={layer!r}")
        return f"Observations({', '.join(parts)})"

    def __reduce__(self) -> tuple[Callable[..., Observations], tuple[dict[str, Any]]]:
        # The read-only view of the provenance cannot be pickled, and workers need copies.
        return _rebuilt, (self._as_arguments(),)

    def _as_arguments(self) -> dict[str, Any]:
        own = {**self._named_texts(), **self._named_arrays()}
        return {**own, "provenance": dict(self.provenance)}

    def subset(self, ids: Iterable[str]) -> Observations:
        """Return the named samples, in the order named.

        Parameters
        ----------
        ids : iterable of str
            At least one; each known, none twice.

        Raises
        ------
        ObservationError
            An id is unknown or comes twice, or there is none.
        """
        wanted = _texts("ids", ids)
        rows = {sample: i for i, sample in enumerate(self.sample_ids)}
        for sample in wanted:
            if sample not in rows:
                raise ObservationError(
                    f"No sample {_quoted(sample)} in the {self.split} observations, which hold "
                    f"{self.n}. Name ids out of sample_ids."
                )
        if wanted == self.sample_ids:
            return self
        return self._take(np.array([rows[sample] for sample in wanted], dtype=np.int64))

    def _take(self, order: NDArray[np.int64]) -> Observations:
        fields = self._as_arguments()
        for name in _TEXTS:
            values = fields[name]
            fields[name] = [values[i] for i in order]
        for name in ("next_logprobs", "hidden"):
            if name in fields:
                fields[name] = fields[name][order]
        if self.token_counts is not None and len(order):
            counts = self.token_counts[order]
            # Token positions: the start of each sample in the old order, then steps of one.
            ends = np.cumsum(counts)
            shift = np.repeat(self.offsets[order] - (ends - counts), counts)
            fields["token_logprobs"] = self.need("token_logprobs")[np.arange(ends[-1]) + shift]
            fields["token_counts"] = counts
        return Observations(**fields)

    @classmethod
    def merge(cls, parts: Iterable[Observations]) -> Observations:
        """Join partial runs of one model on one split, in the order given.

        Parameters
        ----------
        parts : iterable of Observations
            At least one. They share the split, the layer, the checkpoint in their provenance, the
            vocabulary and the width, and no sample is in two of them.

        Returns
        -------
        Observations
            Where parts differ in an entry of the provenance, the distinct values stand side by
            side, with ``" | "`` between them.

        Raises
        ------
        ObservationError
            Parts do not belong together; the message names the part.

        Examples
        --------
        >>> a = Observations("test", ["s1"], ["x"], ["y"])
        >>> b = Observations("test", ["s2"], ["x"], ["x"])
        >>> Observations.merge([a, b]).sample_ids
        ('s1', 's2')
        """
        runs = list(parts)
        if not runs:
            raise ObservationError("Nothing to merge: expected at least one part.")
        seen: dict[str, int] = {}
        for number, run in enumerate(runs, start=1):
            where = f"Part {number} of {len(runs)}"
            if not isinstance(run, Observations):
                raise ObservationError(f"{where} is a {type(run).__name__}, not Observations.")
            _check_mergeable(where, run, runs[0])
            for sample in run.sample_ids:
                if sample in seen:
                    raise ObservationError(
                        f"{where} repeats sample {_quoted(sample)} of part {seen[sample]}. Merge "
                        "parts of one run, each sample once; subset() leaves samples out."
                    )
            seen.update(dict.fromkeys(run.sample_ids, number))
        if len(runs) == 1:
            return runs[0]
        fields = runs[0]._as_arguments()
        for name in _TEXTS:
            fields[name] = [text for run in runs for text in getattr(run, name)]
        for name in runs[0]._named_arrays():
            fields[name] = np.concatenate([run.need(name) for run in runs])
        keys = sorted({key for run in runs for key in run.provenance})
        fields["provenance"] = {
            key: " | ".join(
                dict.fromkeys(run.provenance[key] for run in runs if key in run.provenance)
            )
            for key in keys
        }
        return cls(**fields)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a safetensors file, whole or not at all.

        The same observations with the same provenance give the same bytes.

        Parameters
        ----------
        path : path
            The file to write; its folder must exist.

        Returns
        -------
        Path

        Raises
        ------
        OutputError
            The file could not be written.
        ObservationError
            The texts are too long for one file.
        """
        from safetensors.numpy import save

        record = {
            "version": FORMAT_VERSION,
            "content_hash": self.content_hash,
            "texts": self._named_texts(),
            "provenance": dict(self.provenance),
        }
        record["seal"] = _seal(record)
        arrays = {k: v.astype(v.dtype.newbyteorder("<")) for k, v in self._named_arrays().items()}
        data = save(arrays, metadata={_METADATA_KEY: _canonical(record)})
        if int.from_bytes(data[:8], "little") > _MOST_HEADER_BYTES:
            raise ObservationError(
                f"The texts of {self.n} samples are too long for one file: they take more than "
                f"{_MOST_HEADER_BYTES:,} bytes. Save parts made with subset()."
            )
        return write_atomic(path, data)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, max_bytes: int | None = MOST_BYTES
    ) -> Observations:
        """Read a file that ``save`` wrote, and verify it.

        Nothing in the file is executed: there is no pickle in the format, and none is opened.

        Parameters
        ----------
        path : path
            The file to read.
        max_bytes : int or None
            Refuse larger files; None for no limit.

        Returns
        -------
        Observations

        Raises
        ------
        ObservationError
            The file is missing, truncated, damaged, too large, not one of ``save``'s, or written
            by a newer version. The message names the file.

        Examples
        --------
        >>> import tempfile
        >>> seen = Observations("test", ["s1"], ["x"], ["y"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Observations.load(seen.save(f"{folder}/test.safetensors")) == seen
        True
        """
        source = Path(path)
        shown = printable(str(source))
        try:
            with _opened(source) as stream:
                return _read(cls, stream, shown, max_bytes)
        except RecursionError as exc:
            raise _damaged(shown, "its metadata are nested too deeply") from exc
        except OSError as exc:
            raise ObservationError(f"{shown} could not be read: {exc.strerror or exc}.") from exc
        except ValueError as exc:
            if isinstance(exc, ObservationError):
                raise
            # A path with a null character is refused before any file is looked at.
            raise ObservationError(f"{shown!r} could not be read: {exc}.") from exc


def row_blocks(n: int, width: int) -> Iterator[slice]:
    """Cut n rows into slices that hold a bounded number of values each.

    Examples
    --------
    >>> list(row_blocks(3, 2))
    [slice(0, 3, None)]
    """
    step = max(1, _NUMBERS_AT_ONCE // max(width, 1))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def _rebuilt(fields: dict[str, Any]) -> Observations:
    return Observations(**fields)


# What fields may hold


def _bad(name: str, found: str, expected: str) -> ObservationError:
    return ObservationError(f"Observations.{name}: found {found}; expected {expected}.")


def _quoted(value: object) -> str:
    return shorten(repr(value), 80)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _bad(name, f"type {type(value).__name__}", "a string")
    return str(value)


def _texts(name: str, values: Iterable[object]) -> tuple[str, ...]:
    # A string is a sequence too, of its characters.
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise _bad(name, f"type {type(values).__name__}", "a sequence of strings")
    out = []
    for i, value in enumerate(values):
        if not isinstance(value, str):
            raise _bad(name, f"type {type(value).__name__} at position {i}", "strings only")
        out.append(str(value))
    return tuple(out)


def _check_ids(ids: Sequence[str]) -> None:
    if not ids:
        raise _bad("sample_ids", "none", "at least one sample")
    seen: set[str] = set()
    for i, sample in enumerate(ids):
        if not sample:
            raise _bad("sample_ids", f"an empty id at position {i}", "a name for every sample")
        if sample in seen:
            raise _bad("sample_ids", f"{_quoted(sample)} twice", "unique ids")
        seen.add(sample)


def _provenance(values: object) -> Mapping[str, str]:
    if not isinstance(values, Mapping):
        raise _bad("provenance", f"type {type(values).__name__}", "a mapping of strings to strings")
    for key, value in values.items():
        if not isinstance(key, str) or not isinstance(value, str):
            found = f"{_quoted(key)}: {_quoted(value)}"
            raise _bad("provenance", found, "strings for keys and values; write numbers as text")
    return MappingProxyType({str(key): str(values[key]) for key in sorted(values)})


def _array(name: str, value: ArrayLike) -> NDArray[Any]:
    dtype, ndim = _ARRAYS[name]
    kinds, noun = ("iu", "integers") if dtype is np.int64 else ("fiu", "numbers")
    try:
        given = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as exc:
        found = f"a {type(value).__name__} that numpy cannot read"
        raise _bad(name, found, f"an array of {noun}") from exc
    if given.dtype.kind not in kinds:
        raise _bad(name, f"an array of {given.dtype}", f"{noun}")
    if given.ndim != ndim:
        expected = f"{ndim} dimension{'s' if ndim > 1 else ''}"
        raise _bad(name, f"shape {given.shape}", expected)
    if dtype is np.int64:
        out = given.astype(np.int64)
    else:
        _check_values(name, given)
        with np.errstate(over="ignore"):
            out = given.astype(np.float32)
    out = np.ascontiguousarray(out)
    out.setflags(write=False)
    return out


def _check_values(name: str, given: NDArray[Any]) -> None:
    low, high, expected = -np.inf, LOGPROB_TOLERANCE, "natural logs of probabilities, at most 0"
    if name == "hidden":
        high = float(np.finfo(np.float32).max)
        low, expected = -high, "finite numbers within float32"
    for rows in row_blocks(len(given), given.shape[1] if given.ndim > 1 else 1):
        # Asked this way round, NaN is bad too.
        bad = ~((given[rows] >= low) & (given[rows] <= high))
        if bad.any():
            at = tuple(int(i[0]) for i in np.nonzero(bad))
            position = (rows.start + at[0], *at[1:])
            where = ", ".join(map(str, position))
            raise _bad(name, f"{given[position]} at [{where}]", expected)


def _check_sums(logs: NDArray[np.float32], ids: Sequence[str]) -> None:
    n, width = logs.shape
    for rows in row_blocks(n, width):
        sums = np.exp(logs[rows].astype(np.float64)).sum(axis=1)
        far = np.abs(sums - 1) > SUM_TOLERANCE
        if far.any():
            at = int(np.argmax(far))
            raise _bad(
                "next_logprobs",
                f"probabilities of sample {_quoted(ids[rows.start + at])} that add up to "
                f"{sums[at]:.6g}",
                f"1 within {SUM_TOLERANCE:g}: the whole distribution, after log-softmax",
            )


def _check_mergeable(where: str, run: Observations, first: Observations) -> None:
    facts: list[tuple[str, object, object]] = [
        ("split", run.split, first.split),
        ("layer", run.layer, first.layer),
        ("checkpoint", run.provenance.get("checkpoint"), first.provenance.get("checkpoint")),
    ]
    for name in _ARRAYS:
        mine, theirs = getattr(run, name), getattr(first, name)
        if (mine is None) != (theirs is None):
            have, lack = ("lacks", "has") if mine is None else ("has", "lacks")
            raise ObservationError(
                f"{where} {have} {name}, which part 1 {lack}. Merge parts that the same backend "
                "observed."
            )
        if mine is not None and mine.ndim == 2:
            noun = "vocabulary" if name == "next_logprobs" else "width"
            facts.append((f"{noun} of {name}", mine.shape[1], theirs.shape[1]))
    for what, found, expected in facts:
        if found != expected:
            raise ObservationError(
                f"{where} has the {what} {_quoted(found)}; part 1 has {_quoted(expected)}. Merge "
                "parts of one model on one split."
            )


# Files


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _content_hash(texts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
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


def _read(
    cls: type[Observations], stream: BinaryIO, shown: str, max_bytes: int | None
) -> Observations:
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
    if _content_hash(record["texts"], arrays) != record["content_hash"]:
        raise _damaged(shown, "its content does not match its hash")
    try:
        return cls(**record["texts"], **arrays, provenance=record["provenance"])
    except ObservationError as exc:
        raise ObservationError(f"{shown}: {exc}") from exc


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
    if not isinstance(texts, dict) or {*texts} != {"split", "layer", *_TEXTS}:
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
        if name not in _ARRAYS or dtype is None or dtype != _ARRAYS[name][0]:
            raise _damaged(
                shown,
                f"it holds {_quoted(name)} of type {_quoted(tensor['dtype'])}, which is not a part "
                "of observations",
            )
        try:
            array = np.frombuffer(bytes(tensor["data"]), dtype=dtype).reshape(tensor["shape"])
        except ValueError as exc:
            raise _damaged(shown, f"{_quoted(name)} does not have its shape") from exc
        arrays[name] = array.astype(_ARRAYS[name][0], copy=False)
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
