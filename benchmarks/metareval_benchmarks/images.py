"""Images from files of others, decoded with care."""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metareval.errors import ArgumentError, LoadError
from metareval.files import safe_child
from metareval.reading.files import shown

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
# A small file can stand for a picture that fills the memory.
MOST_PIXELS = 64_000_000
MOST_BYTES = 256 * 2**20


def decode(data: bytes, where: str) -> Image.Image:
    """Return the picture that an encoded file holds, in RGB.

    Parameters
    ----------
    data : bytes
        A whole JPEG, PNG, WebP, GIF or BMP file.
    where : str
        Where it comes from, for messages.

    Raises
    ------
    LoadError
        It is damaged, of another format, or has too many pixels.
    """
    try:
        with warnings.catch_warnings():
            # Warnings are about oddities of other people's files; the size is checked below.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                width, height = picture.size
                if width * height > MOST_PIXELS:
                    raise LoadError(
                        f"{where}: the image has {width} x {height} pixels; at most "
                        f"{MOST_PIXELS:,} are read. Make it smaller."
                    )
                return picture.convert("RGB")
    except LoadError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, struct.error) as error:
        raise _undecodable(where, data, error) from error
    except Image.DecompressionBombError as error:
        raise _undecodable(where, data, error) from error


def read_image(folder: Path, name: str, where: str) -> Image.Image:
    """Return the picture in a file below a folder, in RGB.

    Parameters
    ----------
    folder : Path
    name : str
        A path below the folder, with ``/``; any other path is refused.
    where : str
        Which row asks for it, for messages.

    Raises
    ------
    LoadError
        The file is missing, outside the folder, or no image.
    """
    try:
        path = safe_child(folder, name)
    except ArgumentError as error:
        raise LoadError(f"{where}: {error}") from error
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise LoadError(f"{where}: the image {shown(path)} is not a file.")
        if size > MOST_BYTES:
            raise LoadError(f"{where}: {shown(path)} has {size:,} bytes; no image is so large.")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise LoadError(
            f"{where}: the image {shown(path)} does not exist. Copy the images there, or name "
            "their folder."
        ) from error
    except OSError as error:
        raise LoadError(f"{where}: {shown(path)} cannot be read: {error.strerror}.") from error
    return decode(data, f"{where}, {shown(path)}")


class Pictures:
    """Decodes each picture once, so that the questions about it share it.

    Parameters
    ----------
    folder : Path, optional
        Where files named by the data are. Where None, the data must hold the pictures themselves.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._decoded: dict[str | bytes, Image.Image] = {}

    def get(self, value: Any, where: str) -> Image.Image:
        """Return a picture from its encoded bytes, ``{"bytes": ...}``, or the name of its file.

        Raises
        ------
        LoadError
            It is none of these, or cannot be read.
        """
        if isinstance(value, Mapping):
            inside = value.get("bytes")
            value = value.get("path") if inside is None and self._folder is not None else inside
        if isinstance(value, bytes):
            key: str | bytes = hashlib.sha256(value).digest()
            if key not in self._decoded:
                self._decoded[key] = decode(value, where)
        elif isinstance(value, str) and self._folder is not None:
            key = value
            if key not in self._decoded:
                self._decoded[key] = read_image(self._folder, value, where)
        else:
            named = " or the name of a file" if self._folder is not None else ""
            raise LoadError(
                f"{where}: the image is {type(value).__name__}; expected the bytes of an image"
                f"{named}."
            )
        return self._decoded[key]


def from_pixels(pixels: NDArray[np.uint8], *, scale: int = 1) -> Image.Image:
    """Return a picture from pixels, each made ``scale`` pixels wide and high, in RGB.

    Parameters
    ----------
    pixels : array of uint8, shape (height, width) or (height, width, 3)
    scale : int

    Examples
    --------
    >>> from_pixels(np.zeros((2, 2), dtype=np.uint8), scale=4).size
    (8, 8)
    """
    large = pixels.repeat(scale, axis=0).repeat(scale, axis=1)
    if large.ndim == 2:
        large = np.stack([large] * 3, axis=-1)
    return Image.fromarray(np.ascontiguousarray(large))


def _undecodable(where: str, data: bytes, error: Exception) -> LoadError:
    text = " ".join(str(error).split())[:120]
    return LoadError(
        f"{where}: {len(data):,} bytes that are no image, or a damaged one ({text}). Expected a "
        f"whole file in one of the formats {', '.join(FORMATS)}."
    )
