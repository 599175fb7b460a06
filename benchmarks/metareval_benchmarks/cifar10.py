"""CIFAR-10, from the files of its binary version."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from metareval.errors import LoadError
from metareval.reading.files import shown
from metareval_benchmarks.labelled import Labelled, LabelledImages
from metareval_benchmarks.options import existing, optional_path

GET = (
    "Take the binary version: curl -O https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz, "
    "unpack it, and give path=.../cifar-10-batches-bin."
)
TRAINING = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST = "test_batch.bin"
SIDE = 32
IMAGES_IN_FILE = 10_000
BYTES_OF_IMAGE = 1 + 3 * SIDE * SIDE


@dataclass(frozen=True)
class Cifar10(LabelledImages):
    """Small photographs in ten classes (Krizhevsky 2009), 32 x 32 in colour.

    The official training images are ``forget`` and ``retain``, the official test images
    ``nonmember`` and ``test``.

    Parameters
    ----------
    forget_class : str or int, optional
        Forget one class; a random part of all images where None.
    forget_share : float
        Share of the trained images that is forgotten, where no class is.
    seed : int
        Other seeds draw other images to forget.
    limit : int, optional
        Most images to use, drawn at random; all 60,000 where None.
    path : path
        Folder ``cifar-10-batches-bin``. The Python version is stored as pickles, which run what
        is in them when they are opened: it is refused.

    Examples
    --------
    >>> Cifar10(path="cifar-10-batches-bin", forget_class="ship").forget_class
    'ship'
    """

    path: Path | None = None

    classes: ClassVar[tuple[str, ...]] = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )
    question: ClassVar[str] = "What does this picture show?"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("path", optional_path("path", self.path))

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "cifar10"

    def _read(self) -> Labelled:
        folder = existing(self.path, benchmark=self.name, option="path", folder=True, get=GET)
        if (folder / "data_batch_1").exists() and not (folder / TRAINING[0]).exists():
            raise LoadError(
                f"{shown(folder)} holds the Python version of CIFAR-10, which is stored as "
                f"pickles: opening one runs what is in it, so none is opened. {GET}"
            )
        parts = [_batch(folder / name) for name in (*TRAINING, TEST)]
        records = np.concatenate(parts)
        pixels = records[:, 1:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
        n_seen = len(records) - len(parts[-1])
        return Labelled(pixels, records[:, 0].tolist(), n_seen)


def _batch(path: Path) -> NDArray[np.uint8]:
    expected = IMAGES_IN_FILE * BYTES_OF_IMAGE
    try:
        found = path.stat().st_size
        if found != expected:
            raise LoadError(
                f"{shown(path)} has {found:,} bytes; expected {expected:,} ({IMAGES_IN_FILE:,} "
                f"images of {BYTES_OF_IMAGE:,}). {GET}"
            )
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise LoadError(f"{shown(path)} does not exist. {GET}") from error
    except OSError as error:
        raise LoadError(f"{shown(path)} cannot be read: {error.strerror}. {GET}") from error
    records = np.frombuffer(data, dtype=np.uint8).reshape(-1, BYTES_OF_IMAGE)
    if records[:, 0].max() >= len(Cifar10.classes):
        raise LoadError(f"{shown(path)}: a label is {records[:, 0].max()}; expected 0 to 9. {GET}")
    return records


cifar10 = Cifar10()
