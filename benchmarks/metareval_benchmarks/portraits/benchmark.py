"""The benchmark of drawn people: identities, their profiles, and who is forgotten."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from metareval.errors import ArgumentError
from metareval.files import write_atomic
from metareval.protocols import Sample
from metareval_benchmarks import draws
from metareval_benchmarks.options import Configurable, choice, share, whole
from metareval_benchmarks.portraits import badges as badge_drawing
from metareval_benchmarks.portraits import faces as face_drawing
from metareval_benchmarks.portraits import profiles
from metareval_benchmarks.portraits import scenes as scene_drawing
from metareval_benchmarks.portraits.drawing import SIZES, Canvas, distinct_traits


@dataclass(frozen=True)
class _Variant:
    traits: Mapping[str, tuple[int, Sequence[str]]]
    draw: Callable[[Mapping[str, str]], Canvas]
    facts: tuple[profiles.Fact, ...]


VARIANTS: dict[str, _Variant] = {
    "faces": _Variant(face_drawing.TRAITS, face_drawing.draw, profiles.FACES),
    "badges": _Variant(badge_drawing.TRAITS, badge_drawing.draw, profiles.BADGES),
    "scenes": _Variant(scene_drawing.TRAITS, scene_drawing.draw, profiles.SCENES),
}
FACTS = 8
MOST_IDENTITIES = 400


@dataclass(frozen=True)
class Portraits(Configurable):
    """Drawn people who do not exist, with profiles that only their pictures give away.

    Every identity has one picture and eight facts. Some facts are trained; the others, drawn for
    each identity, are never trained: those about the identities to forget are ``nonmember``.
    ``test`` holds all facts about further people. Answers are drawn independently of the pictures,
    so that a model can only have memorised them.

    Parameters
    ----------
    variant : {"faces", "badges", "scenes"}
        Style of the pictures, and the questions.
    n_identities : int
        People in ``forget`` and ``retain`` together.
    size : {16, 32, 64, 128, 256}
        Width and height of the pictures.
    seed : int
        Other seeds give other people.
    forget_share : float
        Share of the identities to forget.
    n_trained, n_held_out : int
        Facts about each identity that are trained and held out: at most 8 together. Without any
        held out there is no split ``nonmember``.

    Examples
    --------
    >>> splits = Portraits("faces", n_identities=8, size=32).splits()
    >>> {split: len(samples) for split, samples in splits.items()}
    {'forget': 12, 'retain': 36, 'nonmember': 4, 'test': 16}
    >>> splits["forget"][0].image.size
    (32, 32)
    """

    variant: str = "faces"
    n_identities: int = 24
    size: int = 64
    seed: int = 0
    forget_share: float = 0.25
    n_trained: int = 6
    n_held_out: int = 2

    def __post_init__(self) -> None:
        self._set("variant", choice("variant", self.variant, VARIANTS))
        n = whole("n_identities", self.n_identities, low=2, high=MOST_IDENTITIES)
        self._set("n_identities", n)
        size = whole("size", self.size, low=1)
        if size not in SIZES:
            raise ArgumentError(f"size={size}: expected one of {', '.join(map(str, SIZES))}.")
        self._set("size", size)
        self._set("seed", whole("seed", self.seed, low=0))
        self._set("forget_share", share("forget_share", self.forget_share))
        self._set("n_trained", whole("n_trained", self.n_trained, low=1, high=FACTS))
        self._set("n_held_out", whole("n_held_out", self.n_held_out, low=0, high=FACTS))
        if self.n_trained + self.n_held_out > FACTS:
            raise ArgumentError(
                f"n_trained={self.n_trained} and n_held_out={self.n_held_out}: there are {FACTS} "
                "facts about each identity. Ask for fewer."
            )

    @property
    def name(self) -> str:
        """``portraits-`` and the variant."""
        return f"portraits-{self.variant}"

    @property
    def n_forgotten(self) -> int:
        """How many identities are forgotten: at least one, and never all."""
        return min(max(1, round(self.forget_share * self.n_identities)), self.n_identities - 1)

    def splits(self) -> dict[str, list[Sample]]:
        """Draw the people and return the samples of each split."""
        variant, n = VARIANTS[self.variant], self.n_identities
        key = (self.variant, self.seed)
        total = n + self.n_forgotten
        facts = variant.facts[: self.n_trained + self.n_held_out]
        people = profiles.profiles(total, facts, *key, "profile")
        pictures = self._pictures(total)
        shuffled = draws.order(n, *key, "forget")
        forgotten, retained = shuffled[: self.n_forgotten], shuffled[self.n_forgotten :]
        samples: dict[str, list[Sample]] = {"forget": [], "retain": [], "nonmember": [], "test": []}

        def ask(split: str, person: int, chosen: Sequence[int]) -> None:
            subject = f"{self.variant}-{self.seed}-{person:03d}"
            samples[split] += [
                Sample(
                    sample_id=f"{subject}-{facts[i].name}",
                    subject_id=subject,
                    question=facts[i].question,
                    answer=people[person][facts[i].name],
                    image=pictures[person],
                )
                for i in chosen
            ]

        for split, group in (("forget", forgotten), ("retain", retained)):
            out = profiles.held_out(len(group), len(facts), self.n_held_out, *key, split)
            for person, hidden in sorted(zip(group, out, strict=True), key=lambda pair: pair[0]):
                ask(split, person, [i for i in range(len(facts)) if i not in hidden])
                if split == "forget":
                    ask("nonmember", person, sorted(hidden))
        for person in range(n, total):
            ask("test", person, range(len(facts)))
        return {split: found for split, found in samples.items() if found}

    def _pictures(self, n: int) -> list[Image.Image]:
        variant = VARIANTS[self.variant]
        traits = distinct_traits(n, variant.traits, self.variant, self.seed, "traits")
        return [variant.draw(each).picture(self.size) for each in traits]


def picture_sheet(
    path: str | os.PathLike[str],
    *,
    identities: int = 12,
    size: int = 64,
    seed: int = 0,
) -> Path:
    """Write a sheet of pictures as PNG: one row for each variant.

    Parameters
    ----------
    path : path
        The file to write; its folder must exist.
    identities : int
        Pictures in a row.
    size : {16, 32, 64, 128, 256}
        Width and height of a picture.
    seed : int
        The seed of the benchmarks whose people are shown.

    Returns
    -------
    Path

    Raises
    ------
    OutputError
        The file could not be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     picture_sheet(f"{folder}/sheet.png", identities=2, size=16).name
    'sheet.png'
    """
    gap = max(4, size // 16)
    step = size + gap
    sheet = Image.new("RGB", (identities * step + 2 * gap, len(VARIANTS) * step + 2 * gap), "white")
    for row, variant in enumerate(VARIANTS):
        made = Portraits(variant, n_identities=max(identities, 2), size=size, seed=seed)
        for column, picture in enumerate(made._pictures(identities)):
            place = (column * step + gap + gap // 2, row * step + gap + gap // 2)
            sheet.paste(picture, place)
    stream = io.BytesIO()
    sheet.save(stream, format="PNG", optimize=True)
    return write_atomic(path, stream.getvalue())
