"""Entries: what one must hold, and how it joins its table."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import metareval as mr
from metareval.cli import main
from metareval.errors import ArgumentError, LoadError
from metareval.leaderboards.entries import (
    FORMAT,
    check_entries,
    merge_entries,
    read_entries,
    read_entry,
)

METRICS = {"FA": 0.1, "RA": 0.9, "MIA": 0.5, "AD": 12.0, "JS": 0.2}


def entry(**changes: Any) -> dict[str, Any]:
    rows = [
        {"block": block, "replicate": seed, "values": dict(METRICS)}
        for block in ("mllmu_bench", "unlok_vqa", "mmubench")
        for seed in ("42", "123")
    ]
    base = {"format": FORMAT, "version": 1, "table": "unifiedunl", "item": "mine", "rows": rows}
    return {**base, **changes}


def write(folder: Path, document: Any, name: str = "mine.json") -> Path:
    path = folder / name
    text = document if isinstance(document, str) else json.dumps(document)
    path.write_text(text, encoding="utf-8")
    return path


def changed(**changes: Any) -> list[dict[str, Any]]:
    """The rows of an entry, the first of them changed."""
    first, *rest = entry()["rows"]
    return [{**first, **changes}, *rest]


def test_an_entry_is_read_as_it_stands(tmp_path: Path) -> None:
    found = read_entry(write(tmp_path, entry(submitter="Ann", url="https://example.org/x?y=1")))
    assert (found.item, found.table, len(found.rows)) == ("mine", "unifiedunl", 6)
    assert found.rows[0] == ("mllmu_bench", "42", METRICS)
    assert found.about == {"submitter": "Ann", "url": "https://example.org/x?y=1"}


def test_numbers_may_name_replicates_and_null_is_missing(tmp_path: Path) -> None:
    rows = changed(replicate=42, values={**METRICS, "JS": None})
    found = read_entry(write(tmp_path, entry(rows=rows)))
    assert found.rows[0][1] == "42"
    assert math.isnan(found.rows[0][2]["JS"])


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "the JSON is cut off"),
        ("[]", "an object is expected"),
        ('{"format": "metareval entry", "format": "x"}', "'format' stands twice"),
        (entry(format="metareval table"), "'metareval entry' is expected"),
        (entry(version=2), "reads version 1"),
        (entry(version=True), "reads version 1"),
        ({k: v for k, v in entry().items() if k != "item"}, "lacks item"),
        (entry(colour="red"), "unknown key 'colour'"),
        (entry(item=""), "'item' is ''"),
        (entry(item=7), "'item' is 7"),
        (entry(item="x" * 2001), "2001 characters"),
        (entry(rows=[]), "an empty list"),
        (entry(rows={}), "an object"),
        (entry(rows=["x"]), "row 1 is 'x'"),
        (entry(rows=changed(values={})), "'values' of row 1"),
        (entry(rows=changed(values={"FA": "0.1"})), "'FA' of row 1 is '0.1'"),
        (entry(rows=changed(values={"FA": True})), "'FA' of row 1 is True"),
        (entry(rows=changed(values={"FA": [1]})), "holds a list"),
        (entry(rows=changed(values={"FA": math.inf})), "not finite"),
        (entry(rows=changed(values={"FA": 10**400})), "not finite"),
        (entry(rows=changed(seed=1)), "row 1 has the unknown key 'seed'"),
        (entry(rows=changed(block=None)), "block of row 1"),
        (entry(url="http://example.org"), "an https address"),
        (entry(url="javascript:alert(1)"), "an https address"),
        (entry(url='https://example.org/"onclick=x'), "an https address"),
        (entry(note="\ud800"), "half of a character"),
    ],
)
def test_what_is_not_an_entry_is_refused(tmp_path: Path, document: Any, message: str) -> None:
    path = write(tmp_path, document)
    with pytest.raises(LoadError) as caught:
        read_entry(path)
    assert message in str(caught.value)
    assert "mine.json" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"table": "other"}, "its tables are unifiedunl"),
        ({"item": "salun"}, "is in the table already"),
        ({"rows": changed(block="faces")}, "has the block 'faces'"),
        ({"rows": [{"replicate": "1", "values": METRICS}]}, "has no block"),
        ({"rows": [{"block": "mmubench", "values": METRICS}]}, "has no replicate"),
        ({"rows": changed(values={"FA": 0.1})}, "lacks RA, MIA, AD and JS"),
        ({"rows": changed(values={**METRICS, "BLEU": 1.0})}, "has BLEU"),
        ({"rows": changed(values={**METRICS, "FA": 1.5})}, "'FA' is 1.5"),
        ({"rows": [*entry()["rows"], entry()["rows"][0]]}, "repeats an earlier row"),
    ],
)
def test_what_fits_no_table_is_refused(
    tmp_path: Path, released: mr.MetricTable, changes: dict[str, Any], message: str
) -> None:
    path = write(tmp_path, entry(**changes))
    with pytest.raises(LoadError) as caught:
        merge_entries([released], [read_entry(path)])
    assert message.lower() in str(caught.value).lower()
    assert "mine.json" in str(caught.value)


def test_a_table_without_items_takes_no_entry(tmp_path: Path, released: mr.MetricTable) -> None:
    plain = mr.MetricTable.from_frame(released.frame[list(released.metrics)], name="unifiedunl")
    with pytest.raises(LoadError, match="names no items"):
        merge_entries([plain], [read_entry(write(tmp_path, entry()))])


def test_two_entries_cannot_share_an_item(tmp_path: Path, released: mr.MetricTable) -> None:
    write(tmp_path, entry(), "a.json")
    write(tmp_path, entry(), "b.json")
    with pytest.raises(LoadError, match=r"b\.json.*a\.json too"):
        merge_entries([released], read_entries(tmp_path))


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    write(tmp_path, entry(item="second"), "b.json")
    write(tmp_path, entry(item="first"), "a.JSON")
    write(tmp_path, "not an entry", "README.md")
    assert [e.item for e in read_entries(tmp_path)] == ["first", "second"]


def test_a_folder_without_entries_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"holds no \.json file"):
        read_entries(tmp_path)
    with pytest.raises(LoadError, match="not a folder"):
        read_entries(tmp_path / "none")


def test_entries_join_without_moving_the_weights(tmp_path: Path, released: mr.MetricTable) -> None:
    folder = tmp_path / "entries"
    folder.mkdir()
    write(folder, entry(submitter="Ann"))
    alone = mr.leaderboard(released, tmp_path / "a", n_resamples=50, rng=0)
    joined = mr.leaderboard(released, tmp_path / "b", entries=folder, n_resamples=50, rng=0)
    assert list(joined.ranking["item"]) == ["mine", *alone.ranking["item"]]
    before = alone.ranking.set_index("item")["score"]
    after = joined.ranking.set_index("item")["score"]
    assert (before == after[before.index]).all()
    assert "submitter" in joined.path.read_text(encoding="utf-8")


def test_entries_are_checked_alone_and_against_a_table(
    tmp_path: Path, released: mr.MetricTable
) -> None:
    good = write(tmp_path, entry(), "good.json")
    bad = write(tmp_path, entry(item="salun"), "bad.json")
    part = write(tmp_path, entry(item="part", rows=entry()["rows"][:2]), "part.json")
    assert check_entries([good, bad, part]).sound
    found = check_entries([good, bad, part], [released])
    assert not found.sound
    problems = found.to_frame()["problem"].tolist()
    assert [bool(p) for p in problems] == [False, True, False]
    assert "no score over all blocks" in found.to_frame()["note"].iloc[2]
    assert found.headline() == "2 of 3 entries can be merged"
    with pytest.raises(ArgumentError, match="at least one entry"):
        check_entries([])


def test_the_command_checks_entries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write(tmp_path, entry(), "good.json")
    bad = write(tmp_path, entry(version=9), "bad.json")
    assert main(["leaderboard", "check", str(good), "--against", "unifiedunl"]) == 0
    assert "1 of 1 entries can be merged" in capsys.readouterr().out
    assert main(["leaderboard", "check", str(good), str(bad), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["frame"]["data"][1][3]
    assert main(["leaderboard", "check"]) == 2
    assert main(["leaderboard", "unifiedunl", "--against", "unifiedunl"]) == 2
