from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metareval as mr
from metareval.errors import ArgumentError, LoadError, TableError
from metareval.importers import ImportedRuns, import_runs

RUN: dict[str, Any] = {
    "dataset": "d",
    "method": "a",
    "seed": 1,
    "FA": 0.1,
    "RA": 0.9,
    "retrained_distance": 0.2,
}


def put(folder: Path, name: str, content: Any) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")


def reasons(runs: ImportedRuns) -> dict[str, str]:
    return dict(runs.skipped.itertuples(index=False))


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A folder laid out like the released one: runs, bare metrics, summaries."""
    table = mr.load_dataset("unifiedunl")
    for row in table.frame.to_dict(orient="records"):
        stem = f"{row['dataset']}_{row['method']}_seed{row['seed']}.json"
        put(tmp_path, f"eval_{stem}", {**row, "seed": int(row["seed"])})
        put(tmp_path, f"metrics_{stem}", {m: row[m] for m in table.metrics})
    put(tmp_path, "analysis_results.json", {"tau": {"FA": {"RA": 0.85}}})
    put(tmp_path, "blip2_minimal_summary.json", {"blip2_results": [RUN], "fa_tied": True})
    put(tmp_path, "fa_scan_results.json", [{"sample_id": 0, "option_map": {}}])
    put(tmp_path, "readme.txt", "not looked at")
    return tmp_path


@pytest.fixture
def released_with_blip2(released: Path) -> Path:
    for row in mr.load_dataset("unifiedunl-blip2").frame.to_dict(orient="records"):
        name = f"eval_blip2_{row['dataset']}_{row['method']}_seed42_minimal.json"
        put(released, name, {**row, "seed": int(row["seed"])})
    return released


def test_released_folder(released: Path) -> None:
    runs = mr.import_runs(released)
    assert len(runs.used) == 36
    assert list(runs.used) == sorted(runs.used)
    assert all(f.startswith("eval_") for f in runs.used)
    why = reasons(runs)
    assert len(why) == 39
    assert {r for f, r in why.items() if f.startswith("metrics_")} == {
        "not a run: it has no key 'dataset', 'method', 'seed'"
    }
    assert "no key 'dataset'" in why["analysis_results.json"]
    assert "no key 'dataset'" in why["blip2_minimal_summary.json"]
    assert why["fa_scan_results.json"] == "not an object (a run) but a list"
    expected = mr.load_dataset("unifiedunl").to_frame()
    keys = ["dataset", "method", "seed"]
    pd.testing.assert_frame_equal(
        runs.table.to_frame().sort_values(keys, ignore_index=True),
        expected.sort_values(keys, ignore_index=True),
        check_exact=True,
    )
    assert runs.table.oracle_shared == ("AD", "JS")


def test_another_architecture_in_the_same_cell_is_an_error(released_with_blip2: Path) -> None:
    with pytest.raises(LoadError) as caught:
        import_runs(released_with_blip2)
    message = str(caught.value)
    assert "'eval_blip2_mmubench_finetune_retain_seed42_minimal.json'" in message
    assert "'eval_mmubench_finetune_retain_seed42.json'" in message
    assert "(mmubench / finetune_retain / 42)" in message
    assert "Only one of them has the key 'model'" in message
    assert "fill=" in message


def test_ways_to_read_two_architectures(released_with_blip2: Path) -> None:
    only = import_runs(released_with_blip2, pattern="eval_blip2_*.json").table
    assert only.metrics == ("FA", "RA", "AD")
    assert only.frame["model"].tolist() == ["blip2", "blip2"]
    with_model = import_runs(released_with_blip2, block=["model", "dataset"])
    assert len(with_model.used) == 2
    assert sum(r == "not a run: it has no key 'model'" for r in reasons(with_model).values()) == 36
    both = import_runs(
        released_with_blip2, block=["model", "dataset"], fill={"model": "llava"}
    ).table
    assert len(both) == 38
    assert set(both.levels("block")) == {
        "blip2 / mmubench",
        "llava / mmubench",
        "llava / mllmu_bench",
        "llava / unlok_vqa",
    }
    assert both.frame["JS"].isna().sum() == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "the file is empty"),
        ('{"dataset": "d", "FA": 0.', "line 1 column"),
        ('{"dataset": "d", "meth', "the JSON is cut off"),
        ("[" * 100_000, "nested too deeply"),
        (b"\xff\xfe\x00", "not UTF-16"),
        (b'{"dataset": "\xe9"}', "not UTF-8"),
        (b"\x00\x01", "NUL character"),
        ("[]", "not an object (a run) but a list"),
        ("3", "not an object (a run) but a single value"),
        ({}, "no key 'dataset', 'method', 'seed'"),
        ({k: v for k, v in RUN.items() if k != "seed"}, "no key 'seed'"),
        ({"dataset": "d", "method": "a", "seed": 1}, "no number beside its roles"),
        ({"dataset": "d", "method": "a", "seed": 1, "note": "x"}, "no number beside"),
        ({**RUN, "method": None}, "'method' is empty"),
        ({**RUN, "method": " "}, "'method' is empty"),
        ({**RUN, "seed": float("nan")}, "'seed' holds nan"),
        ({**RUN, "seed": [1]}, "'seed' holds a list"),
        ({**RUN, "FA": "0.5"}, "'FA' holds the text '0.5' where a number is needed"),
        ({**RUN, "retrained_distance": "0.5"}, "'retrained_distance' holds the text"),
        ({**RUN, "RA": [0.1]}, "'RA' holds a list"),
        ({**RUN, "config": {"lr": 1}}, "'config' holds an object"),
        ({**RUN, "FA": 10**400}, "'FA' holds a number too large"),
        ('{"dataset": "d", "dataset": "e"}', "no key 'method', 'seed'"),
        (json.dumps(RUN)[:-1] + ', "FA": 2}', "'FA' stands twice"),
        ({**RUN, "note": "\ud800"}, "surrogate"),
    ],
)
def test_files_that_are_not_used_are_named(tmp_path: Path, content: Any, reason: str) -> None:
    put(tmp_path, "bad.json", content)
    with pytest.raises(LoadError) as caught:
        import_runs(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "none of the 1 files is a run that can be used. 'bad.json': " in str(caught.value)
    assert reason in str(caught.value)
    put(tmp_path, "good.json", RUN)
    runs = import_runs(tmp_path)
    assert runs.used == ("good.json",)
    assert reason in reasons(runs)["bad.json"]
    assert not reasons(runs)["bad.json"].endswith(".")


def test_missing_metrics_and_infinities_are_kept(tmp_path: Path) -> None:
    put(tmp_path, "a.json", {**RUN, "FA": float("nan"), "RA": float("inf")})
    put(tmp_path, "b.json", {**RUN, "method": "b", "FA": None})
    partial = {**RUN, "method": "c"}
    del partial["FA"], partial["retrained_distance"]
    put(tmp_path, "c.json", partial)
    table = import_runs(tmp_path).table
    np.testing.assert_array_equal(table.values, [[np.nan, np.inf], [np.nan, 0.9], [np.nan, 0.9]])
    np.testing.assert_array_equal(table.closeness, [-0.2, -0.2, np.nan])


def test_duplicates(tmp_path: Path) -> None:
    put(tmp_path, "a.json", {**RUN, "AD": float("nan")})
    put(tmp_path, "b.json", {**dict(reversed(RUN.items())), "seed": 1.0, "AD": float("nan")})
    put(tmp_path, "c.json", {**RUN, "seed": 2})
    runs = import_runs(tmp_path)
    assert runs.used == ("a.json", "c.json")
    assert reasons(runs) == {"b.json": "duplicate of a.json"}
    put(tmp_path, "d.json", {**RUN, "seed": "1", "FA": 0.11})
    with pytest.raises(LoadError, match=r"'a.json' and 'd.json' both hold .*\(d / a / 1\)"):
        import_runs(tmp_path)
    assert len(import_runs(tmp_path, replicate=None, directions={"seed": "higher"}).table) == 3


def test_two_texts_in_one_cell_name_the_key(tmp_path: Path) -> None:
    put(tmp_path, "a.json", {**RUN, "model": "x"})
    put(tmp_path, "b.json", {**RUN, "model": "y"})
    with pytest.raises(LoadError, match="They differ in 'model'"):
        import_runs(tmp_path)
    assert len(import_runs(tmp_path, block=["model", "dataset"]).table) == 2


def test_oracle(tmp_path: Path) -> None:
    put(tmp_path, "a.json", {k: v for k, v in RUN.items() if k != "retrained_distance"})
    with pytest.raises(LoadError, match=r"none of the 1 runs holds .*'retrained_distance'"):
        import_runs(tmp_path)
    assert import_runs(tmp_path, oracle=None).table.oracle is None
    put(tmp_path, "a.json", RUN)
    assert import_runs(tmp_path).table.metrics == ("FA", "RA")
    with pytest.raises(TableError, match="No direction is known for 'retrained_distance'"):
        import_runs(tmp_path, oracle=None)


def test_text_under_a_key_that_holds_numbers_elsewhere(tmp_path: Path) -> None:
    put(tmp_path, "a.json", {**RUN, "acc": 0.5, "commit": "1234567"})
    put(tmp_path, "b.json", {**RUN, "method": "b", "acc": "0.6", "commit": "abc"})
    runs = import_runs(tmp_path, directions=None, metrics=["FA"])
    assert runs.used == ("a.json", "b.json")
    with pytest.raises(TableError, match="No direction is known for 'acc'"):
        import_runs(tmp_path)
    runs = import_runs(tmp_path, directions={"acc": "higher"})
    assert runs.table.metrics == ("FA", "RA", "acc")
    assert "'acc' holds the text '0.6'" in reasons(runs)["b.json"]
    put(tmp_path, "b.json", {**RUN, "method": "b", "epoch": "last"})
    put(tmp_path, "c.json", {**RUN, "method": "c", "epoch": 3})
    runs = import_runs(tmp_path, directions={"acc": "higher", "epoch": "higher"})
    assert "'epoch' holds the text 'last'" in reasons(runs)["b.json"]


def test_named_metrics_leave_the_rest_aside(tmp_path: Path) -> None:
    put(tmp_path, "a.json", {**RUN, "config": {"lr": 1}, "RA": "high"})
    table = import_runs(tmp_path, metrics=["FA"]).table
    assert table.metrics == ("FA",)
    assert "config" not in table.frame
    put(tmp_path, "b.json", {**RUN, "config": {}})
    with pytest.raises(LoadError, match=r"name the metrics to leave it aside"):
        import_runs(tmp_path)
    with pytest.raises(LoadError, match="no 'loss'"):
        import_runs(tmp_path, metrics=["loss"])


def test_links_and_folders(tmp_path: Path) -> None:
    folder, outside = tmp_path / "runs", tmp_path / "outside"
    put(outside, "x.json", {**RUN, "seed": 9})
    put(folder, "a.json", RUN)
    put(folder, "deep/b.json", {**RUN, "seed": 2})
    (folder / "dir.json").mkdir()
    (folder / "leaves.json").symlink_to(outside / "x.json")
    (folder / "nowhere.json").symlink_to(folder / "gone.json")
    (folder / "loop.json").symlink_to(folder / "loop.json")
    (folder / "stays.json").symlink_to(folder / "deep" / "b.json")
    (folder / "linked").symlink_to(outside, target_is_directory=True)
    runs = import_runs(folder)
    assert runs.used == ("a.json", "stays.json")
    assert reasons(runs) == {
        "leaves.json": "a link that leaves the folder",
        "loop.json": "a link that leads nowhere",
        "nowhere.json": "a link that leads nowhere",
    }
    assert import_runs(folder, pattern="deep/*.json").used == ("deep/b.json",)
    with pytest.raises(LoadError, match="a link that leaves the folder"):
        import_runs(folder, pattern="linked/*.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
def test_a_pipe_is_skipped_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    put(tmp_path, "a.json", RUN)
    assert "not a regular file" in reasons(import_runs(tmp_path))["pipe.json"]


@pytest.mark.parametrize("pattern", ["", "../*.json", "a/../../*.json", "/etc/*.json"])
def test_patterns_that_leave_the_folder(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(ArgumentError, match="does not stay in the folder"):
        import_runs(tmp_path, pattern=pattern)


def test_folder_problems(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="there is no such folder"):
        import_runs(tmp_path / "no")
    with pytest.raises(LoadError, match=r"no file matches '\*.json'"):
        import_runs(tmp_path)
    put(tmp_path, "a.txt", "x")
    with pytest.raises(LoadError, match=r"is a file, not a folder.*read_table"):
        import_runs(tmp_path / "a.txt")


def test_bad_arguments(tmp_path: Path) -> None:
    put(tmp_path, "a.json", RUN)
    with pytest.raises(ArgumentError, match=r"fill= names 'FA'.*only labels"):
        import_runs(tmp_path, fill={"FA": "0.5"})
    with pytest.raises(ArgumentError, match=r"metrics='FA'.*list of names"):
        import_runs(tmp_path, metrics="FA")
    with pytest.raises(TableError, match=r"direction of 'FA' is 'up'"):
        import_runs(tmp_path, directions={"FA": "up"})
    with pytest.raises(ArgumentError, match=r"named both as"):
        import_runs(tmp_path, block="method")


def test_many_reasons_are_cut_short(tmp_path: Path) -> None:
    for i in range(8):
        put(tmp_path, f"{i}.json", {**RUN, "FA": str(i)})
    put(tmp_path, "z.json", {**RUN, "FA": "0"})
    with pytest.raises(LoadError) as caught:
        import_runs(tmp_path)
    assert "'0.json' and 1 more: key 'FA' holds the text '0'" in str(caught.value)
    assert str(caught.value).endswith("and 3 other reasons.")


def test_result(released: Path) -> None:
    runs = import_runs(released, name="mine")
    assert runs.headline() == "ImportedRuns 'mine': 36 files used, 39 skipped"
    assert "19 more in .skipped" in repr(runs)
    assert repr(import_runs(released, pattern="eval_*")).count("Skipped") == 0
    frame = runs.to_frame()
    assert (len(frame), frame["used"].sum()) == (75, 36)
    assert frame.loc["fa_scan_results.json", "reason"] == "not an object (a run) but a list"
    plain = json.loads(json.dumps(runs.to_dict(), allow_nan=False))
    assert plain["table"]["n_rows"] == 36
    assert len(plain["skipped"]) == 39
    with pytest.raises(AttributeError):
        runs.used = ()  # type: ignore[misc]


def test_hostile_names(tmp_path: Path) -> None:
    put(tmp_path, "<b>.json", {**RUN, "method": "<script>", "=cmd()": 0.5, "note": "\n\u202e😀"})
    put(tmp_path, "a\nb.json", "[]")
    runs = import_runs(tmp_path, directions={"=cmd()": "higher"})
    assert runs.table.labels("item") == ["<script>"]
    assert repr(runs).replace("\n", "").isprintable()
    assert "<b>" not in runs._repr_html_()
