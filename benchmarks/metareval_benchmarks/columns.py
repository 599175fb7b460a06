"""Any data in JSON, JSON lines or Parquet: name the columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from metareval.errors import ArgumentError, LoadError
from metareval.observations import SPLITS
from metareval.protocols import Sample
from metareval.reading.files import shown
from metareval_benchmarks.images import Pictures
from metareval_benchmarks.options import Configurable, existing, optional_path, whole
from metareval_benchmarks.records import SUFFIXES, Record, read_records
from metareval_benchmarks.splitting import refuse_leaks

GET = "docs/benchmarks.md has an example of such a file."
ADVICE = "Name the columns with the options question, answer, image, subject, split and sample."


@dataclass(frozen=True)
class Columns(Configurable):
    """A benchmark of your own, from a file with a row for each question.

    Parameters
    ----------
    path : path
        A file with a column that says which split a row is in; or a folder with one file for each
        split (``forget.jsonl``, ``retain.jsonl``, ...).
    images : path, optional
        Folder with the pictures; the folder of the data where None.
    question, answer : str
        Columns with the question and its gold answer.
    image : str
        Column with the picture: the name of a file, its bytes, or ``{"bytes": ...}`` as in
        data sets of the hub; nothing for a question about text. An empty text where there is no
        such column.
    subject : str
        Column that says who or what a question is about.
    sample : str
        Column with a unique id; the file and row where it is empty.
    split : str
        Column with the split; of no use where each split has a file of its own.
    forget, retain, nonmember, test : str
        What the splits are called in that column, or how their files are called.
    limit : int, optional
        Most samples in a split, the first ones; all where None.

    Examples
    --------
    >>> mine = Columns(path="mine.jsonl", question="prompt", answer="gold", forget="delete")
    >>> mine.question, mine.image
    ('prompt', 'image')
    """

    path: Path | None = None
    images: Path | None = None
    question: str = "question"
    answer: str = "answer"
    image: str = "image"
    subject: str = "subject"
    sample: str = ""
    split: str = "split"
    forget: str = "forget"
    retain: str = "retain"
    nonmember: str = "nonmember"
    test: str = "test"
    limit: int | None = None

    def __post_init__(self) -> None:
        self._set("path", optional_path("path", self.path))
        self._set("images", optional_path("images", self.images))
        may_be_empty = ("image", "sample")
        for option in ("question", "answer", "subject", "split", *may_be_empty, *SPLITS):
            value = getattr(self, option)
            if not isinstance(value, str) or (not value and option not in may_be_empty):
                raise ArgumentError(f"{option}={value!r}: expected a text.")
        if len({getattr(self, split) for split in SPLITS}) < len(SPLITS):
            raise ArgumentError(f"{', '.join(SPLITS)}: expected another text for each.")
        if self.limit is not None:
            self._set("limit", whole("limit", self.limit, low=1))

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "columns"

    def splits(self) -> dict[str, list[Sample]]:
        """Read the file or files, and return the samples of each split.

        Raises
        ------
        LoadError
            A file or picture is missing or damaged, a column is missing, a row is in no known
            split, or a subject is in two.
        """
        path = existing(self.path, benchmark=self.name, option="path", folder=False, get=GET)
        folder = path if path.is_dir() else path.parent
        if self.images is not None:
            folder = existing(
                self.images, benchmark=self.name, option="images", folder=True, get=GET
            )
        pictures = Pictures(folder)
        splits: dict[str, list[Sample]] = {split: [] for split in SPLITS}
        rows = self._from_files(path) if path.is_dir() else self._from_file(path)
        for split, sample_id, record in rows:
            if self.limit is not None and len(splits[split]) >= self.limit:
                continue
            picture = record.values[self.image] if self.image else None
            splits[split].append(
                Sample(
                    sample_id=record.text(self.sample) if self.sample else sample_id,
                    subject_id=record.text(self.subject),
                    question=record.text(self.question),
                    answer=record.text(self.answer),
                    image=None if picture is None else pictures.get(picture, record.where),
                )
            )
        refuse_leaks(splits, shown(path), advice="Correct the data.")
        return {split: samples for split, samples in splits.items() if samples}

    @property
    def _columns(self) -> list[str]:
        names = (self.question, self.answer, self.subject, self.image, self.sample)
        return list(dict.fromkeys(name for name in names if name))

    def _from_file(self, path: Path) -> Iterator[tuple[str, str, Record]]:
        named = {getattr(self, split): split for split in SPLITS}
        columns = list(dict.fromkeys([*self._columns, self.split]))
        for number, record in enumerate(read_records(path, columns, advice=ADVICE), start=1):
            value = record.values[self.split]
            if not isinstance(value, str) or value not in named:
                raise LoadError(
                    f"{record.where}: the column {self.split!r} holds {value!r:.60}; expected one "
                    f"of {', '.join(map(repr, named))}. Say what the splits are called: "
                    "forget=..., retain=..., nonmember=..., test=..."
                )
            yield named[value], f"{path.stem}-{number:06d}", record

    def _from_files(self, folder: Path) -> Iterator[tuple[str, str, Record]]:
        for split in SPLITS:
            stem = getattr(self, split)
            files = [
                p
                for p in sorted(folder.iterdir())
                if p.stem == stem and p.suffix.lower() in SUFFIXES
            ]
            if len(files) > 1:
                raise LoadError(
                    f"{shown(folder)}: {' and '.join(p.name for p in files)} are both the split "
                    f"{split}. Remove one."
                )
            if not files and split in ("forget", "retain"):
                found = ", ".join(p.name for p in sorted(folder.iterdir())[:20]) or "nothing"
                raise LoadError(
                    f"{shown(folder)}: no file {stem}.jsonl, {stem}.json or {stem}.parquet. "
                    f"Found: {found}. Name the files' stems: forget=..., retain=..."
                )
            for file in files:
                records = read_records(file, self._columns, advice=ADVICE)
                for number, record in enumerate(records, start=1):
                    yield split, f"{stem}-{number:06d}", record


columns = Columns()
