"""Every built-in benchmark keeps the rules, and reads nothing before it is asked for samples."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import metareval_benchmarks.cifar10 as cifar_module
from metareval.errors import ArgumentError, LoadError
from metareval.protocols import Benchmark
from metareval.testing import check_benchmark
from metareval_benchmarks import portraits
from metareval_benchmarks.cifar10 import cifar10
from metareval_benchmarks.columns import columns
from metareval_benchmarks.digits import digits
from metareval_benchmarks.fashion_mnist import DEBIAN, fashion_mnist
from metareval_benchmarks.mllmu import mllmu
from metareval_benchmarks.mmubench import mmubench
from metareval_benchmarks.unlok import unlok
from tests import benchmark_files as files

ALL = ("forget", "retain", "nonmember", "test")


def own_file(folder: Path) -> Any:
    files.write_jsonl(
        folder / "mine.jsonl",
        [
            {"question": "Who?", "answer": "Ada", "subject": "a", "split": "forget", "image": None},
            {"question": "Who?", "answer": "Ben", "subject": "b", "split": "retain", "image": None},
        ],
    )
    return columns.configured(path=folder / "mine.jsonl")


def coco(folder: Path) -> Any:
    files.write_jsonl(folder / "data.jsonl", files.UNLOK_ROWS)
    return unlok.configured(path=folder / "data.jsonl", images=files.write_coco(folder / "coco"))


BENCHMARKS: dict[str, tuple[Callable[[Path], Any], tuple[str, ...]]] = {
    "portraits-faces": (lambda _: portraits.faces, ALL),
    "portraits-badges": (lambda _: portraits.badges, ALL),
    "portraits-scenes": (lambda _: portraits.scenes, ALL),
    "digits": (lambda _: digits, ALL),
    "mllmu": (
        lambda f: mllmu.configured(path=files.write_mllmu(f), nonmember="paraphrases"),
        ALL,
    ),
    "unlok": (coco, ("forget", "retain")),
    "mmubench": (
        lambda f: mmubench.configured(path=files.write_mmubench(f), forget="Mario"),
        ("forget", "retain", "nonmember"),
    ),
    "columns": (own_file, ("forget", "retain")),
    "cifar10": (lambda f: cifar10.configured(path=files.write_cifar(f, 20)), ALL),
    "fashion-mnist": (lambda f: fashion_mnist.configured(path=files.write_fashion(f)), ALL),
}


@pytest.fixture(autouse=True)
def small_cifar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar_module, "IMAGES_IN_FILE", 20)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_rules(name: str, tmp_path: Path) -> None:
    make, splits = BENCHMARKS[name]
    benchmark = make(tmp_path)
    assert isinstance(benchmark, Benchmark)
    assert benchmark.name == name
    check_benchmark(benchmark, required=splits)
    first, second = benchmark.splits(), benchmark.splits()
    assert set(first) == set(splits)
    for split in splits:
        for one, other in zip(first[split], second[split], strict=True):
            if one.image is None:
                assert other.image is None
                continue
            assert one.image.mode == "RGB"
            assert np.array_equal(np.asarray(one.image), np.asarray(other.image))


@pytest.mark.parametrize("benchmark", [mllmu, unlok, mmubench, columns, cifar10])
def test_nothing_is_read_or_made_up_where_no_path_is_given(benchmark: Any, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="give path="):
        benchmark.splits()
    away = benchmark.configured(path=tmp_path / "away")
    with pytest.raises(LoadError, match="away does not exist"):
        away.splits()


@pytest.mark.parametrize("name", BENCHMARKS)
def test_unknown_options_are_refused(name: str, tmp_path: Path) -> None:
    benchmark = BENCHMARKS[name][0](tmp_path)
    with pytest.raises(ArgumentError, match=f"option of the benchmark {name} 'sead'"):
        benchmark.configured(sead=1)
    with pytest.raises(ArgumentError):
        benchmark.configured(**{"size" if "portraits" in name else "limit": "many"})


@pytest.mark.skipif(not Path(DEBIAN).is_dir(), reason="dataset-fashion-mnist is not installed")
def test_debians_fashion_mnist() -> None:
    check_benchmark(fashion_mnist.configured(limit=700), required=ALL)


def test_the_examples_in_the_docs_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = Path(__file__).parents[2].joinpath("docs/benchmarks.md").read_text(encoding="utf-8")
    code = "".join(re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL))
    # By their modules, so that the page can be tried without installing anew.
    built_in = {"digits": digits, "mllmu": mllmu, "unlok": unlok, "mmubench": mmubench}
    built_in |= {"columns": columns, "cifar10": cifar10, "portraits-faces": portraits.faces}
    monkeypatch.setattr("metareval.plugins.get_benchmark", built_in.__getitem__)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "benchmarks.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "'nonmember': 12" in printed
    assert "answer='Ada'" in printed


def test_the_docs_name_every_option() -> None:
    page = Path(__file__).parents[2].joinpath("docs/benchmarks.md").read_text(encoding="utf-8")
    for benchmark in (
        portraits.faces,
        digits,
        fashion_mnist,
        cifar10,
        mllmu,
        unlok,
        mmubench,
        columns,
    ):
        assert f"`{benchmark.name}`" in page
        for option in dataclasses.fields(benchmark):
            assert re.search(rf"\b{option.name}\b", page), option.name
