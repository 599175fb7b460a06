"""The image of a sample, whatever form it has, as a PIL image."""

from __future__ import annotations

import numpy as np
from PIL import Image

from metareval.errors import ObservationError
from metareval.protocols import Sample


def rgb_image(sample: Sample) -> Image.Image:
    """Return the image of a sample with three channels.

    Raises
    ------
    ObservationError
        It is neither a PIL image nor an array of uint8 of shape (height, width, 3).
    """
    image = sample.image
    if isinstance(image, Image.Image):
        return image.convert("RGB")
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ObservationError(
            f"The image of sample {sample.sample_id!r} is an array of shape {array.shape} and type "
            f"{array.dtype}; expected a PIL image, or an array of uint8 of shape (height, width, "
            "3)."
        )
    return Image.fromarray(array)
