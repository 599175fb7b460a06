"""Shapes on a canvas of 256 x 256, in whole numbers alone: the same pixels on every machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metareval_benchmarks import draws

Mask = NDArray[np.bool_]
Colour = tuple[int, int, int]

SIDE = 256
# Sizes by which the canvas can be divided, so that every pixel is a plain mean of others.
SIZES = (16, 32, 64, 128, 256)

# Twice the coordinates of the pixels' centres: these are odd, so that no centre is on an edge.
_X, _Y = np.meshgrid(2 * np.arange(SIDE, dtype=np.int64) + 1, 2 * np.arange(SIDE) + 1)

# How many sets of traits are tried for each identity.
CANDIDATES = 64


class Canvas:
    """A picture in the making.

    Parameters
    ----------
    colour : tuple of int
        Red, green and blue of the background.
    """

    def __init__(self, colour: Colour) -> None:
        self.pixels: NDArray[np.uint8] = np.empty((SIDE, SIDE, 3), dtype=np.uint8)
        self.pixels[:] = colour

    def paint(self, mask: Mask, colour: Colour) -> None:
        """Give the pixels of a shape a colour."""
        self.pixels[mask] = colour

    def picture(self, size: int) -> Image.Image:
        """Return the picture, each pixel the mean of a square of the canvas.

        Parameters
        ----------
        size : int
            One of ``SIZES``.

        Examples
        --------
        >>> Canvas((1, 2, 3)).picture(32).getpixel((0, 0))
        (1, 2, 3)
        """
        step = SIDE // size
        squares = self.pixels.reshape(size, step, size, step, 3).astype(np.int64)
        sums = squares.sum(axis=(1, 3))
        means = (sums + step * step // 2) // (step * step)
        return Image.fromarray(means.astype(np.uint8))


def box(left: int, top: int, right: int, bottom: int) -> Mask:
    """Return a rectangle.

    Examples
    --------
    >>> int(box(0, 0, 10, 20).sum())
    200
    """
    columns, rows = np.zeros((2, SIDE), dtype=bool)
    columns[max(left, 0) : max(right, 0)] = True
    rows[max(top, 0) : max(bottom, 0)] = True
    return rows[:, None] & columns[None, :]


def ellipse(x: int, y: int, across: int, down: int) -> Mask:
    """Return an ellipse by its centre and half axes."""
    near = ((_X - 2 * x) * down) ** 2 + ((_Y - 2 * y) * across) ** 2
    return near <= (2 * across * down) ** 2


def disc(x: int, y: int, radius: int) -> Mask:
    """Return a disc."""
    return ellipse(x, y, radius, radius)


def ring(x: int, y: int, radius: int, width: int) -> Mask:
    """Return a ring of a width, inside a radius."""
    return disc(x, y, radius) & ~disc(x, y, radius - width)


def convex(*points: tuple[int, int]) -> Mask:
    """Return a polygon without dents, by its corners in order."""
    left = np.ones((SIDE, SIDE), dtype=bool)
    right = left.copy()
    for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True):
        cross = (x1 - x0) * (_Y - 2 * y0) - (y1 - y0) * (_X - 2 * x0)
        left &= cross >= 0
        right &= cross <= 0
    return left | right


def stroke(x0: int, y0: int, x1: int, y1: int, width: int) -> Mask:
    """Return a straight line with round ends."""
    dx, dy = x1 - x0, y1 - y0
    across = (dx * (_Y - 2 * y0) - dy * (_X - 2 * x0)) ** 2 <= (width * width) * (dx * dx + dy * dy)
    along = dx * (_X - 2 * x0) + dy * (_Y - 2 * y0)
    between = (along >= 0) & (along <= 2 * (dx * dx + dy * dy))
    radius = max(width // 2, 1)
    return (across & between) | disc(x0, y0, radius) | disc(x1, y1, radius)


def stripes(step: int, dx: int, dy: int) -> Mask:
    """Return every other stripe of a width, at right angles to a direction."""
    found: Mask = (dx * _X + dy * _Y) // (2 * step) % 2 == 0
    return found


def shade(colour: Colour, percent: int) -> Colour:
    """Return a darker colour, or a lighter one where the percentage exceeds 100.

    Examples
    --------
    >>> shade((100, 200, 0), 50)
    (50, 100, 0)
    """
    red, green, blue = (min(255, part * percent // 100) for part in colour)
    return red, green, blue


def distinct_traits(
    n: int, pools: Mapping[str, tuple[int, Sequence[str]]], *key: object
) -> list[dict[str, str]]:
    """Draw sets of traits that differ from each other as much as can be had cheaply.

    Each set is the best of some candidates: the one whose nearest earlier set is furthest away,
    counted in the weights of the traits in which they differ. More sets leave the first ones as
    they are.

    Parameters
    ----------
    n : int
    pools : mapping of trait to (weight, values)
        The weight says how much of the picture the trait changes.
    *key
        What the draw depends on.

    Examples
    --------
    >>> pools = {"hat": (3, ["none", "cap"]), "eyes": (1, ["blue", "green"])}
    >>> len({tuple(traits.values()) for traits in distinct_traits(4, pools, "a")})
    4
    """
    chosen: list[dict[str, str]] = []
    for i in range(n):
        candidates = [
            {trait: draws.pick(pool, *key, i, j, trait) for trait, (_, pool) in pools.items()}
            for j in range(CANDIDATES)
        ]

        def gap(traits: Mapping[str, str]) -> int:
            return min(
                (
                    sum(w for trait, (w, _) in pools.items() if traits[trait] != other[trait])
                    for other in chosen
                ),
                default=0,
            )

        chosen.append(max(candidates, key=gap))
    return chosen
