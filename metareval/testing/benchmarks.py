"""Rules for benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metareval.observations import SPLITS
from metareval.protocols import Benchmark, Sample
from metareval.testing.rules import check_protocol, failed, raised, shown

_TEXTS = ("sample_id", "subject_id", "question", "answer")


def check_benchmark(
    benchmark: Benchmark, *, required: Sequence[str] = ("forget", "retain")
) -> None:
    """Read every sample of a benchmark and raise at the first rule it breaks.

    The rules: ``protocol``, ``splits`` (known names, the required ones there and not empty),
    ``samples`` (all of them ``Sample``, their texts are texts and not empty), ``unique ids``,
    ``subjects`` (none in two splits, but for ``nonmember`` with other questions or pictures of
    subjects of ``forget``) and ``deterministic`` (two calls give the same).

    Parameters
    ----------
    benchmark : Benchmark
    required : sequence of str
        Splits that must be there.

    Raises
    ------
    CheckFailed
        It breaks a rule: the message says which, and how to mend it.

    Examples
    --------
    >>> from metareval.protocols import Sample
    >>> from metareval.testing import check_benchmark
    >>> class Two:
    ...     name = "two"
    ...
    ...     def splits(self):
    ...         return {
    ...             "forget": [Sample("1", "ada", "Who is this?", "Ada")],
    ...             "retain": [Sample("2", "ben", "Who is this?", "Ben")],
    ...         }
    >>> check_benchmark(Two())
    """
    what = check_protocol("benchmark", benchmark)
    first = _splits(what, benchmark, required)
    _check_samples(what, first)
    _check_ids(what, first)
    _check_subjects(what, first)
    second = _splits(what, benchmark, required)
    for split, samples in first.items():
        if samples != second.get(split):
            raise failed(
                what,
                "deterministic",
                found=f"other samples of {split} in a second call of splits()",
                expected="the same samples in the same order",
                mend="Draw from numpy.random.default_rng with a fixed seed, and sort file names "
                "and sets.",
            )


def _splits(what: str, benchmark: Benchmark, required: Sequence[str]) -> dict[str, list[Sample]]:
    try:
        splits: Any = benchmark.splits()
    except Exception as error:
        raise failed(
            what,
            "splits",
            found=f"{raised(error)}, from splits()",
            expected="a mapping of split to samples",
            mend="Pass a benchmark whose files are there.",
        ) from error
    if not isinstance(splits, Mapping):
        raise failed(
            what,
            "splits",
            found=f"a {type(splits).__name__} from splits()",
            expected="a mapping of split to samples",
            mend="Return a dict.",
        )
    unknown = [s for s in splits if s not in SPLITS]
    if unknown:
        raise failed(
            what,
            "splits",
            found=f"a split {unknown[0]!r}",
            expected=f"names out of {', '.join(SPLITS)}",
            mend="Rename it, or leave it out.",
        )
    read = {split: list(samples) for split, samples in splits.items()}
    for split in dict.fromkeys((*required, *read)):
        if not read.get(split):
            raise failed(
                what,
                "splits",
                found=f"{split} {'is empty' if split in read else 'is not there'}",
                expected="at least one sample",
                mend="Leave out splits that the benchmark does not have; "
                f"{' and '.join(required)} must be there.",
            )
    return read


def _check_samples(what: str, splits: Mapping[str, Sequence[Sample]]) -> None:
    for split, samples in splits.items():
        for position, sample in enumerate(samples):
            if not isinstance(sample, Sample):
                raise failed(
                    what,
                    "samples",
                    found=f"{shown(sample)} at position {position} of {split}",
                    expected="a metareval.protocols.Sample",
                    mend="Build Sample(sample_id, subject_id, question, answer, image).",
                )
            for name in _TEXTS:
                text: object = getattr(sample, name)
                if not isinstance(text, str) or not text.strip():
                    raise failed(
                        what,
                        "samples",
                        found=f"the {name} {shown(text)} at position {position} of {split}",
                        expected="a text that is not empty",
                        mend="An empty gold answer is part of every answer, so that every model "
                        "would be right: leave the sample out."
                        if name == "answer"
                        else "Convert numbers with str().",
                    )


def _check_ids(what: str, splits: Mapping[str, Sequence[Sample]]) -> None:
    seen: dict[str, str] = {}
    for split, samples in splits.items():
        for sample in samples:
            if sample.sample_id in seen:
                raise failed(
                    what,
                    "unique ids",
                    found=f"the sample id {shown(sample.sample_id)} in {seen[sample.sample_id]} "
                    f"and again in {split}",
                    expected="every id once",
                    mend="Put the name of the split, or the row number, into the id.",
                )
            seen[sample.sample_id] = split


def _check_subjects(what: str, splits: Mapping[str, Sequence[Sample]]) -> None:
    seen: dict[str, str] = {}
    trained: dict[tuple[str, str], list[Sample]] = {}
    for sample in splits.get("forget", ()):
        trained.setdefault((sample.subject_id, sample.question), []).append(sample)
    # The split that may share subjects comes last, whatever the order of the mapping.
    for split in sorted(splits, key=lambda s: s == "nonmember"):
        for sample in splits[split]:
            before = seen.setdefault(sample.subject_id, split)
            if before == split:
                continue
            if (before, split) != ("forget", "nonmember"):
                raise failed(
                    what,
                    "subjects",
                    found=f"the subject {shown(sample.subject_id)} in {before} and in {split}",
                    expected="every subject in one split; nonmember alone may ask about subjects "
                    "of forget",
                    mend="Split by subject, not by question: what is forgotten about a subject in "
                    "one split would be retained in the other.",
                )
            for member in trained.get((sample.subject_id, sample.question), ()):
                if _same_image(member.image, sample.image):
                    raise failed(
                        what,
                        "subjects",
                        found=f"the question {shown(sample.question)} about the subject "
                        f"{shown(sample.subject_id)}, with the same picture, in forget and in "
                        "nonmember",
                        expected="questions or pictures in nonmember that no model was trained on",
                        mend="Leave it out of one of the two.",
                    )


def _same_image(one: Any, other: Any) -> bool:
    if one is None or other is None or one is other:
        return one is other
    return np.array_equal(np.asarray(one), np.asarray(other))
