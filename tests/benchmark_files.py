"""Small files in the schemas of published benchmarks."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def picture(number: int, *, size: int = 8, kind: str = "PNG") -> bytes:
    """An encoded picture of one colour."""
    stream = io.BytesIO()
    Image.new("RGB", (size, size), (number % 256, 40, 200)).save(stream, format=kind)
    return stream.getvalue()


def write_parquet(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    import pyarrow
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def mllmu_row(person: str, number: int, *, image: str = "image") -> dict[str, Any]:
    one = {"bytes": picture(number), "path": f"{person}.png"}
    open_questions = [
        {"Type": "Image_Textual", "Question": "Where was she born?", "Ground_Truth": f"P{number}"},
        {"Type": "Pure_Text", "Question": f"Who is {person}?", "Ground_Truth": "A painter."},
    ]
    if image == "images":
        open_questions[1]["Question"] = f"What is known about {person}?"
    closed = {"Question": "What is her job?", "Options": {"A": "judge", "B": "nurse"}}
    more = {"Question": "Where?", "Options": {"A": "Rome", "B": "Oslo", "C": "Lima"}}
    return {
        image: [one, one] if image == "images" else one,
        "ID": person,
        "biography": "A life.",
        "question": "Tell me about her.",
        "answer": "A painter.",
        "Classification_Task": {
            "Image_Textual_Questions": [{**closed, "Correct_Answer": "B"}],
            "Pure_Text_Questions": [{**more, "Correct_Answer": "C"}],
        },
        "Generation_Task": open_questions,
        "Mask_Task": [
            {"Type": "Image_Textual", "Question": "She is a __.", "Ground_Truth": "nurse"},
            {"Type": "Pure_Text", "Question": f"{person} lives in __.", "Ground_Truth": "Lima"},
        ],
    }


def write_mllmu(root: Path) -> Path:
    people = [f"{n:03d}" for n in range(1, 6)]
    rows = {person: mllmu_row(person, n) for n, person in enumerate(people)}
    write_parquet(root / "forget_5" / "train-00000-of-00001.parquet", [rows["001"]])
    for shard, part in enumerate((people[1:3], people[3:])):
        file = root / "retain_95" / f"train-0000{shard}-of-00002.parquet"
        write_parquet(file, [rows[person] for person in part])
    write_parquet(root / "Retain_Set" / "train-00000-of-00001.parquet", [mllmu_row("001", 99)])
    test = [mllmu_row(person, 50 + n, image="images") for n, person in enumerate(people)]
    write_parquet(root / "Test_Set" / "train-00000-of-00001.parquet", test)
    trained = [
        {
            "ID": person,
            "image": row["image"],
            "metadata": json.dumps([{"Question": "What is her job?", "Answer": "She is a nurse."}]),
        }
        for person, row in rows.items()
    ]
    write_parquet(root / "ft_Data" / "train-00000-of-00001.parquet", trained)
    return root


def write_coco(root: Path) -> Path:
    for name in ("train2014/COCO_train2014_000000000007.jpg", "val2017/000000000009.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(picture(len(name), kind="JPEG"))
    return root


UNLOK_ROWS: list[dict[str, Any]] = [
    {
        "id": 11,
        "src": "Which country does this dish come from?",
        "pred": "japan",
        "loc": "Which sauce is beside it?",
        "loc_ans": "soy",
        "image_id": 7,
    },
    {
        "id": 12,
        "src": "Who made this train?",
        "pred": "alstom",
        "loc": "What colour is it?",
        "loc_ans": "red",
        "image_id": 9,
    },
]


def write_mmubench(root: Path) -> Path:
    rows = []
    for concept, folder in (("Mario", "mario"), ("Hello Kitty", "kitty")):
        for i in range(3):
            name = f"{folder}/{i}.png"
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(picture(20 * i + len(folder)))
            row = {"concept": concept, "image": name, "question": "Who is this?", "answer": concept}
            rows.append({**row, "held_out": i == 2})
    write_jsonl(root / "questions.jsonl", rows)
    return root


def write_cifar(folder: Path, images_in_file: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for name in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
        records = rng.integers(0, 256, (images_in_file, 3073), dtype=np.uint8)
        records[:, 0] = np.arange(images_in_file) % 10
        (folder / name).write_bytes(records.tobytes())
    return folder


def idx(values: np.ndarray) -> bytes:
    header = np.array([0x800 + values.ndim, *values.shape], dtype=">u4").tobytes()
    return gzip.compress(header + values.astype(np.uint8).tobytes(), mtime=0)


def write_fashion(folder: Path, *, train: int = 60, test: int = 30) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for part, n in (("train", train), ("t10k", test)):
        images = rng.integers(0, 256, (n, 28, 28))
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(np.arange(n) % 10))
    return folder
