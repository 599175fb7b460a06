"""Fashion-MNIST, from the files of Debian's package or any folder with the four files."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from metareval.errors import LoadError
from metareval.reading.files import shown
from metareval_benchmarks.labelled import Labelled, LabelledImages
from metareval_benchmarks.options import existing, optional_path

DEBIAN = "/usr/share/datasets/fashion-mnist"
GET = (
    "On Debian and Ubuntu: sudo apt install dataset-fashion-mnist. Elsewhere copy its four files "
    "(train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, "
    "t10k-labels-idx1-ubyte.gz) into a folder and give path=..."
)
SIDE = 28
MOST_IMAGES = 1_000_000


@dataclass(frozen=True)
class FashionMnist(LabelledImages):
    """Pictures of clothing in ten classes (Xiao, Rasul and Vollgraf 2017), 28 x 28 in grey.

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
        Most images to use, drawn at random; all 70,000 where None.
    path : path
        Folder with the four files.

    Examples
    --------
    >>> FashionMnist(forget_class=7).forget_class
    'sneaker'
    """

    path: Path | None = Path(DEBIAN)

    classes: ClassVar[tuple[str, ...]] = (
        "t-shirt",
        "trousers",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    )
    question: ClassVar[str] = "Which piece of clothing is this?"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("path", optional_path("path", self.path))

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "fashion-mnist"

    def _read(self) -> Labelled:
        folder = existing(self.path, benchmark=self.name, option="path", folder=True, get=GET)
        parts, labels = [], []
        for part in ("train", "t10k"):
            images = _idx(folder / f"{part}-images-idx3-ubyte.gz", dimensions=3)
            numbers = _idx(folder / f"{part}-labels-idx1-ubyte.gz", dimensions=1)
            if len(images) != len(numbers) or images.shape[1:] != (SIDE, SIDE):
                raise LoadError(
                    f"{shown(folder)}: the {part} files hold images of shape {images.shape} and "
                    f"{len(numbers)} labels; expected as many labels as images of "
                    f"{SIDE} x {SIDE}. {GET}"
                )
            if numbers.max() >= len(self.classes):
                raise LoadError(
                    f"{shown(folder)}: a {part} label is {numbers.max()}; expected 0 to "
                    f"{len(self.classes) - 1}. {GET}"
                )
            parts.append(images)
            labels += numbers.tolist()
        return Labelled(np.concatenate(parts), labels, len(parts[0]))


def _idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """Read a compressed IDX file of bytes: magic number, size of each dimension, values."""
    try:
        with gzip.open(path) as stream:
            header = stream.read(4 * (dimensions + 1))
            magic, *shape = np.frombuffer(header, dtype=">u4").astype(np.int64).tolist()
            if magic != 0x800 + dimensions or len(shape) != dimensions or 0 in shape:
                raise LoadError(
                    f"{shown(path)} is not an IDX file of {dimensions} dimensions. {GET}"
                )
            if shape[0] > MOST_IMAGES or any(n > 1024 for n in shape[1:]):
                raise LoadError(f"{shown(path)} says that it holds {shape} values. {GET}")
            expected = int(np.prod(shape))
            # One byte more shows a file that is too long.
            data = stream.read(expected + 1)
    except FileNotFoundError as error:
        raise LoadError(f"{shown(path)} does not exist. {GET}") from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise LoadError(f"{shown(path)} is damaged: {error}. {GET}") from error
    if len(data) != expected:
        found = f"{len(data):,}" if len(data) < expected else f"more than {expected:,}"
        raise LoadError(f"{shown(path)}: {found} values; expected {expected:,}. {GET}")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


fashion_mnist = FashionMnist()
