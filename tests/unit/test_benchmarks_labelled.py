from __future__ import annotations

import gzip
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import metareval_benchmarks.cifar10 as cifar_module
from metareval.errors import ArgumentError, LoadError, MissingDependencyError
from metareval_benchmarks.cifar10 import Cifar10
from metareval_benchmarks.digits import Digits
from metareval_benchmarks.fashion_mnist import FashionMnist
from tests import benchmark_files as files


def test_digits_hold_every_image_once() -> None:
    splits = Digits().splits()
    samples = [s for part in splits.values() for s in part]
    assert len(samples) == len({s.subject_id for s in samples}) == 1797
    assert {s.answer for s in samples} == set("0123456789")
    assert len({s.image.tobytes() for s in samples}) == 1797
    brightest = max(np.asarray(s.image).max() for s in samples)
    assert brightest == 255


def test_class_wise_forgetting() -> None:
    splits = Digits(forget_class=3).splits()
    answers = {split: set(Counter(s.answer for s in part)) for split, part in splits.items()}
    others = set("012456789")
    assert answers == {"forget": {"3"}, "retain": others, "nonmember": {"3"}, "test": others}


def test_seeds_and_limits() -> None:
    ids = [
        {s.answer + s.image.tobytes().hex() for s in Digits(seed=n).splits()["forget"]}
        for n in (0, 1)
    ]
    assert ids[0] != ids[1]
    few = Digits(limit="100", scale=1).splits()
    assert sum(map(len, few.values())) == 100
    assert few["forget"][0].image.size == (8, 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"forget_class": 10}, "Unknown value of forget_class"),
        ({"forget_class": True}, "Unknown value of forget_class"),
        ({"scale": 0}, "scale=0"),
        ({"held_out_share": "all"}, "held_out_share='all'"),
        ({"limit": 3}, "limit=3"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Digits(**options)


def test_an_empty_split_is_an_error() -> None:
    with pytest.raises(ArgumentError, match="No image is left for the split forget"):
        Digits(forget_share=0.001, limit=20).splits()


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        Digits().splits()


# CIFAR-10


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cifar_module, "IMAGES_IN_FILE", 20)
    return files.write_cifar(tmp_path / "cifar-10-batches-bin", 20)


def test_cifar_pixels_and_labels(cifar: Path) -> None:
    splits = Cifar10(path=cifar, forget_class="ship").splits()
    assert {k: len(v) for k, v in splits.items()} == {
        "forget": 10,
        "retain": 90,
        "nonmember": 2,
        "test": 18,
    }
    record = np.frombuffer((cifar / "data_batch_1.bin").read_bytes(), np.uint8)[8 * 3073 :][:3073]
    sample = splits["forget"][0]
    assert (sample.sample_id, sample.answer) == ("cifar10-00008", "ship")
    # Planes of red, green and blue in the file.
    assert np.array_equal(np.asarray(sample.image)[:, :, 1].ravel(), record[1 + 1024 : 1 + 2048])


def test_cifar_pickles_are_refused(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1").write_bytes(b"cos\nsystem\n(S'touch trace'\ntR.")
    with pytest.raises(LoadError, match=r"Python version .* pickles.*cifar-10-binary"):
        Cifar10(path=tmp_path).splits()
    assert not (tmp_path / "trace").exists()


def test_cifar_damage(cifar: Path) -> None:
    whole = (cifar / "test_batch.bin").read_bytes()
    (cifar / "test_batch.bin").write_bytes(whole[:-1])
    with pytest.raises(LoadError, match=r"test_batch.bin has 61,459 bytes; expected 61,460"):
        Cifar10(path=cifar).splits()
    (cifar / "test_batch.bin").write_bytes(b"\x0a" + whole[1:])
    with pytest.raises(LoadError, match="a label is 10"):
        Cifar10(path=cifar).splits()
    (cifar / "test_batch.bin").unlink()
    with pytest.raises(LoadError, match=r"test_batch.bin does not exist\. Take the binary version"):
        Cifar10(path=cifar).splits()


# Fashion-MNIST


def test_fashion_uses_the_official_parts(tmp_path: Path) -> None:
    splits = FashionMnist(path=files.write_fashion(tmp_path)).splits()
    seen = [int(s.sample_id[-5:]) for k in ("forget", "retain") for s in splits[k]]
    held_out = [int(s.sample_id[-5:]) for k in ("nonmember", "test") for s in splits[k]]
    assert sorted(seen) == list(range(60))
    assert sorted(held_out) == list(range(60, 90))
    assert splits["retain"][0].image.size == (28, 28)


def test_fashion_absent(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="sudo apt install dataset-fashion-mnist"):
        FashionMnist(path=tmp_path / "no").splits()
    with pytest.raises(LoadError, match=r"train-images-idx3-ubyte.gz does not exist"):
        FashionMnist(path=tmp_path).splits()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no gzip", "damaged"),
        (gzip.compress(b""), "not an IDX file|damaged"),
        (gzip.compress(b"\0" * 16), "not an IDX file"),
        (files.idx(np.zeros((60, 28, 28)))[:-9], "damaged"),
        (files.idx(np.zeros((59, 28, 28))), "59, 28, 28"),
        (files.idx(np.zeros((60, 27, 28))), "60, 27, 28"),
        (files.idx(np.zeros(60)), "not an IDX file"),
        (
            gzip.compress(np.array([0x803, 2**31, 28, 28], dtype=">u4").tobytes()),
            "says that it holds",
        ),
        (
            gzip.compress(np.array([0x803, 60, 28, 28], dtype=">u4").tobytes() + b"\0" * 60 * 785),
            "more than 47,040",
        ),
        (
            gzip.compress(np.array([0x803, 60, 28, 28], dtype=">u4").tobytes() + b"\0" * 99),
            "99 values; expected 47,040",
        ),
    ],
    # Bytes in a name would hold the time at which they were compressed.
    ids=[
        "no gzip",
        "empty",
        "zeros",
        "cut short",
        "59 images",
        "27 rows",
        "labels for images",
        "huge",
        "too long",
        "too short",
    ],
)
def test_fashion_damage(content: bytes, message: str, tmp_path: Path) -> None:
    folder = files.write_fashion(tmp_path)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(LoadError, match=message):
        FashionMnist(path=folder).splits()


def test_fashion_labels_out_of_range(tmp_path: Path) -> None:
    folder = files.write_fashion(tmp_path)
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(files.idx(np.full(30, 10)))
    with pytest.raises(LoadError, match="a t10k label is 10"):
        FashionMnist(path=folder).splits()
