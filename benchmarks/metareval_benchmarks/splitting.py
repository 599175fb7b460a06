"""Splits without leaks: by subject, and by class of labelled images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from metareval.errors import ArgumentError, LoadError
from metareval.protocols import Sample
from metareval_benchmarks.draws import order

T = TypeVar("T")


def refuse_leaks(splits: Mapping[str, Sequence[Sample]], source: str, *, advice: str) -> None:
    """Refuse splits that share a subject, or samples that share an id.

    ``nonmember`` may ask about subjects of ``forget``.

    Parameters
    ----------
    splits : mapping of split to samples
    source : str
        Where the samples come from, for messages.
    advice : str
        What to do: a sentence for the message.

    Raises
    ------
    LoadError
        They do, or a split that must be there is empty.
    """
    subjects: dict[str, str] = {}
    ids: dict[str, str] = {}
    for split in ("forget", "retain"):
        if not splits.get(split):
            raise LoadError(f"{source}: no samples for the split {split}. {advice}")
    for split, samples in splits.items():
        for sample in samples:
            if sample.sample_id in ids:
                raise LoadError(
                    f"{source}: the sample id {sample.sample_id!r:.80} is in "
                    f"{ids[sample.sample_id]} and again in {split}. {advice}"
                )
            ids[sample.sample_id] = split
            other = subjects.setdefault(sample.subject_id, split)
            if other != split and {other, split} != {"forget", "nonmember"}:
                raise LoadError(
                    f"{source}: the subject {sample.subject_id!r:.80} is in {other} and in "
                    f"{split}. {advice}"
                )


def split_classes(
    seen: Sequence[int],
    held_out: Sequence[int],
    labels: Sequence[int],
    *,
    forget_class: int | None,
    forget_share: float,
    key: tuple[object, ...],
) -> dict[str, list[int]]:
    """Share out labelled images: what is trained and forgotten, and what no model sees.

    The images of ``nonmember`` are drawn the way that those of ``forget`` are, so that the two
    differ in nothing but the training.

    Parameters
    ----------
    seen : sequence of int
        Numbers of the images to train on.
    held_out : sequence of int
        Numbers of images that are never trained.
    labels : sequence of int
        The class of each image, by number.
    forget_class : int, optional
        Forget one class; a random part of all images where None.
    forget_share : float
        How large that part is.
    key : tuple
        What the draw depends on.

    Returns
    -------
    dict of split to numbers of images

    Raises
    ------
    ArgumentError
        A split would be empty.

    Examples
    --------
    >>> labels = [0, 1] * 10
    >>> split = split_classes(
    ...     range(12), range(12, 20), labels, forget_class=1, forget_share=0.1, key=(0,)
    ... )
    >>> {name: len(numbers) for name, numbers in split.items()}
    {'forget': 6, 'retain': 6, 'nonmember': 4, 'test': 4}
    """
    if forget_class is None:
        shuffled = [seen[i] for i in order(len(seen), *key, "forget")]
        n = round(forget_share * len(seen))
        forget, retain = shuffled[:n], shuffled[n:]
        shuffled = [held_out[i] for i in order(len(held_out), *key, "nonmember")]
        # As many as are forgotten, unless the test split would be the smaller part.
        n = min(n, len(held_out) // 2)
        nonmember, test = shuffled[:n], shuffled[n:]
    else:
        forget, retain = _parted(seen, labels, forget_class)
        nonmember, test = _parted(held_out, labels, forget_class)
    parts = {"forget": forget, "retain": retain, "nonmember": nonmember, "test": test}
    for split, numbers in parts.items():
        if not numbers:
            raise ArgumentError(
                f"No image is left for the split {split}: {len(seen)} images to train on, "
                f"{len(held_out)} held out, forget_class={forget_class}, "
                f"forget_share={forget_share}. Take more images or another share."
            )
    return {split: sorted(numbers) for split, numbers in parts.items()}


def _parted(
    numbers: Sequence[int], labels: Sequence[int], label: int
) -> tuple[list[int], list[int]]:
    inside = [i for i in numbers if labels[i] == label]
    return inside, [i for i in numbers if labels[i] != label]
