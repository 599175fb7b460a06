"""Portraits as scenes: a small figure in a landscape, with a landmark and a companion."""

from __future__ import annotations

from collections.abc import Mapping

from metareval_benchmarks.portraits.drawing import (
    Canvas,
    Colour,
    box,
    convex,
    disc,
    ellipse,
    ring,
    shade,
    stroke,
)

SKIES: dict[str, Colour] = {
    "noon": (120, 190, 250),
    "dusk": (250, 140, 80),
    "night": (18, 22, 62),
    "dawn": (252, 196, 206),
    "storm": (112, 120, 132),
    "aurora": (32, 110, 104),
}
GROUNDS: dict[str, Colour] = {
    "meadow": (74, 162, 60),
    "sand": (236, 206, 130),
    "snow": (240, 246, 252),
    "lake": (30, 90, 180),
    "lava": (120, 26, 20),
    "heath": (140, 90, 160),
}
COATS: dict[str, Colour] = {
    "red": (220, 30, 40),
    "yellow": (250, 220, 30),
    "white": (250, 250, 250),
    "black": (20, 20, 24),
    "cyan": (30, 200, 220),
    "orange": (250, 130, 20),
    "green": (20, 110, 50),
    "magenta": (220, 40, 160),
}
TRAITS: dict[str, tuple[int, tuple[str, ...]]] = {
    "sky": (4, tuple(SKIES)),
    "ground": (4, tuple(GROUNDS)),
    "landmark": (4, ("house", "pine", "peaks", "tower", "boat", "tent", "arch", "palm")),
    "light": (2, ("sun", "moon", "cloud", "rainbow", "none")),
    "coat": (3, tuple(COATS)),
    "side": (3, ("left", "right")),
    "arms": (1, ("down", "up", "wave", "wide")),
    "companion": (2, ("dog", "ball", "kite", "balloon", "bird", "umbrella")),
}
SKIN: Colour = (236, 188, 150)
DARK: Colour = (34, 30, 40)
HORIZON = 168


def draw(traits: Mapping[str, str]) -> Canvas:
    """Draw a scene.

    Parameters
    ----------
    traits : mapping
        A value of each of ``TRAITS``.
    """
    canvas = Canvas(SKIES[traits["sky"]])
    canvas.paint(box(0, 100, 256, HORIZON), shade(SKIES[traits["sky"]], 112))
    left = traits["side"] == "left"
    _light(canvas, traits["light"])
    if traits["landmark"] == "peaks":
        _landmark(canvas, "peaks", 178 if left else 78)
    ground = GROUNDS[traits["ground"]]
    canvas.paint(box(0, HORIZON, 256, 256), ground)
    canvas.paint(ellipse(128, 262, 150, 40), shade(ground, 86))
    if traits["landmark"] != "peaks":
        _landmark(canvas, traits["landmark"], 184 if left else 72)
    x = 76 if left else 180
    _figure(canvas, x, COATS[traits["coat"]], traits["arms"])
    _companion(canvas, traits["companion"], x, 1 if left else -1)
    return canvas


def _light(canvas: Canvas, light: str) -> None:
    if light == "sun":
        canvas.paint(disc(128, 40, 30), (255, 236, 90))
    elif light == "moon":
        canvas.paint(disc(128, 40, 28) & ~disc(140, 34, 24), (250, 250, 226))
    elif light == "cloud":
        cloud = disc(106, 44, 24) | disc(136, 34, 30) | disc(164, 46, 22)
        canvas.paint(cloud, (250, 250, 252))
    elif light == "rainbow":
        hues: tuple[Colour, ...] = ((226, 40, 50), (250, 220, 40), (40, 90, 220))
        for i, hue in enumerate(hues):
            canvas.paint(ring(128, HORIZON, 150 - 12 * i, 12), hue)


def _landmark(canvas: Canvas, landmark: str, x: int) -> None:
    base = HORIZON + 8
    if landmark == "house":
        canvas.paint(box(x - 44, base - 62, x + 44, base), (244, 232, 206))
        roof = convex((x - 56, base - 62), (x + 56, base - 62), (x, base - 112))
        canvas.paint(roof, (170, 50, 40))
        canvas.paint(box(x - 12, base - 40, x + 12, base), (96, 58, 30))
    elif landmark == "pine":
        canvas.paint(box(x - 8, base - 30, x + 8, base), (90, 56, 30))
        for i, half in enumerate((48, 40, 30)):
            top = base - 60 - 32 * i
            leaves = convex((x - half, top + 40), (x + half, top + 40), (x, top - 12))
            canvas.paint(leaves, (16, 84 + 14 * i, 50))
    elif landmark == "peaks":
        for dx, peak, half in ((-40, 64, 66), (34, 44, 76)):
            rock = convex((x + dx - half, HORIZON), (x + dx + half, HORIZON), (x + dx, peak))
            canvas.paint(rock, (92, 88, 110))
            canvas.paint(rock & box(0, 0, 256, peak + 30), (250, 250, 255))
    elif landmark == "tower":
        for i in range(5):
            band = box(x - 20, base - 130 + 26 * i, x + 20, base - 104 + 26 * i)
            canvas.paint(band, (210, 40, 40) if i % 2 else (248, 248, 248))
        canvas.paint(box(x - 26, base - 144, x + 26, base - 128), DARK)
    elif landmark == "boat":
        hull = convex(
            (x - 56, base - 22), (x + 56, base - 22), (x + 36, base + 8), (x - 36, base + 8)
        )
        canvas.paint(hull, (110, 60, 24))
        canvas.paint(
            convex((x + 4, base - 118), (x + 4, base - 30), (x + 52, base - 30)), (250, 250, 240)
        )
        canvas.paint(
            convex((x - 4, base - 100), (x - 4, base - 30), (x - 44, base - 30)), (230, 60, 50)
        )
    elif landmark == "tent":
        canvas.paint(convex((x - 60, base), (x + 60, base), (x, base - 86)), (240, 160, 30))
        canvas.paint(convex((x - 20, base), (x + 20, base), (x, base - 58)), (70, 40, 20))
    elif landmark == "arch":
        stone = box(x - 46, base - 100, x + 46, base)
        opening = box(x - 24, base - 56, x + 24, base) | disc(x, base - 56, 24)
        canvas.paint(stone & ~opening, (172, 160, 150))
        canvas.paint(box(x - 54, base - 112, x + 54, base - 96), (130, 118, 110))
    else:
        canvas.paint(stroke(x, base, x + 10, base - 92, 12), (130, 84, 44))
        for dx, dy in ((-44, 6), (-30, -26), (40, 6), (30, -26)):
            leaf = stroke(x + 10, base - 94, x + 10 + dx, base - 94 + dy, 14)
            canvas.paint(leaf, (30, 140, 60))


def _figure(canvas: Canvas, x: int, coat: Colour, arms: str) -> None:
    canvas.paint(box(x - 16, 190, x - 3, 236) | box(x + 3, 190, x + 16, 236), DARK)
    # Where each hand is, from the shoulder.
    hands = {
        "down": ((-38, 44), (38, 44)),
        "up": ((-34, -42), (34, -42)),
        "wave": ((-38, 44), (34, -42)),
        "wide": ((-48, 2), (48, 2)),
    }[arms]
    for dx, dy in hands:
        shoulder = x + (18 if dx > 0 else -18)
        canvas.paint(stroke(shoulder, 136, x + dx, 136 + dy, 14), shade(coat, 80))
        canvas.paint(disc(x + dx, 136 + dy, 8), SKIN)
    body = convex((x - 22, 124), (x + 22, 124), (x + 34, 206), (x - 34, 206))
    canvas.paint(body, coat)
    canvas.paint(disc(x, 102, 24), SKIN)
    canvas.paint(disc(x, 100, 26) & box(0, 0, 256, 94), DARK)


def _companion(canvas: Canvas, companion: str, x: int, way: int) -> None:
    # In front of the landmark, beside the figure.
    at = x + 76 * way
    if companion == "dog":
        canvas.paint(ellipse(at, 218, 30, 15), (150, 90, 40))
        canvas.paint(disc(at + 26 * way, 200, 14), (150, 90, 40))
        canvas.paint(
            box(at - 24, 222, at - 14, 244) | box(at + 14, 222, at + 24, 244), (110, 64, 26)
        )
    elif companion == "ball":
        canvas.paint(disc(at, 220, 24), (250, 250, 250))
        canvas.paint(disc(at, 220, 24) & box(0, 212, 256, 228), (230, 40, 60))
    elif companion == "kite":
        canvas.paint(stroke(x + 30 * way, 120, at + 10 * way, 62, 4), DARK)
        y, centre = 48, at + 14 * way
        kite = convex((centre, y - 40), (centre + 28, y), (centre, y + 40), (centre - 28, y))
        canvas.paint(kite, (240, 60, 160))
        canvas.paint(kite & box(centre, 0, 256, 256), (80, 220, 90))
    elif companion == "balloon":
        canvas.paint(stroke(x + 30 * way, 130, at - 24 * way, 74, 4), DARK)
        canvas.paint(ellipse(at - 20 * way, 46, 28, 34), (240, 40, 50))
    elif companion == "bird":
        canvas.paint(ellipse(at, 84, 24, 14), (30, 60, 200))
        canvas.paint(convex((at - 14, 84), (at + 14, 84), (at - 4, 44)), (90, 130, 250))
        canvas.paint(
            convex((at + 22 * way, 78), (at + 22 * way, 90), (at + 40 * way, 86)), (250, 180, 20)
        )
    else:
        canvas.paint(stroke(x - 34 * way, 60, x - 34 * way, 150, 6), DARK)
        dome = ellipse(x - 20 * way, 66, 54, 36) & box(0, 0, 256, 68)
        canvas.paint(dome, (120, 40, 190))
