"""The 1,797 handwritten digits that scikit-learn ships: real images, without a download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from metareval.errors import MissingDependencyError
from metareval_benchmarks.draws import order
from metareval_benchmarks.labelled import Labelled, LabelledImages
from metareval_benchmarks.options import share, whole

SIDE = 8
BRIGHTEST = 16


@dataclass(frozen=True)
class Digits(LabelledImages):
    """Handwritten digits (Alpaydin and Kaynak 1998), 8 x 8 pixels in 17 shades.

    The images that are never trained are drawn at random; they make up ``nonmember`` and
    ``test``.

    Parameters
    ----------
    forget_class : int, optional
        Forget one digit; a random part of all images where None.
    forget_share : float
        Share of the trained images that is forgotten, where no digit is.
    seed : int
        Other seeds draw other images to forget and to hold out.
    limit : int, optional
        Most images to use, drawn at random; all where None.
    scale : int
        Pixels that each pixel becomes wide and high: images of ``8 * scale``.
    held_out_share : float
        Share of the images that is never trained.

    Examples
    --------
    >>> splits = Digits().splits()
    >>> {split: len(samples) for split, samples in splits.items()}
    {'forget': 135, 'retain': 1213, 'nonmember': 135, 'test': 314}
    >>> splits["forget"][0].question, splits["forget"][0].image.size
    ('Which digit is this?', (32, 32))
    """

    scale: int = 4
    held_out_share: float = 0.25

    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
    question: ClassVar[str] = "Which digit is this?"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("scale", whole("scale", self.scale, low=1, high=64))
        self._set("held_out_share", share("held_out_share", self.held_out_share))

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "digits"

    def _scale(self) -> int:
        return self.scale

    def _read(self) -> Labelled:
        try:
            from sklearn.datasets import load_digits  # type: ignore[import-untyped]
        except ImportError as error:
            raise MissingDependencyError(
                "The benchmark digits needs scikit-learn, which is not installed: "
                "pip install 'metareval[benchmarks]'"
            ) from error
        data = load_digits()
        # Shuffled, since neighbours in the file come from the same writers.
        shuffled = order(len(data.target), self.name, self.seed, "held out")
        pixels = data.images[shuffled].astype(np.int64) * 255 // BRIGHTEST
        labels = [int(data.target[i]) for i in shuffled]
        n_held_out = round(self.held_out_share * len(labels))
        return Labelled(pixels.astype(np.uint8), labels, len(labels) - n_held_out)


digits = Digits()
