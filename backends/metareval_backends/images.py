"""The image of a sample, whatever form it has, as a PIL image."""

from __future__ import annotations

import numpy as np
from PIL import Image

from metareval.errors import ObservationError
from metareval.protocols import Sample
from metareval.results import shorten


def rgb_image(sample: Sample) -> Image.Image:
    """Return the image of a sample with three channels.

    Raises
    ------
    ObservationError
        It is neither a PIL image nor an array of uint8 of shape (height, width, 3), or it cannot be
        decoded.
    """
    image = sample.image
    if isinstance(image, Image.Image):
        try:
            return image.convert("RGB")
        # A picture that was opened and not yet read may turn out to be damaged.
        except (OSError, ValueError, SyntaxError) as error:
            raise ObservationError(
                f"The image of sample {sample.sample_id!r} cannot be decoded: "
                f"{shorten(' '.join(str(error).split()), 120)}. Replace it, or leave the sample "
                "out."
            ) from error
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ObservationError(
            f"The image of sample {sample.sample_id!r} is an array of shape {array.shape} and type "
            f"{array.dtype}; expected a PIL image, or an array of uint8 of shape (height, width, "
            "3)."
        )
    return Image.fromarray(array)
