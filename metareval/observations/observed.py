"""The observations of one model on one split."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from metareval.errors import ObservationError
from metareval.files import write_atomic
from metareval.observations.fields import (
    ARRAYS,
    SPLITS,
    TEXTS,
    array_of,
    check_ids,
    check_sums,
    provenance_of,
    quoted,
    refusal,
    text_of,
    texts_of,
)
from metareval.observations.storage import MOST_BYTES, content_hash, encoded, read_fields
from metareval.results import printable, shorten

FloatArray = NDArray[np.float64]


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
            raise refusal("split", quoted(self.split), f"one of {', '.join(SPLITS)}")
        for name in TEXTS:
            self._set(name, texts_of(name, getattr(self, name)))
        check_ids(self.sample_ids)
        for name in ("gold", "answers"):
            found = len(getattr(self, name))
            if found != self.n:
                raise refusal(name, f"{found} texts", f"{self.n}, one for each sample id")
        self._set("layer", text_of("layer", self.layer))
        self._set("provenance", provenance_of(self.provenance))
        for name in ARRAYS:
            if getattr(self, name) is not None:
                self._set(name, array_of(name, getattr(self, name)))
        self._check_tokens()
        for name in ("next_logprobs", "hidden"):
            self._check_rows(name)
        if self.next_logprobs is not None:
            check_sums(self.next_logprobs, self.sample_ids)
        if self.hidden is not None and not self.layer:
            raise refusal("layer", "no name", "the name of the layer that hidden comes from")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check_tokens(self) -> None:
        logprobs, counts = self.token_logprobs, self.token_counts
        if logprobs is None and counts is None:
            return
        if logprobs is None or counts is None:
            lacking = "token_logprobs" if logprobs is None else "token_counts"
            raise refusal(lacking, "None", "both token_logprobs and token_counts, or neither")
        if len(counts) != self.n:
            raise refusal("token_counts", f"{len(counts)} counts", f"{self.n}, one for each sample")
        if counts.min() < 1:
            at = int(np.argmax(counts < 1))
            raise refusal(
                "token_counts",
                f"{counts[at]} for sample {quoted(self.sample_ids[at])}",
                "at least 1: a gold answer without tokens cannot be scored",
            )
        # Bounded one by one first, so that the sum cannot overflow.
        if counts.max() > len(logprobs) or counts.sum() != len(logprobs):
            total = sum(counts.tolist())
            raise refusal(
                "token_counts",
                f"a sum of {total}",
                f"{len(logprobs)}, the length of token_logprobs",
            )

    def _check_rows(self, name: str) -> None:
        array = getattr(self, name)
        if array is None:
            return
        if len(array) != self.n:
            raise refusal(name, f"{len(array)} rows", f"{self.n}, one for each sample id")
        if array.shape[1] == 0:
            raise refusal(name, "rows without a number", "at least one column")

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
        return content_hash(self._named_texts(), self._named_arrays())

    def _named_texts(self) -> dict[str, Any]:
        lists = {name: list(getattr(self, name)) for name in TEXTS}
        return {"split": self.split, "layer": self.layer, **lists}

    def _named_arrays(self) -> dict[str, NDArray[Any]]:
        return {name: a for name in ARRAYS if (a := getattr(self, name)) is not None}

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
        wanted = texts_of("ids", ids)
        rows = {sample: i for i, sample in enumerate(self.sample_ids)}
        for sample in wanted:
            if sample not in rows:
                raise ObservationError(
                    f"No sample {quoted(sample)} in the {self.split} observations, which hold "
                    f"{self.n}. Name ids out of sample_ids."
                )
        if wanted == self.sample_ids:
            return self
        return self._take(np.array([rows[sample] for sample in wanted], dtype=np.int64))

    def _take(self, order: NDArray[np.int64]) -> Observations:
        fields = self._as_arguments()
        for name in TEXTS:
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
                        f"{where} repeats sample {quoted(sample)} of part {seen[sample]}. Merge "
                        "parts of one run, each sample once; subset() leaves samples out."
                    )
            seen.update(dict.fromkeys(run.sample_ids, number))
        if len(runs) == 1:
            return runs[0]
        fields = runs[0]._as_arguments()
        for name in TEXTS:
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
        data = encoded(
            self._named_texts(), self._named_arrays(), self.provenance, self.content_hash
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
        found = read_fields(source, max_bytes)
        try:
            return cls(**found)
        except ObservationError as exc:
            raise ObservationError(f"{printable(str(source))}: {exc}") from exc


def _rebuilt(fields: dict[str, Any]) -> Observations:
    return Observations(**fields)


def _check_mergeable(where: str, run: Observations, first: Observations) -> None:
    facts: list[tuple[str, object, object]] = [
        ("split", run.split, first.split),
        ("layer", run.layer, first.layer),
        ("checkpoint", run.provenance.get("checkpoint"), first.provenance.get("checkpoint")),
    ]
    for name in ARRAYS:
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
                f"{where} has the {what} {quoted(found)}; part 1 has {quoted(expected)}. Merge "
                "parts of one model on one split."
            )
