"""The samples of a benchmark: checked, cut to a number, and hashed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metareval.errors import ArgumentError, MetarevalError, ObservationError, PluginError
from metareval.observations import SPLITS
from metareval.protocols import Benchmark, Sample, faults
from metareval.results import printable, shorten

Samples = tuple[Sample, ...]


def read_samples(benchmark: Benchmark, limit: int | None) -> dict[str, Samples]:
    """Return the samples of every split, at most ``limit`` of each.

    Raises
    ------
    PluginError
        It is not a benchmark, fails, or yields something else than samples.
    ArgumentError
        The limit is not a positive whole number.
    """
    if limit is not None and (isinstance(limit, bool) or not hasattr(limit, "__index__")):
        raise ArgumentError(f"limit={limit!r}: expected a whole number of samples, or None.")
    if limit is not None and limit < 1:
        raise ArgumentError(f"limit={limit}: expected at least 1 sample of each split.")
    if wrong := faults("benchmark", benchmark):
        raise PluginError(f"{_brief(benchmark)} is not a benchmark. {' '.join(wrong)}")
    what = f"The benchmark {_brief(benchmark.name)}"
    try:
        splits: object = benchmark.splits()
    except MetarevalError:
        raise
    # A benchmark of others may fail in any way.
    except Exception as error:
        text = shorten(printable(" ".join(f"{type(error).__name__}: {error}".split())), 300)
        raise PluginError(
            f"{what} failed with {text}. Report it to whoever maintains the benchmark; "
            "metareval.testing.check_benchmark shows what a benchmark must do."
        ) from error
    if not isinstance(splits, Mapping):
        raise PluginError(f"{what} returned a {type(splits).__name__} from splits(), not a dict.")
    for split, samples in splits.items():
        if split not in SPLITS:
            raise PluginError(
                f"{what} has a split {_brief(split)}; expected names out of {', '.join(SPLITS)}."
            )
        listed = all(hasattr(samples, name) for name in ("__len__", "__getitem__"))
        if not listed or isinstance(samples, (str, bytes, Mapping)):
            raise PluginError(
                f"{what} has a {type(samples).__name__} as {split}, not a list of samples."
            )
        seen: set[str] = set()
        for sample in samples:
            if not isinstance(sample, Sample):
                raise PluginError(f"{what} has a {type(sample).__name__} in {split}, not a Sample.")
            if sample.sample_id in seen:
                raise PluginError(
                    f"{what} has the sample id {_brief(sample.sample_id)} twice in {split}; ids "
                    "must be unique. metareval.testing.check_benchmark shows what else is amiss."
                )
            seen.add(sample.sample_id)
    # A split without samples is one that the benchmark does not have.
    return {s: tuple(splits[s])[:limit] for s in SPLITS if s in splits and len(splits[s])}


def samples_hash(samples: Sequence[Sample]) -> str:
    """Return a SHA-256 of ids, questions, answers and images, in their order.

    Raises
    ------
    ObservationError
        An image is neither a PIL image, an array, a path, bytes nor None, or cannot be decoded.

    Examples
    --------
    >>> import numpy as np
    >>> a = Sample("s1", "ada", "Who?", "Ada", np.zeros((2, 2, 3), dtype=np.uint8))
    >>> b = Sample("s1", "ada", "Who?", "Ada", np.ones((2, 2, 3), dtype=np.uint8))
    >>> samples_hash([a]) == samples_hash([a]), samples_hash([a]) == samples_hash([b])
    (True, False)
    """
    digest = hashlib.sha256(b"metareval samples 1\n")
    # The questions about one subject often share one image.
    known: dict[int, bytes] = {}
    for sample in samples:
        texts = [sample.sample_id, sample.question, sample.answer]
        digest.update(json.dumps(texts).encode("ascii"))
        if id(sample.image) not in known:
            known[id(sample.image)] = _image_hash(sample)
        digest.update(known[id(sample.image)])
    return digest.hexdigest()


def _image_hash(sample: Sample) -> bytes:
    image: Any = sample.image
    digest = hashlib.sha256()
    if image is None:
        pass
    elif isinstance(image, (bytes, bytearray)):
        digest.update(b"bytes\n" + bytes(image))
    elif isinstance(image, (str, os.PathLike)):
        digest.update(f"path\n{os.fspath(image)!r}".encode())
    # A PIL image, told by what it has, so that pillow need not be there.
    elif all(hasattr(image, name) for name in ("mode", "size", "tobytes", "getpalette")):
        try:
            digest.update(f"image {image.mode} {image.size} {image.getpalette()}\n".encode())
            digest.update(image.tobytes())
        # A picture that was opened and not yet read may turn out to be damaged.
        except (OSError, ValueError, SyntaxError) as error:
            raise ObservationError(
                f"The image of sample {_brief(sample.sample_id)} cannot be decoded: "
                f"{shorten(' '.join(str(error).split()), 120)}. Replace it, or leave the sample "
                "out."
            ) from error
    else:
        array = _array(image)
        if array is None:
            raise ObservationError(
                f"The image of sample {_brief(sample.sample_id)} is a {type(image).__name__}; "
                "expected a PIL image, an array of shape (height, width, 3), or None."
            )
        digest.update(f"array {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()


def _array(image: Any) -> np.ndarray[Any, Any] | None:
    try:
        array = np.asarray(image)
    except (TypeError, ValueError, RuntimeError):
        return None
    return array if array.dtype.kind in "biuf" else None


def _brief(value: object) -> str:
    return shorten(repr(value), 60)
