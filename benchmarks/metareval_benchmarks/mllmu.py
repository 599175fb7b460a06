"""MLLMU-Bench (Liu et al. 2025): profiles of fictitious people, from a copy of its hub folders."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from metareval.errors import LoadError
from metareval.protocols import Sample
from metareval.reading.files import shown
from metareval.reading.json_text import parse_json
from metareval_benchmarks.images import Pictures
from metareval_benchmarks.options import (
    Configurable,
    choice,
    existing,
    optional_path,
    whole,
)
from metareval_benchmarks.records import Record, as_text, columns_error, read_records
from metareval_benchmarks.splitting import refuse_leaks

GET = (
    "Get it: hf download MLLMMU/MLLMU-Bench --repo-type dataset --local-dir mllmu, then path=mllmu."
)
ADVICE = f"The folders of the hub are expected as they are. {GET}"
TASK_COLUMNS = {
    "generation": "Generation_Task",
    "mask": "Mask_Task",
    "classification": "Classification_Task",
    "training": "metadata",
}
TYPES = ("Image_Textual", "Pure_Text")
CLASSIFICATION = {
    "Image_Textual_Questions": "Image_Textual",
    "Pure_Text_Questions": "Pure_Text",
}


@dataclass(frozen=True)
class _Question:
    """One question of a row: where it stands, and whether it is about the picture."""

    number: str
    question: str
    answer: str
    about_image: bool


@dataclass(frozen=True)
class Mllmu(Configurable):
    """Questions about fictitious people and their pictures.

    Parameters
    ----------
    path : path
        A copy of the hub's folder, with ``forget_5``, ``retain_95`` and so on.
    forget_percent : {5, 10, 15}
        Which of the published splits: that share of the people is forgotten.
    task : {"generation", "mask", "classification", "training"}
        Open questions, blanks to fill in, options to choose from (the answer is the letter), or
        the questions of ``ft_Data`` that the published models are fine-tuned on.
    questions : {"image", "text", "both"}
        Questions about the picture, about the name alone, or both.
    test : {"celebrities", "none"}
        Whether the real people of ``Retain_Set``, who are in no fine-tuning, are the split
        ``test``.
    nonmember : {"none", "paraphrases"}
        Whether the questions of ``Test_Set`` about the people to forget are the split
        ``nonmember``. They ask for trained facts in other words and with other pictures. So they
        were not trained, yet they differ from members in more than that: read a membership attack
        on them with care.
    limit : int, optional
        Most samples in a split, the first ones; all where None.

    Examples
    --------
    >>> Mllmu(path="mllmu", forget_percent="10").forget_percent
    10
    """

    path: Path | None = None
    forget_percent: int = 5
    task: str = "generation"
    questions: str = "both"
    test: str = "celebrities"
    nonmember: str = "none"
    limit: int | None = None

    def __post_init__(self) -> None:
        self._set("path", optional_path("path", self.path))
        percent = choice("forget_percent", self.forget_percent, ("5", "10", "15"))
        self._set("forget_percent", int(percent))
        self._set("task", choice("task", self.task, TASK_COLUMNS))
        self._set("questions", choice("questions", self.questions, ("image", "text", "both")))
        self._set("test", choice("test", self.test, ("celebrities", "none")))
        self._set("nonmember", choice("nonmember", self.nonmember, ("none", "paraphrases")))
        if self.limit is not None:
            self._set("limit", whole("limit", self.limit, low=1))

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "mllmu"

    def splits(self) -> dict[str, list[Sample]]:
        """Read the folders and return the samples of each split.

        Raises
        ------
        LoadError
            A folder or column is missing, a file is damaged, or a person is in two splits.
        """
        root = existing(self.path, benchmark=self.name, option="path", folder=True, get=GET)
        folders = {
            "forget": f"forget_{self.forget_percent}",
            "retain": f"retain_{100 - self.forget_percent}",
        }
        people = {split: _people(root / folder) for split, folder in folders.items()}
        if both := sorted(people["forget"] & people["retain"]):
            raise LoadError(
                f"{shown(root)}: {len(both)} people are in {folders['forget']} and in "
                f"{folders['retain']}, for example {both[0]!r:.60}. {GET}"
            )
        found: dict[str, Iterator[Sample]] = {}
        if self.task == "training":
            everyone = people["forget"] | people["retain"]
            trained = _people(root / "ft_Data")
            if different := sorted(everyone ^ trained):
                raise LoadError(
                    f"{shown(root / 'ft_Data')}: {len(different)} people are there or in "
                    f"{' and '.join(folders.values())}, but not in both, for example "
                    f"{different[0]!r:.60}. {GET}"
                )
            for split in folders:
                found[split] = self._samples(root / "ft_Data", self.task, people[split])
        else:
            for split, folder in folders.items():
                found[split] = self._samples(root / folder, self.task, people[split])
        # There are no fine-tuning questions about others; open questions come nearest.
        task = "generation" if self.task == "training" else self.task
        if self.nonmember == "paraphrases":
            test_set = root / "Test_Set"
            found["nonmember"] = self._samples(test_set, task, people["forget"], many=True)
        if self.test == "celebrities":
            celebrities = root / "Retain_Set"
            if not celebrities.is_dir():
                raise LoadError(
                    f"{shown(celebrities)} does not exist: the people of the split test. Pass "
                    f"test='none' to go without. {GET}"
                )
            found["test"] = self._samples(celebrities, task, None)
        if "nonmember" in found:
            forget = list(found["forget"])
            found["forget"] = iter(forget)
            found["nonmember"] = iter(_without_repeats(found["nonmember"], forget, root))
        splits = {split: list(islice(samples, self.limit)) for split, samples in found.items()}
        refuse_leaks(splits, shown(root), advice=ADVICE)
        return splits

    def _samples(
        self, folder: Path, task: str, people: set[str] | None, *, many: bool = False
    ) -> Iterator[Sample]:
        column, image = TASK_COLUMNS[task], "images" if many else "image"
        pictures = Pictures()
        for record in _records(folder, ("ID", image, column)):
            person = record.text("ID")
            if people is not None and person not in people:
                continue
            # The numbers of the real people are those of fictitious ones.
            subject = person if people is not None else f"{folder.name}/{person}"
            for asked in _questions(record, column):
                if self.questions == ("text" if asked.about_image else "image"):
                    continue
                value = record.values[image]
                if many and asked.about_image:
                    if not isinstance(value, Sequence) or not value:
                        raise LoadError(f"{record.where}: the column 'images' holds no image.")
                    value = value[0]
                yield Sample(
                    sample_id=f"{folder.name}/{person}/{column}/{asked.number}",
                    subject_id=subject,
                    question=asked.question,
                    answer=asked.answer,
                    image=pictures.get(value, record.where) if asked.about_image else None,
                )


def _without_repeats(
    nonmembers: Iterable[Sample], members: Iterable[Sample], root: Path
) -> list[Sample]:
    """Leave out questions about text that stand among the members word by word."""
    asked = {(s.subject_id, s.question) for s in members if s.image is None}
    every = list(nonmembers)
    kept = [s for s in every if s.image is not None or (s.subject_id, s.question) not in asked]
    if not kept:
        raise LoadError(
            f"{shown(root / 'Test_Set')} has no question about the people to forget that is not "
            "also in their folder. Pass nonmember='none'."
        )
    if lost := len(every) - len(kept):
        warnings.warn(
            f"{shown(root / 'Test_Set')}: {lost} of {len(every)} questions are also in the split "
            "forget, word by word; they are left out.",
            stacklevel=3,
        )
    return kept


def _people(folder: Path) -> set[str]:
    people: set[str] = set()
    for record in _records(folder, ("ID",)):
        person = record.text("ID")
        if person in people:
            raise LoadError(f"{record.where}: the ID {person!r:.60} stands twice in {folder.name}.")
        people.add(person)
    return people


def _records(folder: Path, columns: Sequence[str]) -> Iterator[Record]:
    if not folder.is_dir():
        found = sorted(p.name for p in folder.parent.iterdir() if p.is_dir())[:30]
        raise LoadError(
            f"{shown(folder)} does not exist. Found folders: {', '.join(found) or 'none'}. {ADVICE}"
        )
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise LoadError(f"{shown(folder)} holds no Parquet file. {ADVICE}")
    for file in files:
        yield from read_records(file, columns, advice=ADVICE)


def _questions(record: Record, column: str) -> Iterator[_Question]:
    value, what = record.values[column], f"{record.where}: {column}"
    if column == "metadata":
        yield from _training(value, what)
    elif column == "Classification_Task":
        yield from _classification(value, what)
    else:
        for i, entry in enumerate(_entries(value, what)):
            _need(entry, ("Type", "Question", "Ground_Truth"), f"{what}[{i}]")
            kind = entry["Type"]
            if kind not in TYPES:
                raise LoadError(
                    f"{what}[{i}]: Type is {kind!r:.60}; expected {' or '.join(TYPES)}. {ADVICE}"
                )
            yield _Question(
                str(i),
                as_text(entry["Question"], f"{what}[{i}]: Question"),
                as_text(entry["Ground_Truth"], f"{what}[{i}]: Ground_Truth"),
                kind == "Image_Textual",
            )


def _training(value: Any, what: str) -> Iterator[_Question]:
    """Read the questions of ``ft_Data``, a JSON list in a text; all are about the picture."""
    try:
        entries = parse_json(as_text(value, what))
    except LoadError:
        raise
    except ValueError as error:
        raise LoadError(f"{what}: {error}. {ADVICE}") from error
    for i, entry in enumerate(_entries(entries, what)):
        _need(entry, ("Question", "Answer"), f"{what}[{i}]")
        yield _Question(
            str(i),
            as_text(entry["Question"], f"{what}[{i}]: Question"),
            as_text(entry["Answer"], f"{what}[{i}]: Answer"),
            True,
        )


def _classification(value: Any, what: str) -> Iterator[_Question]:
    if not isinstance(value, Mapping):
        raise LoadError(f"{what} holds {_kind(value)}; expected two lists of questions. {ADVICE}")
    _need(value, tuple(CLASSIFICATION), what)
    for part, kind in CLASSIFICATION.items():
        for i, entry in enumerate(_entries(value[part], f"{what}.{part}")):
            where = f"{what}.{part}[{i}]"
            _need(entry, ("Question", "Options", "Correct_Answer"), where)
            options = entry["Options"]
            # In Parquet every row has the letters of all, with nothing at those it lacks.
            letters = (
                {k: v for k, v in sorted(options.items()) if v is not None}
                if isinstance(options, Mapping)
                else {}
            )
            answer = as_text(entry["Correct_Answer"], f"{where}: Correct_Answer")
            if answer not in letters:
                listed = ", ".join(map(str, letters)) or _kind(options)
                raise LoadError(
                    f"{where}: Correct_Answer is {answer!r:.60}; expected one of the letters of "
                    f"Options ({listed}). {ADVICE}"
                )
            lines = [as_text(entry["Question"], f"{where}: Question")]
            lines += [f"{k}. {v}" for k, v in letters.items()]
            yield _Question(f"{kind}/{i}", "\n".join(lines), answer, kind == "Image_Textual")


def _entries(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise LoadError(f"{what} holds {_kind(value)}; expected a list of questions. {ADVICE}")
    return value


def _need(entry: Any, keys: Sequence[str], where: str) -> None:
    if not isinstance(entry, Mapping):
        raise LoadError(f"{where} holds {_kind(entry)}; expected {', '.join(keys)}. {ADVICE}")
    if any(key not in entry for key in keys):
        raise columns_error(where, entry, keys, ADVICE)


def _kind(value: Any) -> str:
    text = json.dumps(value, default=lambda other: type(other).__name__)
    return text if len(text) <= 60 else f"{text[:57]}..."


mllmu = Mllmu()
