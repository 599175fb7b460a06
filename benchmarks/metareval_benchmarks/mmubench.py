"""MMUBench (Li et al. 2024): visual concepts, from a local folder in a layout described here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from metareval.errors import ArgumentError, LoadError, unknown_name
from metareval.protocols import Sample
from metareval.reading.files import shown
from metareval_benchmarks.images import Pictures
from metareval_benchmarks.options import Configurable, existing, names, optional_path, whole
from metareval_benchmarks.records import read_records
from metareval_benchmarks.splitting import refuse_leaks

FILE = "questions.jsonl"
COLUMNS = ("concept", "image", "question", "answer")
GET = (
    "MMUBench is not openly hosted, and MMBench is another benchmark: ask the authors of 'Single "
    "Image Unlearning' (NeurIPS 2024) for it, and write one line of JSON for each question into "
    f"{FILE}: {', '.join(COLUMNS)}, and held_out where a question is not trained. "
    "docs/benchmarks.md has an example."
)


@dataclass(frozen=True)
class Mmubench(Configurable):
    """Questions about pictures of concepts, some of which are to be forgotten.

    Parameters
    ----------
    path : path
        A folder with ``questions.jsonl``, or the path of such a file (JSON or Parquet do, too).
        Its rows have the columns ``concept``, ``image`` (a path below the file's folder),
        ``question``, ``answer``, and perhaps ``held_out`` (true where the row was not trained).
    forget : str or sequence of str
        Concepts to forget: names, or a text of names with commas. There is no default, since the
        benchmark has none.
    limit : int, optional
        Most samples in a split, the first ones; all where None.

    Examples
    --------
    >>> Mmubench(path="mmubench", forget="Mario, Hello Kitty").forget
    ('Mario', 'Hello Kitty')
    """

    path: Path | None = None
    forget: str | tuple[str, ...] = ()
    limit: int | None = None

    def __post_init__(self) -> None:
        self._set("path", optional_path("path", self.path))
        self._set("forget", names("forget", self.forget))
        if self.limit is not None:
            self._set("limit", whole("limit", self.limit, low=1))

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "mmubench"

    def splits(self) -> dict[str, list[Sample]]:
        """Read the file and the pictures, and return the samples of each split.

        Held-out rows of the concepts to forget are ``nonmember``; those of other concepts are in
        no split.

        Raises
        ------
        LoadError
            The file, a column or a picture is missing or damaged.
        ArgumentError
            No concept to forget is named, or one that is not in the file.
        """
        path = existing(self.path, benchmark=self.name, option="path", folder=False, get=GET)
        file = path / FILE if path.is_dir() else path
        if not file.exists():
            raise LoadError(f"{shown(file)} does not exist. {GET}")
        pictures = Pictures(file.parent)
        concepts: dict[str, None] = {}
        splits: dict[str, list[Sample]] = {"forget": [], "retain": [], "nonmember": []}
        records = read_records(file, COLUMNS, optional=("held_out",), advice=GET)
        for number, record in enumerate(records, start=1):
            concept = record.text("concept")
            concepts[concept] = None
            held_out = record.values["held_out"]
            if held_out not in (None, True, False):
                raise LoadError(
                    f"{record.where}: held_out is {held_out!r:.60}; expected true or false."
                )
            if concept in self.forget:
                split = "nonmember" if held_out else "forget"
            elif held_out:
                continue
            else:
                split = "retain"
            if self.limit is not None and len(splits[split]) >= self.limit:
                continue
            splits[split].append(
                Sample(
                    sample_id=f"{number:06d}",
                    subject_id=concept,
                    question=record.text("question"),
                    answer=record.text("answer"),
                    image=pictures.get(record.values["image"], record.where),
                )
            )
        if not self.forget:
            raise ArgumentError(
                f"The benchmark {self.name} needs forget=..., the concepts to forget. "
                f"{shown(file)} has: {', '.join(sorted(concepts)[:40])}."
            )
        for concept in self.forget:
            if concept not in concepts:
                raise unknown_name("concept", concept, concepts)
        refuse_leaks(splits, shown(file), advice=GET)
        return {split: samples for split, samples in splits.items() if samples}


mmubench = Mmubench()
