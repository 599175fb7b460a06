"""Benchmarks in the schemas of others: what is read, and what is refused."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import metareval_benchmarks.images as images_module
from metareval.errors import ArgumentError, LoadError, MissingDependencyError
from metareval_benchmarks.columns import Columns
from metareval_benchmarks.images import decode
from metareval_benchmarks.mllmu import Mllmu
from metareval_benchmarks.mmubench import Mmubench
from metareval_benchmarks.unlok import Unlok
from tests import benchmark_files as files

# MLLMU-Bench


@pytest.fixture
def mllmu(tmp_path: Path) -> Path:
    return files.write_mllmu(tmp_path / "mllmu")


def rewrite(root: Path, folder: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the rows of one folder."""
    from pyarrow import parquet

    file = next(iter(sorted((root / folder).glob("*.parquet"))))
    rows = parquet.read_table(file).to_pylist()
    for row in rows:
        change(row)
    files.write_parquet(file, rows)


def test_mllmu_generation(mllmu: Path) -> None:
    splits = Mllmu(path=mllmu).splits()
    assert {k: len(v) for k, v in splits.items()} == {"forget": 2, "retain": 8, "test": 2}
    about_image, about_text = splits["forget"]
    assert about_image.sample_id == "forget_5/001/Generation_Task/0"
    assert (about_image.question, about_image.answer) == ("Where was she born?", "P0")
    assert np.asarray(about_image.image)[0, 0].tolist() == [0, 40, 200]
    assert about_text.image is None
    # The real people have the numbers of fictitious ones.
    assert {s.subject_id for s in splits["test"]} == {"Retain_Set/001"}


def test_mllmu_classification_and_mask(mllmu: Path) -> None:
    first, second = Mllmu(path=mllmu, task="classification").splits()["forget"]
    assert (first.question, first.answer) == ("What is her job?\nA. judge\nB. nurse", "B")
    assert (second.question, second.answer) == ("Where?\nA. Rome\nB. Oslo\nC. Lima", "C")
    masked = Mllmu(path=mllmu, task="mask", questions="text").splits()["forget"]
    assert [s.question for s in masked] == ["001 lives in __."]


def test_mllmu_training(mllmu: Path) -> None:
    splits = Mllmu(path=mllmu, task="training", questions="image").splits()
    assert [s.answer for s in splits["forget"]] == ["She is a nurse."]
    assert len(splits["retain"]) == 4
    (mllmu / "ft_Data" / "train-00000-of-00001.parquet").unlink()
    one = {"ID": "009", "image": {"bytes": files.picture(1)}, "metadata": "[]"}
    files.write_parquet(mllmu / "ft_Data" / "a.parquet", [one])
    with pytest.raises(LoadError, match="6 people are there or in forget_5 and retain_95"):
        Mllmu(path=mllmu, task="training").splits()


def test_mllmu_paraphrases_are_not_members(mllmu: Path) -> None:
    def repeat(row: dict[str, Any]) -> None:
        row["Generation_Task"][1]["Question"] = f"Who is {row['ID']}?"

    benchmark = Mllmu(path=mllmu, nonmember="paraphrases", limit=1)
    found = benchmark.splits()["nonmember"]
    assert [s.sample_id for s in found] == ["Test_Set/001/Generation_Task/0"]
    assert np.asarray(found[0].image)[0, 0].tolist() == [50, 40, 200]
    rewrite(mllmu, "Test_Set", repeat)
    with pytest.warns(UserWarning, match="1 of 2 questions are also in the split forget"):
        benchmark.splits()
    with pytest.raises(LoadError, match="Pass nonmember='none'"):
        benchmark.configured(questions="text").splits()


def test_mllmu_reads_only_what_a_limit_asks_for(mllmu: Path) -> None:
    def spoil(row: dict[str, Any]) -> None:
        row["image"]["bytes"] = b"spoilt" if row["ID"] == "003" else row["image"]["bytes"]

    rewrite(mllmu, "retain_95", spoil)
    assert len(Mllmu(path=mllmu, limit=2).splits()["retain"]) == 2
    with pytest.raises(LoadError, match=r"row 2: 6 bytes that are no image"):
        Mllmu(path=mllmu).splits()


def drop(column: str) -> Callable[[dict[str, Any]], None]:
    return lambda row: row.pop(column) and None


def put(column: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda row: row.update({column: value})


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (
            drop("Generation_Task"),
            {},
            r"no column 'Generation_Task'\. Found columns: .*Mask_Task.*Expected: ID, image, Gen.* "
            "hf download MLLMMU/MLLMU-Bench",
        ),
        (drop("ID"), {}, "no column 'ID'"),
        (put("ID", "002"), {}, "1 people are in forget_5 and in retain_95, for example '002'"),
        (put("ID", None), {}, "'ID' holds None; expected a text"),
        (put("image", None), {}, "the image is NoneType; expected the bytes"),
        (put("Generation_Task", "x"), {}, 'Generation_Task holds "x"; expected a list'),
        (
            put("Generation_Task", [{"Type": "Image_Textual", "Question": "?"}]),
            {},
            r"Generation_Task\[0\]: no column 'Ground_Truth'. Found columns: .*Question",
        ),
        (
            put("Generation_Task", [{"Type": "Sound", "Question": "?", "Ground_Truth": "x"}]),
            {},
            "Type is 'Sound'; expected Image_Textual or Pure_Text",
        ),
        (
            put("Generation_Task", [{"Type": "Pure_Text", "Question": "?", "Ground_Truth": " "}]),
            {},
            "Ground_Truth holds ' '; expected a text that is not empty",
        ),
        (put("Generation_Task", []), {}, "no samples for the split forget"),
        (
            put("Classification_Task", {"Pure_Text_Questions": []}),
            {"task": "classification"},
            "no column 'Image_Textual_Questions'",
        ),
        (
            put(
                "Classification_Task",
                {
                    "Image_Textual_Questions": [
                        {"Question": "?", "Options": {"A": "x"}, "Correct_Answer": "B"}
                    ],
                    "Pure_Text_Questions": [],
                },
            ),
            {"task": "classification"},
            r"Correct_Answer is 'B'; expected one of the letters of Options \(A\)",
        ),
    ],
)
def test_mllmu_schema(
    mllmu: Path, change: Callable[[dict[str, Any]], None], options: dict[str, Any], message: str
) -> None:
    rewrite(mllmu, "forget_5", change)
    with pytest.raises(LoadError, match=message):
        Mllmu(path=mllmu, **options).splits()


@pytest.mark.parametrize("metadata", ["{}", "[{}]", "[", '[{"Question": "?"}]', "[1]"])
def test_mllmu_training_schema(mllmu: Path, metadata: str) -> None:
    rewrite(mllmu, "ft_Data", put("metadata", metadata))
    with pytest.raises(LoadError, match=r"row 1: metadata.*hf download"):
        Mllmu(path=mllmu, task="training").splits()


def test_mllmu_folders(mllmu: Path) -> None:
    with pytest.raises(LoadError, match=r"forget_10 does not exist\. Found folders: Retain_Set"):
        Mllmu(path=mllmu, forget_percent=10).splits()
    for file in (mllmu / "Retain_Set").iterdir():
        file.unlink()
    with pytest.raises(LoadError, match="holds no Parquet file"):
        Mllmu(path=mllmu).splits()
    (mllmu / "Retain_Set").rmdir()
    with pytest.raises(LoadError, match="test='none'"):
        Mllmu(path=mllmu).splits()
    assert set(Mllmu(path=mllmu, test="none").splits()) == {"forget", "retain"}
    with pytest.raises(LoadError, match="is a file; a folder is expected"):
        Mllmu(path=mllmu / "forget_5" / "train-00000-of-00001.parquet").splits()


def test_a_damaged_parquet_file(mllmu: Path) -> None:
    file = mllmu / "forget_5" / "train-00000-of-00001.parquet"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(LoadError, match=r"not a Parquet file that can be read, or damaged"):
        Mllmu(path=mllmu).splits()


def test_parquet_without_pyarrow(mllmu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'metareval\[parquet\]'"):
        Mllmu(path=mllmu).splits()


# UnLOK-VQA


def unlok(folder: Path, rows: list[dict[str, Any]]) -> Unlok:
    files.write_jsonl(folder / "hub" / "data.jsonl", rows)
    return Unlok(path=folder / "hub", images=files.write_coco(folder / "coco"))


def test_unlok_sides(tmp_path: Path) -> None:
    splits = unlok(tmp_path, files.UNLOK_ROWS).splits()
    assert [(s.subject_id, s.answer) for s in splits["forget"]] == [
        ("11", "japan"),
        ("12", "alstom"),
    ]
    assert [(s.subject_id, s.answer) for s in splits["retain"]] == [
        ("11/loc/0", "soy"),
        ("12/loc/0", "red"),
    ]
    assert splits["forget"][0].image is splits["retain"][0].image


def test_unlok_lists_and_limit(tmp_path: Path) -> None:
    many = {**files.UNLOK_ROWS[0], "loc": ["Is it hot?", "Is it raw?"], "loc_ans": ["no", "yes"]}
    splits = unlok(tmp_path, [many, files.UNLOK_ROWS[1]]).configured(limit=1).splits()
    assert [s.answer for s in splits["retain"]] == ["no", "yes"]


def test_unlok_parquet_and_json(tmp_path: Path) -> None:
    coco = files.write_coco(tmp_path / "coco")
    files.write_parquet(tmp_path / "a" / "x.parquet", files.UNLOK_ROWS)
    (tmp_path / "b.json").write_text(json.dumps(files.UNLOK_ROWS))
    texts = {
        repr(Unlok(path=path, images=coco).splits())
        for path in (tmp_path / "a", tmp_path / "b.json")
    }
    assert len(texts) == 1


def test_unlok_neighbours_that_ask_what_is_forgotten(tmp_path: Path) -> None:
    repeated = {**files.UNLOK_ROWS[0], "loc": files.UNLOK_ROWS[0]["src"].upper()}
    with pytest.warns(UserWarning, match="1 of 2 neighbours ask a question to forget"):
        splits = unlok(tmp_path, [repeated, files.UNLOK_ROWS[1]]).splits()
    assert [s.answer for s in splits["retain"]] == ["red"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"question": "?", "src": ...},
            r"line 1: no column 'src'\. Found columns: id, pred, loc, loc_ans, image_id, "
            r"question\. Expected: id, src, pred",
        ),
        ({"pred": ""}, "'pred' holds ''"),
        ({"pred": {"a": 1}}, "'pred' holds {'a': 1}"),
        ({"image_id": 8}, r"no picture of image_id 8 .*COCO_train2014_000000000008\.jpg"),
        ({"image_id": "../../etc/passwd"}, "image_id is '../../etc/passwd'"),
        ({"image_id": -1}, "expected the number of a COCO picture"),
        ({"loc": ["a", "b"]}, "two lists of equal length"),
        ({"loc": ["a"], "loc_ans": [""]}, r"loc_ans\[0\] holds ''"),
        ({"id": 12}, "the sample id '12' is in forget and again in forget"),
    ],
)
def test_unlok_schema(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    first = {k: v for k, v in {**files.UNLOK_ROWS[0], **change}.items() if v is not ...}
    with pytest.raises(LoadError, match=message):
        unlok(tmp_path, [first, files.UNLOK_ROWS[1]]).splits()


def test_unlok_places(tmp_path: Path) -> None:
    benchmark = unlok(tmp_path, files.UNLOK_ROWS)
    with pytest.raises(LoadError, match="give images="):
        Unlok(path=benchmark.path).splits()
    files.write_jsonl(tmp_path / "hub" / "more.jsonl", files.UNLOK_ROWS)
    with pytest.raises(LoadError, match=r"expected one file .* found: data\.jsonl, more\.jsonl"):
        benchmark.splits()


# MMUBench


def test_mmubench_splits(tmp_path: Path) -> None:
    splits = Mmubench(path=files.write_mmubench(tmp_path), forget="Mario").splits()
    assert {k: [s.subject_id for s in v] for k, v in splits.items()} == {
        "forget": ["Mario"] * 2,
        "retain": ["Hello Kitty"] * 2,
        "nonmember": ["Mario"],
    }


def test_mmubench_concepts(tmp_path: Path) -> None:
    path = files.write_mmubench(tmp_path)
    with pytest.raises(ArgumentError, match=r"needs forget=.*has: Hello Kitty, Mario"):
        Mmubench(path=path).splits()
    with pytest.raises(ArgumentError, match=r"Unknown concept 'Maria'\. Did you mean 'Mario'"):
        Mmubench(path=path, forget="Maria").splits()
    with pytest.raises(LoadError, match="no samples for the split retain"):
        Mmubench(path=path, forget="Mario,Hello Kitty").splits()
    (path / "questions.jsonl").unlink()
    with pytest.raises(LoadError, match=r"not openly hosted, and MMBench is another benchmark"):
        Mmubench(path=path, forget="Mario").splits()


# Any columns

ROWS: list[dict[str, Any]] = [
    {"q": "Who?", "gold": "Ada", "who": "a", "part": "del", "img": "a.png", "n": 1},
    {"q": "Who?", "gold": 7, "who": "b", "part": "keep", "img": None, "n": 2},
]
NAMES: dict[str, Any] = {
    "question": "q",
    "answer": "gold",
    "subject": "who",
    "split": "part",
    "image": "img",
    "forget": "del",
    "retain": "keep",
}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "a.png").write_bytes(files.picture(3))
    files.write_jsonl(tmp_path / "mine.jsonl", ROWS)
    return tmp_path / "mine.jsonl"


def test_columns_by_mapping(mine: Path) -> None:
    splits = Columns(path=mine, sample="n", **NAMES).splits()
    (forget,), (retain,) = splits["forget"], splits["retain"]
    assert (forget.sample_id, forget.answer, forget.image.size) == ("1", "Ada", (8, 8))
    assert (retain.sample_id, retain.answer, retain.image) == ("2", "7", None)
    assert Columns(path=mine, **NAMES).splits()["forget"][0].sample_id == "mine-000001"
    assert Columns(path=mine, **{**NAMES, "image": ""}).splits()["forget"][0].image is None


def test_columns_from_one_file_for_each_split(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    row = {"question": "Who?", "answer": "Ada", "image": {"bytes": files.picture(1), "path": None}}
    files.write_parquet(folder / "forget.parquet", [{**row, "subject": "a"}])
    with pytest.raises(LoadError, match=r"no file retain\.jsonl.*Found: forget\.parquet"):
        Columns(path=folder).splits()
    files.write_parquet(folder / "retain.parquet", [{**row, "subject": "b"}])
    splits = Columns(path=folder).splits()
    assert splits["retain"][0].sample_id == "retain-000001"
    files.write_jsonl(folder / "retain.jsonl", [])
    with pytest.raises(LoadError, match=r"retain\.jsonl and retain\.parquet are both"):
        Columns(path=folder).splits()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q": ...}, r"line 1: no column 'q'\. Found columns: gold, .* Name the columns with"),
        ({"part": "gone"}, "holds 'gone'; expected one of 'del', 'keep', 'nonmember', 'test'"),
        ({"part": ["del"]}, r"holds \['del'\]"),
        ({"who": "b"}, "the subject 'b' is in forget and in retain. Correct the data"),
        ({"gold": ""}, "'gold' holds ''"),
        ({"gold": "\ud800"}, "half of a character"),
        ({"img": "../a.png"}, "would not stay in"),
        ({"img": "/etc/passwd"}, "would not stay in"),
        ({"img": "no.png"}, r"no\.png does not exist"),
        ({"img": 5}, "the image is int; expected the bytes of an image or the name of a file"),
        ({"img": "mine.jsonl"}, "that are no image"),
    ],
)
def test_columns_schema(mine: Path, change: dict[str, Any], message: str) -> None:
    rows = [{k: v for k, v in {**ROWS[0], **change}.items() if v is not ...}, ROWS[1]]
    files.write_jsonl(mine, rows)
    with pytest.raises(LoadError, match=message):
        Columns(path=mine, **NAMES).splits()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("[1]\n", "line 1: a list; expected an object"),
        ('{"a": 1, "a": 2}\n', "the key 'a' stands twice"),
        ('{"a": \n', "line 1: the JSON is cut off"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_damaged_json_lines(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.jsonl").write_text(text)
    with pytest.raises(LoadError, match=message):
        Columns(path=tmp_path / "mine.jsonl").splits()


def test_other_files(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("a,b\n")
    with pytest.raises(LoadError, match=r"mine\.csv: expected a file that ends in \.jsonl"):
        Columns(path=tmp_path / "mine.csv").splits()
    (tmp_path / "mine.json").write_text("[]")
    with pytest.raises(LoadError, match="no rows"):
        Columns(path=tmp_path / "mine.json").splits()
    (tmp_path / "mine.json").write_text("{}")
    with pytest.raises(LoadError, match="the JSON is an object; expected a list"):
        Columns(path=tmp_path / "mine.json").splits()
    with pytest.raises(LoadError, match="does not exist"):
        Columns(path="x" * 5000).splits()
    with pytest.raises(ArgumentError, match="expected another text for each"):
        Columns(forget="retain")
    with pytest.raises(ArgumentError, match="question=''"):
        Columns(question="")
    with pytest.raises(ArgumentError, match="expected the path of a file or folder"):
        Columns(path=3)  # type: ignore[arg-type]


# Pictures


def test_pictures_become_rgb() -> None:
    for mode in ("L", "RGBA", "P", "CMYK", "1"):
        stream = io.BytesIO()
        Image.new(mode, (4, 3)).save(stream, format="JPEG" if mode == "CMYK" else "PNG")
        assert decode(stream.getvalue(), "here").mode == "RGB"


def test_large_pictures_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_module, "MOST_PIXELS", 63)
    with pytest.raises(LoadError, match="here: the image has 8 x 8 pixels; at most 63"):
        decode(files.picture(1), "here")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(LoadError, match="no image, or a damaged one"):
        decode(files.picture(1), "here")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_truncated_pictures_are_refused(kind: str) -> None:
    data = files.picture(1, size=64, kind=kind)
    assert decode(data, "here").size == (64, 64)
    with pytest.raises(LoadError, match="here: "):
        decode(data[: len(data) // 2], "here")


def test_other_formats_are_refused() -> None:
    with pytest.raises(LoadError, match="Expected a whole file in one of the formats JPEG"):
        decode(files.picture(1, kind="TIFF"), "here")
