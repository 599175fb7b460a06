from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metareval as mr
from metareval.datasets import load_provenance, load_published, resolve_table
from metareval.errors import ArgumentError, LoadError, TableError

METHODS = ["gradient_ascent", "random_labels", "finetune_retain", "salun"]


def test_multimodal_table() -> None:
    table = mr.load_dataset("unifiedunl")
    assert (len(table), table.n_units, table.name) == (36, 12, "unifiedunl")
    assert table.metrics == ("FA", "RA", "MIA", "AD", "JS")
    assert dict(table.directions) == {
        "FA": "lower",
        "RA": "higher",
        "MIA": "lower",
        "AD": "lower",
        "JS": "lower",
    }
    assert table.oracle == "retrained_distance"
    assert table.oracle_shared == ("AD", "JS")
    assert table.levels("block") == ["mllmu_bench", "unlok_vqa", "mmubench"]
    assert table.levels("item") == METHODS
    assert table.levels("replicate") == ["42", "123", "5508"]
    assert table.labels("item") == METHODS * 9
    assert table.row_name(0) == "mllmu_bench / gradient_ascent / 42"
    first = [0.0, 0.02, 0.38, 121.4375, 0.020694755017757416]
    last = [0.8666666666666667, 0.78, 0.5333333333333333, 21.484375, 0.0032071389723569155]
    assert table.values[0].tolist() == first
    assert table.values[-1].tolist() == last
    assert -table.closeness[0] == 0.054101329099585885
    assert -table.closeness[-1] == 0.352784326708229
    assert list(table.frame.index) == list(range(36))


def test_multimodal_table_as_a_whole() -> None:
    table = mr.load_dataset("unifiedunl")
    sums = [math.fsum(table.values[:, j]) for j in range(5)]
    assert sums == [22.266666666666666, 21.84, 11.52, 2561.92578125, 2.983372092501668]


def test_unimodal_table_keeps_missing_values_and_has_no_oracle() -> None:
    table = mr.load_dataset("unifiedunl-unimodal")
    assert (len(table), table.oracle) == (12, None)
    js = table.frame["JS"]
    assert js.isna().sum() == 2
    assert table.row_name(0) == "cifar10 / gradient_ascent / 42"
    assert js.isna().to_numpy().nonzero()[0].tolist() == [0, 8]
    assert table.frame["AD"].iloc[0] == 6879896.4375
    with pytest.raises(TableError, match="has no oracle"):
        _ = table.closeness


def test_blip2_table() -> None:
    table = mr.load_dataset("unifiedunl-blip2")
    assert table.metrics == ("FA", "RA", "AD")
    assert table.values.tolist() == [
        [0.6666666666666666, 0.6, 1.869140625],
        [0.6666666666666666, 0.63, 44.84375],
    ]
    assert table.closeness.tolist() == [-0.03396741426331573, -0.12192832531582098]
    assert table.frame["model"].tolist() == ["blip2", "blip2"]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("unifiedunl", "multimodal_results.csv"),
        ("unifiedunl-unimodal", "unimodal_results.csv"),
        ("unifiedunl-blip2", "blip2_results.csv"),
    ],
)
def test_values_are_those_of_the_file(name: str, file: str) -> None:
    path = Path(mr.__file__).parent / "datasets" / "data" / file
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    table = mr.load_dataset(name)
    for column in [*table.metrics, *([table.oracle] if table.oracle else [])]:
        expected = [float(v) for v in frame[column]]
        np.testing.assert_array_equal(table.frame[column].to_numpy(), expected)
    for column in ("dataset", "method", "seed"):
        assert table.frame[column].tolist() == frame[column].tolist()
    assert list(table.frame.columns) == list(frame.columns)


def test_list_datasets_says_what_is_there() -> None:
    listed = mr.list_datasets()
    assert listed.index.name == "name"
    assert list(listed.columns) == ["title", "rows", "metrics", "licence", "citation", "source"]
    for name in listed.index:
        table = mr.load_dataset(name)
        assert listed.loc[name, "rows"] == len(table)
        assert listed.loc[name, "metrics"] == ", ".join(table.metrics)
    assert set(listed["licence"]) == {"Apache-2.0"}
    released = listed.index.str.startswith("unifiedunl")
    assert listed["citation"][released].str.contains("arXiv:2605.02206", regex=False).all()
    assert listed["citation"][~released].str.contains("docs/findings.md", regex=False).all()
    assert listed["source"][~released].str.startswith("metareval study run").all()


def test_unknown_dataset_names_the_near_and_the_known() -> None:
    with pytest.raises(ArgumentError) as caught:
        mr.load_dataset("unifedunl")
    assert "Did you mean 'unifiedunl'" in str(caught.value)
    assert "unifiedunl-blip2" in str(caught.value)


def test_published_numbers() -> None:
    published = load_published()
    assert published["tau_matrix"][0][1] == 0.8518518518518519
    published["metrics"].clear()
    assert load_published()["metrics"] == ["FA", "RA", "MIA", "AD", "JS"]
    with pytest.raises(ArgumentError, match=r"published numbers 'unifiedunl-blip2'.*unifiedunl"):
        load_published("unifiedunl-blip2")


def test_provenance_of_a_study() -> None:
    made = load_provenance("study-small")
    assert made["study"]["seeds"] == [0, 1, 2]
    with pytest.raises(ArgumentError, match=r"embedded study 'unifiedunl'.*study-small"):
        load_provenance("unifiedunl")


def test_resolve_takes_embedded_names_and_paths(tmp_path: Path) -> None:
    assert resolve_table("unifiedunl").name == "unifiedunl"
    path = tmp_path / "runs.csv"
    path.write_text("method,FA\na,0.1\nb,0.2\n")
    assert resolve_table(path, item="method").levels("item") == ["a", "b"]
    assert resolve_table(str(path)).item is None
    other = tmp_path / "runs.dat"
    other.write_bytes(path.read_bytes())
    assert resolve_table(str(other), format="csv").name == "runs"


def test_resolve_narrows_an_embedded_table() -> None:
    table = resolve_table("unifiedunl", metrics=["RA", "FA"], directions={"FA": "higher"})
    assert table.metrics == ("RA", "FA")
    assert table.directions["FA"] == "higher"
    assert (table.name, table.block) == ("unifiedunl", "dataset")


def test_resolve_prefers_the_embedded_table_to_a_folder_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "unifiedunl").mkdir()
    assert len(resolve_table("unifiedunl")) == 36
    with pytest.raises(LoadError, match=r"is a folder.*import_runs"):
        resolve_table(f".{os.sep}unifiedunl")


def test_resolve_unknown_name_says_no_path_was_found() -> None:
    for name in ("unifedunl", "x" * 10_000):
        with pytest.raises(ArgumentError) as caught:
            resolve_table(name)
        assert "'unifiedunl', 'unifiedunl-blip2', 'unifiedunl-unimodal'" in str(caught.value)
        assert "no file" in str(caught.value)
    with pytest.raises(LoadError, match="there is no such file"):
        resolve_table("missing.csv")
    with pytest.raises(LoadError, match="there is no such file"):
        resolve_table("missing/table")


def test_resolve_suggests_flags_for_the_released_layout(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("dataset,method,seed,FA,retrained_distance\nd,a,1,0.5,0.1\nd,b,1,0.4,0.2\n")
    with pytest.raises(TableError) as caught:
        resolve_table(str(path))
    flags = "--block dataset --item method --replicate seed --oracle retrained_distance"
    assert flags in str(caught.value)
    assert str(path) in str(caught.value)
    with pytest.raises(TableError) as caught:
        mr.read_table(path, block="dataset", item="method")
    assert 'replicate="seed", oracle="retrained_distance"' in str(caught.value)
    assert 'block="dataset"' not in str(caught.value)
