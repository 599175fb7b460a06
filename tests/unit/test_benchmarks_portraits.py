from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metareval.errors import ArgumentError
from metareval_benchmarks.portraits import Portraits, picture_sheet
from metareval_benchmarks.portraits.benchmark import VARIANTS
from metareval_benchmarks.portraits.profiles import held_out

# Of the pictures of 24 identities at 64 pixels, one after another, and of all texts.
DIGESTS = {
    "faces": ("2f0a15bbf4d322bd", "8becf85a4c866c00"),
    "badges": ("cb1d2d26c91dbeb4", "34870a225d119ae9"),
    "scenes": ("f4b072457e18d4ca", "faf896fb693fca97"),
}


def pixels(benchmark: Portraits) -> np.ndarray:
    found = {}
    for samples in benchmark.splits().values():
        found.update({s.subject_id: np.asarray(s.image) for s in samples})
    return np.stack([found[subject] for subject in sorted(found)])


@pytest.mark.parametrize("variant", VARIANTS)
def test_pictures_and_texts_are_the_same_everywhere(variant: str) -> None:
    benchmark = Portraits(variant)
    texts = repr(benchmark.splits())
    found = [
        hashlib.sha256(d).hexdigest()[:16] for d in (pixels(benchmark).tobytes(), texts.encode())
    ]
    assert tuple(found) == DIGESTS[variant]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_identities_can_be_told_apart_at_32_pixels(variant: str, seed: int) -> None:
    pictures = pixels(Portraits(variant, size=32, seed=seed)).astype(float)
    flat = pictures.reshape(len(pictures), -1)
    gaps = np.abs(flat[:, None] - flat[None]).mean(axis=-1)
    np.fill_diagonal(gaps, np.inf)
    # Of 255: a tenth of the whole range, on average over all pixels.
    assert gaps.min() > 15


def test_variants_have_nothing_in_common() -> None:
    questions = {v: {f.question for f in VARIANTS[v].facts} for v in VARIANTS}
    answers = {v: {a for f in VARIANTS[v].facts for a in f.answers} for v in VARIANTS}
    for one in VARIANTS:
        for other in VARIANTS:
            if one < other:
                assert not questions[one] & questions[other]
                assert not answers[one] & answers[other]
                assert set(VARIANTS[one].traits) != set(VARIANTS[other].traits)


@pytest.mark.parametrize("variant", VARIANTS)
def test_answers_are_short_and_told_by_the_identity_alone(variant: str) -> None:
    facts = VARIANTS[variant].facts
    for fact in facts:
        assert len(set(fact.answers)) == 8
        assert all(1 <= len(answer.split()) <= 3 for answer in fact.answers)
    splits = Portraits(variant).splits()
    people = [s for split in ("forget", "retain", "nonmember") for s in splits[split]]
    for fact in facts:
        counts = Counter(s.answer for s in people if s.question == fact.question)
        # 24 identities, 8 answers, some held out of retain.
        assert max(counts.values()) <= 3


def test_sizes_of_the_splits_and_shared_pictures() -> None:
    splits = Portraits().splits()
    assert {k: len(v) for k, v in splits.items()} == {
        "forget": 36,
        "retain": 108,
        "nonmember": 12,
        "test": 48,
    }
    subjects = {split: {s.subject_id for s in samples} for split, samples in splits.items()}
    assert subjects["nonmember"] == subjects["forget"]
    assert not subjects["forget"] & subjects["retain"]
    assert not subjects["test"] & (subjects["forget"] | subjects["retain"])
    # A batch encodes each picture once, by its identity.
    first, second = splits["forget"][:2]
    assert first.image is second.image


def test_members_and_nonmembers_are_asked_alike() -> None:
    facts = [fact for person in held_out(40, 8, 2, "a") for fact in person]
    assert set(Counter(facts).values()) == {10}


def test_options() -> None:
    smoke = Portraits().configured(
        n_identities="12",
        n_trained="4",
        n_held_out=0,
        size="32",
        forget_share="0.5",
        variant="scenes",
    )
    assert smoke.name == "portraits-scenes"
    splits = smoke.splits()
    assert {k: len(v) for k, v in splits.items()} == {"forget": 24, "retain": 24, "test": 24}
    assert Portraits(n_identities=2, forget_share=0.9).n_forgotten == 1
    assert repr(Portraits(seed=1).splits()) != repr(Portraits(seed=2).splits())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "stamps"}, "Unknown value of variant"),
        ({"size": 48}, "size=48: expected one of 16, 32"),
        ({"n_identities": 1}, "from 2 to"),
        ({"n_identities": 2.5}, "n_identities=2.5"),
        ({"n_identities": True}, "n_identities=True"),
        ({"forget_share": 1}, "between 0 and 1"),
        ({"forget_share": "nan"}, "between 0 and 1"),
        ({"n_trained": 7}, "Ask for fewer"),
        ({"seed": -1}, "of at least 0"),
    ],
)
def test_wrong_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Portraits().configured(**options)


def test_more_identities_keep_the_first_ones() -> None:
    few, many = pixels(Portraits(n_identities=8)), pixels(Portraits(n_identities=20))
    assert np.array_equal(few[:8], many[:8])


def test_picture_sheet(tmp_path: Path) -> None:
    path = picture_sheet(tmp_path / "sheet.png", identities=3, size=32)
    with Image.open(path) as sheet:
        assert sheet.size == (116, 116)


def test_the_sheet_in_the_docs_is_up_to_date(tmp_path: Path) -> None:
    made = picture_sheet(tmp_path / "sheet.png")
    kept = Path(__file__).parents[2] / "docs" / "portraits.png"
    with Image.open(made) as one, Image.open(kept) as other:
        same = np.array_equal(np.asarray(one), np.asarray(other))
    assert same, (
        'run: python -c "from metareval_benchmarks.portraits import picture_sheet as sheet; '
        "sheet('docs/portraits.png')\""
    )
