"""Portraits as badges: a silhouette on a patterned shield, with a symbol."""

from __future__ import annotations

from collections.abc import Mapping

from metareval_benchmarks.portraits.drawing import (
    Canvas,
    Colour,
    Mask,
    box,
    convex,
    disc,
    ellipse,
    ring,
    stripes,
    stroke,
)

FIELDS: dict[str, Colour] = {
    "ivory": (246, 240, 220),
    "black": (24, 24, 28),
    "azure": (40, 110, 220),
    "emerald": (20, 140, 80),
    "gold": (240, 190, 30),
    "crimson": (190, 24, 50),
    "lilac": (188, 150, 224),
    "slate": (96, 110, 128),
}
SHIELDS: dict[str, Colour] = {
    "white": (250, 250, 250),
    "scarlet": (224, 50, 40),
    "cobalt": (30, 64, 170),
    "amber": (250, 170, 20),
    "mint": (140, 226, 180),
    "plum": (110, 30, 110),
    "aqua": (70, 200, 220),
    "olive": (120, 124, 40),
}
PATTERNS = ("plain", "bars", "pales", "bends", "quarters", "checks")
SHAPES = ("round", "shield", "hexagon", "diamond", "square")
HEADGEAR = ("none", "cap", "tall hat", "crown", "hood", "plaits")
SYMBOLS = ("star", "cross", "moon", "ring", "bolt", "heart")
TRAITS: dict[str, tuple[int, tuple[str, ...]]] = {
    "field": (4, tuple(FIELDS)),
    "shield": (4, tuple(SHIELDS)),
    "shape": (3, SHAPES),
    "pattern": (3, PATTERNS),
    "headgear": (2, HEADGEAR),
    "symbol": (2, SYMBOLS),
    "figure": (3, ("dark", "light")),
}
EDGE: Colour = (16, 16, 20)
INKS: dict[str, Colour] = {"dark": (20, 20, 36), "light": (255, 252, 240)}


def draw(traits: Mapping[str, str]) -> Canvas:
    """Draw a badge.

    Parameters
    ----------
    traits : mapping
        A value of each of ``TRAITS``.
    """
    canvas = Canvas(FIELDS[traits["field"]])
    outer, inner = _shape(traits["shape"], 0), _shape(traits["shape"], 10)
    canvas.paint(outer, EDGE)
    canvas.paint(inner, SHIELDS[traits["shield"]])
    second = FIELDS[traits["field"]]
    canvas.paint(inner & _pattern(traits["pattern"]), second)
    ink = INKS[traits["figure"]]
    contour = INKS["light" if traits["figure"] == "dark" else "dark"]
    figure = _figure(traits["headgear"])
    canvas.paint(_grown(figure), contour)
    canvas.paint(figure, ink)
    # The symbol stands on the figure's chest, in the figure's contour.
    canvas.paint(_symbol(traits["symbol"], 128, 196), contour)
    return canvas


def _shape(shape: str, inset: int) -> Mask:
    low, high = 8 + inset, 248 - inset
    if shape == "round":
        return disc(128, 128, 120 - inset)
    if shape == "square":
        return box(low + 4, low + 4, high - 4, high - 4)
    if shape == "diamond":
        i = inset * 7 // 5
        return convex((128, i), (256 - i, 128), (128, 256 - i), (i, 128))
    if shape == "hexagon":
        return convex(
            (128, low),
            (high, 68 + inset // 2),
            (high, 188 - inset // 2),
            (128, high),
            (low, 188 - inset // 2),
            (low, 68 + inset // 2),
        )
    top = box(low + 8, low, high - 8, 130)
    return top | (ellipse(128, 128, 112 - inset, 122 - inset) & box(0, 126, 256, 256))


def _pattern(pattern: str) -> Mask:
    if pattern == "bars":
        return stripes(28, 0, 1)
    if pattern == "pales":
        return stripes(28, 1, 0)
    if pattern == "bends":
        return stripes(44, 1, 1)
    if pattern == "quarters":
        return box(128, 0, 256, 128) | box(0, 128, 128, 256)
    if pattern == "checks":
        return stripes(32, 1, 0) ^ stripes(32, 0, 1)
    return box(0, 0, 0, 0)


def _figure(headgear: str) -> Mask:
    head = ellipse(128, 104, 34, 40)
    chest = ellipse(128, 216, 72, 66) & box(0, 0, 256, 226)
    found = head | chest | box(114, 136, 142, 166)
    if headgear == "cap":
        found = found | (ellipse(128, 88, 40, 34) & box(0, 0, 256, 90)) | box(120, 82, 190, 92)
    elif headgear == "tall hat":
        found = found | box(98, 26, 158, 84) | box(78, 76, 178, 88)
    elif headgear == "crown":
        found = found | box(92, 60, 164, 80)
        for x in (92, 116, 140):
            found = found | convex((x, 62), (x + 24, 62), (x + 12, 30))
    elif headgear == "hood":
        found = found | ellipse(128, 110, 56, 68) | convex((128, 22), (168, 74), (88, 74))
    elif headgear == "plaits":
        found = found | stroke(90, 100, 74, 178, 22) | stroke(166, 100, 182, 178, 22)
    return found


def _grown(mask: Mask, by: int = 5) -> Mask:
    found = mask.copy()
    for _ in range(by):
        wider = found.copy()
        wider[1:] |= found[:-1]
        wider[:-1] |= found[1:]
        wider[:, 1:] |= found[:, :-1]
        wider[:, :-1] |= found[:, 1:]
        found = wider
    return found


def _symbol(symbol: str, x: int, y: int) -> Mask:
    if symbol == "star":
        up = convex((x, y - 32), (x + 28, y + 16), (x - 28, y + 16))
        return up | convex((x, y + 32), (x + 28, y - 16), (x - 28, y - 16))
    if symbol == "cross":
        return box(x - 9, y - 28, x + 9, y + 28) | box(x - 28, y - 9, x + 28, y + 9)
    if symbol == "moon":
        return disc(x, y, 28) & ~disc(x + 14, y - 6, 24)
    if symbol == "ring":
        return ring(x, y, 28, 11)
    if symbol == "bolt":
        upper = convex((x + 14, y - 32), (x - 22, y + 6), (x + 4, y + 6))
        return upper | convex((x - 14, y + 32), (x + 22, y - 6), (x - 4, y - 6))
    tops = disc(x - 13, y - 10, 15) | disc(x + 13, y - 10, 15)
    return tops | convex((x - 27, y - 4), (x + 27, y - 4), (x, y + 28))
