"""Portraits as faces, seen from the front."""

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
    shade,
    stripes,
    stroke,
)

BACKDROPS: dict[str, Colour] = {
    "white": (238, 236, 228),
    "navy": (34, 48, 98),
    "green": (72, 150, 84),
    "yellow": (242, 204, 72),
    "pink": (238, 148, 172),
    "sky": (124, 194, 236),
    "rust": (176, 74, 40),
    "grey": (128, 132, 140),
}
CLOTHES: dict[str, Colour] = {
    "red": (206, 38, 48),
    "blue": (36, 92, 206),
    "white": (244, 244, 244),
    "black": (28, 28, 32),
    "orange": (244, 134, 24),
    "purple": (122, 50, 150),
    "lime": (160, 216, 40),
    "teal": (16, 130, 134),
}
HAIR: dict[str, Colour] = {
    "black": (26, 22, 24),
    "brown": (104, 60, 28),
    "blond": (232, 196, 96),
    "red": (190, 66, 20),
    "silver": (206, 208, 214),
    "violet": (130, 70, 190),
}
SKIN: dict[str, Colour] = {
    "1": (250, 218, 188),
    "2": (230, 180, 138),
    "3": (190, 132, 88),
    "4": (140, 90, 56),
    "5": (92, 58, 38),
}
TRAITS: dict[str, tuple[int, tuple[str, ...]]] = {
    "backdrop": (4, tuple(BACKDROPS)),
    "pattern": (2, ("plain", "stripes", "halo", "halves")),
    "clothes": (4, tuple(CLOTHES)),
    "collar": (1, ("round", "pointed", "striped", "buttons")),
    "skin": (2, tuple(SKIN)),
    "style": (4, ("bald", "short", "long", "bun", "curls", "mohawk", "hat", "bob")),
    "hair": (3, tuple(HAIR)),
    "glasses": (2, ("none", "round", "square", "dark")),
    "beard": (2, ("none", "none", "moustache", "full")),
    "mouth": (1, ("smile", "straight", "open")),
}
DARK: Colour = (30, 26, 30)


def draw(traits: Mapping[str, str]) -> Canvas:
    """Draw a face.

    Parameters
    ----------
    traits : mapping
        A value of each of ``TRAITS``.
    """
    hair, skin = HAIR[traits["hair"]], SKIN[traits["skin"]]
    canvas = _backdrop(traits)
    behind = _behind(traits["style"])
    if behind is not None:
        canvas.paint(behind, shade(hair, 85))
    _clothes(canvas, traits)
    canvas.paint(box(106, 170, 150, 216) | ellipse(128, 214, 22, 14), shade(skin, 86))
    if traits["collar"] == "pointed":
        canvas.paint(convex((106, 206), (150, 206), (128, 250)), shade(skin, 86))
    canvas.paint(ellipse(128, 122, 56, 70), skin)
    canvas.paint(disc(73, 126, 12) | disc(183, 126, 12), skin)
    if traits["beard"] == "full":
        jaw = ellipse(128, 122, 57, 71) & box(0, 142, 256, 256)
        canvas.paint(jaw, hair)
    _features(canvas, traits, skin)
    _hair(canvas, traits["style"], hair, CLOTHES[traits["clothes"]])
    return canvas


def _backdrop(traits: Mapping[str, str]) -> Canvas:
    colour = BACKDROPS[traits["backdrop"]]
    canvas = Canvas(colour)
    other = shade(colour, 70) if sum(colour) > 330 else shade(colour, 170)
    if traits["pattern"] == "stripes":
        canvas.paint(stripes(32, 1, 0), other)
    elif traits["pattern"] == "halo":
        canvas.paint(ring(128, 122, 122, 22), other)
    elif traits["pattern"] == "halves":
        canvas.paint(box(128, 0, 256, 256), other)
    return canvas


def _clothes(canvas: Canvas, traits: Mapping[str, str]) -> None:
    colour = CLOTHES[traits["clothes"]]
    body = ellipse(128, 280, 112, 82)
    other = shade(colour, 60) if sum(colour) > 330 else (225, 225, 225)
    canvas.paint(body, colour)
    if traits["collar"] == "striped":
        canvas.paint(body & stripes(14, 0, 1), other)
    elif traits["collar"] == "buttons":
        canvas.paint(disc(128, 232, 7) | disc(128, 250, 7), other)


def _behind(style: str) -> Mask | None:
    if style == "long":
        return ellipse(128, 128, 82, 90) | box(46, 128, 210, 236)
    if style == "bob":
        return ellipse(128, 124, 84, 82) & box(0, 0, 256, 182)
    if style == "curls":
        spots = [(62, 96), (56, 134), (72, 64), (194, 96), (200, 134), (184, 64)]
        found = disc(128, 48, 36)
        for x, y in (*spots, (100, 44), (156, 44)):
            found = found | disc(x, y, 32)
        return found
    return None


def _features(canvas: Canvas, traits: Mapping[str, str], skin: Colour) -> None:
    glasses = traits["glasses"]
    for x in (104, 152):
        canvas.paint(ellipse(x, 118, 11, 8), (250, 250, 250))
        canvas.paint(disc(x, 118, 6), DARK)
        if glasses == "round":
            canvas.paint(ring(x, 118, 24, 6), DARK)
        elif glasses == "square":
            edge = box(x - 24, 98, x + 24, 138) & ~box(x - 18, 104, x + 18, 132)
            canvas.paint(edge, (180, 30, 40))
        elif glasses == "dark":
            canvas.paint(ellipse(x, 118, 25, 18), DARK)
    if glasses != "none":
        canvas.paint(box(124, 114, 132, 120), DARK)
    canvas.paint(convex((128, 124), (136, 150), (120, 150)), shade(skin, 80))
    if traits["beard"] == "moustache":
        canvas.paint(ellipse(128, 159, 30, 8), HAIR[traits["hair"]])
    lips = (178, 50, 60)
    if traits["mouth"] == "smile":
        canvas.paint(ellipse(128, 164, 24, 16) & box(0, 168, 256, 256), lips)
    elif traits["mouth"] == "straight":
        canvas.paint(box(108, 170, 148, 176), lips)
    else:
        canvas.paint(ellipse(128, 174, 13, 11), (110, 20, 30))


def _hair(canvas: Canvas, style: str, hair: Colour, clothes: Colour) -> None:
    crown = ellipse(128, 118, 62, 74)
    if style in ("short", "bun"):
        canvas.paint(crown & box(0, 0, 256, 88), hair)
    if style == "bun":
        canvas.paint(disc(128, 34, 28), hair)
    elif style in ("long", "bob"):
        canvas.paint(crown & box(0, 0, 256, 90) & ~ellipse(128, 118, 42, 50), hair)
        if style == "bob":
            canvas.paint(crown & box(0, 0, 256, 98), hair)
    elif style == "curls":
        for x in (88, 114, 142, 168):
            canvas.paint(disc(x, 64, 20), hair)
    elif style == "mohawk":
        canvas.paint(stroke(128, 18, 128, 74, 38), hair)
    elif style == "hat":
        canvas.paint(crown & box(0, 80, 256, 150) & ~ellipse(128, 126, 50, 74), hair)
        canvas.paint(box(78, 22, 178, 84), shade(clothes, 78))
        canvas.paint(ellipse(128, 84, 90, 14), shade(clothes, 62))
