"""What benchmarks of labelled images have in common: options, splits and samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from metareval.protocols import Sample
from metareval_benchmarks.draws import order
from metareval_benchmarks.images import from_pixels
from metareval_benchmarks.options import Configurable, choice, share, whole
from metareval_benchmarks.splitting import split_classes


@dataclass(frozen=True)
class Labelled:
    """Images with labels, those to train on first.

    Parameters
    ----------
    pixels : array of uint8, shape (n, height, width) or (n, height, width, 3)
    labels : list of int
        Positions in the names of the classes.
    n_seen : int
        How many images may be trained on; the others are held out.
    """

    pixels: NDArray[np.uint8]
    labels: list[int]
    n_seen: int


@dataclass(frozen=True)
class LabelledImages(Configurable):
    """A benchmark of labelled images; every image is a subject of its own.

    Parameters
    ----------
    forget_class : str or int, optional
        Forget one class, by its name or number; a random part of all images where None.
    forget_share : float
        Share of the images to train on that is forgotten, where no class is.
    seed : int
        Other seeds draw other images to forget.
    limit : int, optional
        Most images to use, drawn at random; all where None.
    """

    forget_class: str | int | None = None
    forget_share: float = 0.1
    seed: int = 0
    limit: int | None = None

    # Names of the classes by number, and what is asked about each image.
    classes: ClassVar[tuple[str, ...]]
    question: ClassVar[str]

    def __post_init__(self) -> None:
        if self.forget_class is not None:
            self._set("forget_class", self._class_name(self.forget_class))
        self._set("forget_share", share("forget_share", self.forget_share))
        self._set("seed", whole("seed", self.seed, low=0))
        if self.limit is not None:
            self._set("limit", whole("limit", self.limit, low=10))

    def _class_name(self, value: Any) -> str:
        if str(value) in self.classes:
            return str(value)
        # A number of a class, unless the classes are numbers themselves.
        if str(value).isdecimal() and len(str(value)) < 9 and int(value) < len(self.classes):
            return self.classes[int(value)]
        return choice("forget_class", value, self.classes)

    def _scale(self) -> int:
        """How many pixels wide and high each pixel becomes."""
        return 1

    def _read(self) -> Labelled:
        raise NotImplementedError

    def splits(self) -> dict[str, list[Sample]]:
        """Read the images and return the samples of each split."""
        data = self._read()
        total = len(data.labels)
        key = (self.name, self.seed)
        used = order(total, *key, "limit")[: self.limit] if self.limit else range(total)
        wanted = self.forget_class
        parts = split_classes(
            sorted(i for i in used if i < data.n_seen),
            sorted(i for i in used if i >= data.n_seen),
            data.labels,
            forget_class=None if wanted is None else self.classes.index(str(wanted)),
            forget_share=self.forget_share,
            key=key,
        )
        return {split: [self._sample(data, i) for i in numbers] for split, numbers in parts.items()}

    def _sample(self, data: Labelled, i: int) -> Sample:
        return Sample(
            sample_id=f"{self.name}-{i:05d}",
            subject_id=f"{self.name}-{i:05d}",
            question=self.question,
            answer=self.classes[data.labels[i]],
            image=from_pixels(data.pixels[i], scale=self._scale()),
        )
