"""UnLOK-VQA (Patil et al. 2024): single answers about COCO pictures, and their neighbourhood."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from metareval.errors import LoadError
from metareval.protocols import Sample
from metareval.reading.files import shown
from metareval_benchmarks.images import Pictures
from metareval_benchmarks.options import Configurable, existing, optional_path, whole
from metareval_benchmarks.records import SUFFIXES, Record, as_text, read_records
from metareval_benchmarks.splitting import refuse_leaks

GET = (
    "Get it: hf download vaidehi99/UnLOK-VQA --repo-type dataset --local-dir unlok, then "
    "path=unlok and images=... with the pictures of COCO (https://cocodataset.org)."
)
ADVICE = f"The columns of the hub are expected as they are. {GET}"
COLUMNS = ("id", "src", "pred", "loc", "loc_ans", "image_id")
# How COCO names a picture in its releases of 2014 and 2017, unpacked into folders or not.
NAMES = (
    "{part}{year}/COCO_{part}{year}_{id:012d}.jpg",
    "COCO_{part}{year}_{id:012d}.jpg",
    "{part}{year}/{id:012d}.jpg",
    "{id:012d}.jpg",
)
MOST_ID = 10**12 - 1


@dataclass(frozen=True)
class Unlok(Configurable):
    """Questions whose answer is to be deleted, and questions near them that should stay.

    Of each row, the question ``src`` with the answer ``pred`` is in ``forget``, and ``loc`` with
    ``loc_ans`` is in ``retain``. What is forgotten here is one fact, so a fact is a subject: the
    two sides of a row share the picture but are two subjects.

    Parameters
    ----------
    path : path
        The hub's file (JSON, JSON lines or Parquet), or a folder that holds it alone.
    images : path
        Folder with the pictures of COCO, as its archives unpack: ``train2014``, ``val2014``,
        ``train2017`` or ``val2017`` below it, or the pictures themselves.
    limit : int, optional
        Most rows to read; all where None.

    Examples
    --------
    >>> Unlok(path="unlok", images="coco", limit="5").limit
    5
    """

    path: Path | None = None
    images: Path | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        self._set("path", optional_path("path", self.path))
        self._set("images", optional_path("images", self.images))
        if self.limit is not None:
            self._set("limit", whole("limit", self.limit, low=1))

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "unlok"

    def splits(self) -> dict[str, list[Sample]]:
        """Read the file and the pictures, and return the samples of each split.

        A neighbour that asks a question to forget, about the same picture, is left out with a
        warning.

        Raises
        ------
        LoadError
            A file, column or picture is missing or damaged.
        """
        path = existing(self.path, benchmark=self.name, option="path", folder=False, get=GET)
        coco = existing(self.images, benchmark=self.name, option="images", folder=True, get=GET)
        pictures = Pictures(coco)
        file = _data_file(path) if path.is_dir() else path
        splits: dict[str, list[Sample]] = {"forget": [], "retain": []}
        names: dict[str, str] = {}
        for number, record in enumerate(read_records(file, COLUMNS, advice=ADVICE)):
            if number == self.limit:
                break
            row = record.text("id")
            name = _picture_name(coco, record)
            image = pictures.get(name, record.where)
            names[row] = name
            splits["forget"].append(
                Sample(row, row, record.text("src"), record.text("pred"), image)
            )
            for i, (question, answer) in enumerate(_neighbours(record)):
                neighbour = f"{row}/loc/{i}"
                names[neighbour] = name
                splits["retain"].append(Sample(neighbour, neighbour, question, answer, image))
        forgotten = {(names[s.sample_id], s.question.casefold()) for s in splits["forget"]}
        kept = [
            s
            for s in splits["retain"]
            if (names[s.sample_id], s.question.casefold()) not in forgotten
        ]
        if lost := len(splits["retain"]) - len(kept):
            warnings.warn(
                f"{shown(file)}: {lost} of {len(splits['retain'])} neighbours ask a question to "
                "forget about the same picture; they are left out.",
                stacklevel=2,
            )
        splits["retain"] = kept
        refuse_leaks(splits, shown(file), advice=ADVICE)
        return splits


def _data_file(folder: Path) -> Path:
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    if len(files) != 1:
        found = ", ".join(p.name for p in files[:20]) or "none"
        raise LoadError(
            f"{shown(folder)}: expected one file that ends in {', '.join(SUFFIXES)}; found: "
            f"{found}. Give the path of the file. {GET}"
        )
    return files[0]


def _picture_name(folder: Path, record: Record) -> str:
    """Find the picture of a row among the names that COCO gives."""
    value = record.values["image_id"]
    if isinstance(value, str) and value.isdecimal() and len(value) <= 12:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_ID:
        raise LoadError(
            f"{record.where}: image_id is {value!r:.60}; expected the number of a COCO picture."
        )
    names = [
        name.format(part=part, year=year, id=value)
        for name in NAMES
        for year in (2014, 2017)
        for part in ("train", "val")
    ]
    for name in names:
        if (folder / name).is_file():
            return name
    raise LoadError(
        f"{record.where}: no picture of image_id {value} in {shown(folder)}. Looked for "
        f"{', '.join(dict.fromkeys(names))}. {GET}"
    )


def _neighbours(record: Record) -> Iterator[tuple[str, str]]:
    questions, answers = record.values["loc"], record.values["loc_ans"]
    if not isinstance(questions, list) and not isinstance(answers, list):
        questions, answers = [questions], [answers]
    if (
        not isinstance(questions, list)
        or not isinstance(answers, list)
        or len(questions) != len(answers)
    ):
        raise LoadError(
            f"{record.where}: loc and loc_ans must be two texts, or two lists of equal length. "
            f"{ADVICE}"
        )
    for i, (question, answer) in enumerate(zip(questions, answers, strict=True)):
        what = f"{record.where}: {{}}[{i}]"
        yield as_text(question, what.format("loc")), as_text(answer, what.format("loc_ans"))


unlok = Unlok()
