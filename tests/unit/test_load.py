from __future__ import annotations

import codecs
import csv
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import metareval as mr
from metareval.errors import ArgumentError, LoadError, MissingDependencyError, TableError
from metareval.reading import limits

ROLES: dict[str, Any] = {
    "oracle": "distance",
    "block": "dataset",
    "item": "method",
    "replicate": "seed",
}
HEAD = "dataset,method,seed,FA,distance\n"
GOOD = HEAD + "d,a,1,0.5,0.1\nd,b,1,0.25,0.2\n"


def write(folder: Path, content: str | bytes, name: str = "runs.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def fails(
    folder: Path, content: str | bytes, *expected: str, name: str = "runs.csv", **roles: Any
) -> None:
    """Check that reading fails with our own error, which names the file and what is expected."""
    path = write(folder, content, name)
    with pytest.raises((LoadError, TableError, ArgumentError)) as caught:
        mr.read_table(path, **roles)
    message = str(caught.value)
    for text in (str(path), *expected):
        assert text in message, message


def test_reads_csv_with_roles(tmp_path: Path) -> None:
    table = mr.read_table(write(tmp_path, GOOD), **ROLES)
    assert table.name == "runs"
    assert table.metrics == ("FA",)
    assert table.values.tolist() == [[0.5], [0.25]]
    assert table.closeness.tolist() == [-0.1, -0.2]
    assert table.labels("replicate") == ["1", "1"]
    assert list(table.frame.index) == [0, 1]
    assert mr.read_table(tmp_path / "runs.csv", name="mine", **ROLES).name == "mine"


def test_columns_without_a_role_get_none(tmp_path: Path) -> None:
    table = mr.read_table(write(tmp_path, "method,FA\na,0.1\nb,0.2\n"))
    assert (table.block, table.item, table.replicate, table.oracle) == (None, None, None, None)


def test_labels_stay_as_they_are_in_the_file(tmp_path: Path) -> None:
    text = "method,seed,FA\nNA,007,0.1\nNone,1e3,\nnan,+5,NaN\n 1.50 ,null,inf\n"
    table = mr.read_table(write(tmp_path, text), item="method", replicate="seed")
    assert table.labels("item") == ["NA", "None", "nan", " 1.50 "]
    assert table.labels("replicate") == ["007", "1e3", "+5", "null"]
    np.testing.assert_array_equal(table.values[:, 0], [0.1, np.nan, np.nan, np.inf])


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_line_ends_blank_lines_and_missing_last_newline(tmp_path: Path, ends: str) -> None:
    text = "\n" + GOOD.replace("\nd,b", "\n\nd,b").strip("\n")
    table = mr.read_table(write(tmp_path, text.replace("\n", ends)), **ROLES)
    assert len(table) == 2


@pytest.mark.parametrize(
    "encode",
    [
        lambda t: t.encode("utf-8"),
        lambda t: t.encode("utf-8-sig"),
        lambda t: codecs.BOM_UTF16_LE + t.encode("utf-16-le"),
        lambda t: codecs.BOM_UTF16_BE + t.encode("utf-16-be"),
    ],
)
def test_encodings(tmp_path: Path, encode: Callable[[str], bytes]) -> None:
    text = "method,FA\ngrädient 😀,0.5\nא,0.1\n"
    table = mr.read_table(write(tmp_path, encode(text)), item="method")
    assert table.labels("item") == ["grädient 😀", "א"]
    table = mr.read_table(
        write(tmp_path, encode('[{"method": "é", "FA": 1}]'), "a.json"), item="method"
    )
    assert table.labels("item") == ["é"]


def test_tsv_and_explicit_format(tmp_path: Path) -> None:
    text = GOOD.replace(",", "\t")
    assert len(mr.read_table(write(tmp_path, text, "runs.TSV"), **ROLES)) == 2
    assert len(mr.read_table(write(tmp_path, text, "runs.txt"), format="tsv", **ROLES)) == 2


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", ["the file is empty"]),
        (" \n\n", ["the file is empty"]),
        (codecs.BOM_UTF8, ["the file is empty"]),
        (HEAD, ["a header, but no rows"]),
        (HEAD + "d,a,1,0.5,0.1\nd,b,1,0.25\n", ["line 3 has 4 fields", "header has 5"]),
        (HEAD + "d,a,1,0.5,0.1,7\n", ["line 2 has 6 fields"]),
        (HEAD + 'd,"a,1,0.5,0.1\nd,b,1,0.25,0.2\n', ["begins in line 2", "never closed"]),
        (HEAD + 'd,"a"b,1,0.5,0.1\n', ["begins in line 2", "written twice"]),
        (HEAD + "d,a\0b,1,0.5,0.1\n", ["line 2 holds a NUL character"]),
        ("FA,method,FA\n1,a,2\n", ["columns 1 and 3", "'FA'"]),
        (",FA\n0,0.5\n", ["column 1 has no name", "index=False"]),
        (GOOD.encode() + b"d,\xe9,1,0.5,0.1\n", ["line 4 is not UTF-8", "0xE9", "Save the file"]),
        (codecs.BOM_UTF16_LE + b"a", ["line 1 is not UTF-16"]),
        (codecs.BOM_UTF32_LE + GOOD.encode("utf-32-le"), ["UTF-32", "Save it as UTF-8"]),
        (GOOD.encode("utf-16-le"), ["NUL character", "UTF-16 without a byte order mark"]),
        (HEAD + "d," + "x" * 200_000 + ",1,0.5,0.1\n", ["begins in line 2", "longer than 131072"]),
        (HEAD + "d,a,1,0.5,0.1\nd,b,1,high,0.2\n", ["'FA' mixes", "line 3 holds 'high'"]),
        (HEAD + "d,a,1,0.5,0.1\nd,b,1,0.2,far\n", ["'distance' mixes", "line 3 holds 'far'"]),
        (HEAD + 'd,a,1,0.5,0.1\nd,b,1,"1,5",0.2\n', ["line 3 holds '1,5'", "decimal point"]),
        (HEAD + "d,a,1,x,0.1\nd,b,1,y,0.2\n", ["'FA' must hold numbers", "line 2", "'x'"]),
        (HEAD + "d,a,1,0.5,0.1\nd,,1,0.2,0.2\n", ["item column 'method'", "line 3"]),
        (HEAD + "d,a,1,0.5,0.1\n\nd,a,1,0.2,0.2\n", ["d / a / 1", "line 2", "line 4"]),
        (GOOD.replace("FA", "acc"), ["No direction is known for 'acc'", "'higher' or 'lower'"]),
        (GOOD.replace("distance", "dist"), ["Unknown oracle column 'distance'", "'dist'"]),
        (GOOD.replace(",", ";"), ["Unknown", "holds ';'", "with commas"]),
        (GOOD.replace(",", "\t"), ['format="tsv"']),
        ("method;FA;RA\na;0,5;0,1\n", ["line 2 has 3 fields", "holds ';'", "with commas"]),
        ("method\tFA\na\t0,5\n", ["line 2 has 2 fields", 'format="tsv"']),
    ],
)
def test_bad_csv(tmp_path: Path, content: str | bytes, expected: list[str]) -> None:
    fails(tmp_path, content, *expected, **ROLES)


def test_a_missing_value_in_one_column_is_not_a_blank_line(tmp_path: Path) -> None:
    fails(tmp_path, "FA\n0.1\n\n0.2\n", "line 3 is empty", "Write NaN")
    assert len(mr.read_table(write(tmp_path, 'FA\n0.1\n""\n0.2\n\n'))) == 3


def test_notes_that_mix_numbers_and_text_need_the_metrics_named(tmp_path: Path) -> None:
    text = "FA,note\n0.1,3\n0.2,good\n"
    fails(tmp_path, text, "'note' mixes", "line 3", "name the metrics")
    table = mr.read_table(write(tmp_path, text), metrics=["FA"])
    assert table.frame["note"].tolist() == ["3", "good"]


def test_bad_arguments(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    with pytest.raises(ArgumentError, match=r"Unknown format 'xls'.*Known: 'csv', 'json', 'jsonl'"):
        mr.read_table(path, format="xls")
    with pytest.raises(ArgumentError, match=r"got DataFrame.*from_frame"):
        mr.read_table(pd.DataFrame())  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="path of a file as text"):
        mr.read_table("")
    with pytest.raises(ArgumentError, match=r"Unknown block column 'data'.*'dataset'"):
        mr.read_table(path, **{**ROLES, "block": "data"})
    with pytest.raises(ArgumentError, match="named both as"):
        mr.read_table(path, **{**ROLES, "block": "method"})
    with pytest.raises(TableError, match=r"direction of 'FA' is 'down'.*'higher' or 'lower'"):
        mr.read_table(path, directions={"FA": "down"}, **ROLES)
    with pytest.raises(ArgumentError, match=r"metrics='FA'.*list of names"):
        mr.read_table(path, metrics="FA", **ROLES)


@pytest.mark.parametrize("name", ["runs.xlsx", "runs.csv.gz", "runs"])
def test_unknown_suffix_lists_the_formats(tmp_path: Path, name: str) -> None:
    fails(tmp_path, GOOD, ".csv, .tsv, .parquet, .json, .jsonl", "format=", name=name)


def test_paths_that_are_not_readable_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LoadError, match="there is no such file"):
        mr.read_table(tmp_path / "no.csv")
    with pytest.raises(LoadError, match="there is no such file"):
        mr.read_table(tmp_path / "no")
    (tmp_path / "dir.csv").mkdir()
    with pytest.raises(LoadError, match=r"is a folder.*import_runs"):
        mr.read_table(tmp_path / "dir.csv")
    with pytest.raises(LoadError, match="cannot be read"):
        mr.read_table("a\0b.csv")
    with pytest.raises(LoadError, match="cannot be read"):
        mr.read_table(tmp_path / ("n" * 5000 + ".csv"))
    path = write(tmp_path, GOOD)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(LoadError, match="cannot be read: Permission denied"):
        mr.read_table(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(LoadError, match="not a regular file"):
        mr.read_table(tmp_path / "pipe.csv")


def test_size_caps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, '[{"FA": 1, "RA": 2}]', "runs.json")
    monkeypatch.setattr(limits, "MAX_CELLS", 1)
    with pytest.raises(LoadError, match="1 rows and 2 columns, more than 1 cells"):
        mr.read_table(path)
    monkeypatch.setattr(limits, "MAX_BYTES", 10)
    with pytest.raises(LoadError, match="files over 10 bytes are not read"):
        mr.read_table(path)


def test_reads_json_and_json_lines(tmp_path: Path) -> None:
    records: list[dict[str, Any]] = [
        {"method": "a", "seed": 1, "FA": 0.1, "note": "x"},
        {"method": "b", "seed": 2.0, "RA": 2, "FA": None},
        {"method": "c", "seed": "3", "FA": float("nan"), "RA": float("-inf")},
        {"method": 7, "seed": True, "FA": float("inf"), "RA": True},
    ]
    lines = "\n".join(json.dumps(r) for r in records) + "\n\n"
    for path in (
        write(tmp_path, json.dumps(records), "runs.json"),
        write(tmp_path, lines, "runs.jsonl"),
        write(tmp_path, lines.replace("\n", "\r\n"), "runs.ndjson"),
    ):
        table = mr.read_table(path, item="method", replicate="seed")
        assert table.metrics == ("FA", "RA")
        assert table.labels("item") == ["a", "b", "c", "7"]
        assert table.labels("replicate") == ["1", "2", "3", "True"]
        np.testing.assert_array_equal(
            table.values, [[0.1, np.nan], [np.nan, 2.0], [np.nan, -np.inf], [np.inf, 1.0]]
        )


def test_texts_in_json_follow_the_rule_of_csv(tmp_path: Path) -> None:
    whole = '[{"FA": "0.5", "m": "a"}, {"FA": "NaN", "m": "b"}, {"m": "c"}]'
    table = mr.read_table(write(tmp_path, whole, "a.json"), item="m")
    np.testing.assert_array_equal(table.values[:, 0], [0.5, np.nan, np.nan])
    mixed = '[{"FA": 0.5}, {"FA": "0.7"}]'
    fails(tmp_path, mixed, "'FA' must hold numbers", "record 2", "'0.7'", name="a.json")


def test_json_lines_split_only_at_newlines(tmp_path: Path) -> None:
    line = '{"method": "a\u2028b", "FA": 1}\n{"method": "\x85", "FA": 2}\n'
    table = mr.read_table(write(tmp_path, line, "a.jsonl"), item="method")
    assert table.labels("item") == ["a\u2028b", "\x85"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", ["the file is empty"]),
        ("[]", ["the list is empty"]),
        ('[{"FA": 0.5}, {"FA": 0.', ["line 1 column"]),
        ('[{"FA": 0.5},\n {"FA"', ["cut off", "line 2"]),
        ('[{"method": "gradi', ["cut off"]),
        ("[{'FA': 1}]", ["not valid JSON at line 1 column 3"]),
        ('{"FA": {"0": 1}}', ["the JSON is an object", 'orient="records"']),
        ("3", ["a single value", "list of objects"]),
        ("[[1, 2]]", ["record 1 is a list"]),
        ('[{"FA": 1}, null]', ["record 2 is a NoneType"]),
        ('[{"FA": 1}, {"FA": [1]}]', ["record 2", "'FA' holds a list"]),
        ('[{"FA": {"mean": 1}}]', ["record 1", "'FA' holds an object"]),
        ('[{"FA": 1}, {"FA": 1, "FA": 2}]', ["record 2", "'FA' stands twice"]),
        ('[{"FA": 1, "": 2}]', ["a key is ''"]),
        ('[{"FA": 1}]\n[{"FA": 1}]', ["Extra data", 'format="jsonl"']),
        ("[" * 100_000, ["nested too deeply"]),
        ('[{"FA": ' + "9" * 5000 + "}]", ["cannot be read"]),
        ('[{"FA": 1' + "0" * 400 + "}]", ["'FA'", "record 1", "floating-point"]),
        ('[{"FA": 1, "m": "\\ud800"}]', ["record 1", "'m'", "surrogate"]),
        ('[{"FA": 1, "\\udfff": 1}]', ["record 1", "surrogate"]),
        ("[{}]", ["no metric column"]),
        ('[{"m": "a"}]', ["no metric column", "'m'"]),
    ],
)
def test_bad_json(tmp_path: Path, content: str, expected: list[str]) -> None:
    fails(tmp_path, content, *expected, name="runs.json")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"FA": 1}\n\n{"FA": ', ["line 3 of the file", "cut off"]),
        ('{"FA": 1}\n[1]', ["line 2 is a list"]),
        ('{"FA": 1}\n{"FA": [1]}', ["line 2", "'FA' holds a list"]),
        ('[\n{"FA": 1}\n]', ["line 1 of the file", "one whole object in each line"]),
        ('{"FA": 1} {"FA": 2}', ["line 1", "Extra data"]),
    ],
)
def test_bad_json_lines(tmp_path: Path, content: str, expected: list[str]) -> None:
    fails(tmp_path, content, *expected, name="runs.jsonl")


def parquet(path: Path, columns: dict[str, Any]) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table(columns), path)
    return path


def test_reads_parquet(tmp_path: Path) -> None:
    path = parquet(
        tmp_path / "runs.parquet",
        {"method": ["a", "NA"], "seed": [1, 2], "FA": [0.1, None], "RA": ["0.5", "1"]},
    )
    table = mr.read_table(path, item="method", replicate="seed")
    assert table.labels("item") == ["a", "NA"]
    assert table.labels("replicate") == ["1", "2"]
    np.testing.assert_array_equal(table.values, [[0.1, 0.5], [np.nan, 1.0]])


def test_parquet_keeps_a_named_index_and_drops_an_unnamed_one(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"FA": [0.1, 0.2, 0.3], "m": pd.Categorical(["a", "b", "a"])})
    frame.iloc[1:].to_parquet(tmp_path / "a.parquet")
    table = mr.read_table(tmp_path / "a.parquet", item="m")
    assert (table.metrics, table.labels("item")) == (("FA",), ["b", "a"])
    frame.set_index("m").to_parquet(tmp_path / "b.parquet")
    assert mr.read_table(tmp_path / "b.parquet", item="m").labels("item") == ["a", "b", "a"]


def test_bad_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    good = parquet(tmp_path / "good.parquet", {"FA": [0.1, 0.2]})
    fails(tmp_path, "", "is empty", name="a.parquet")
    fails(tmp_path, "FA\n1\n", "not a Parquet file", name="a.parquet")
    fails(tmp_path, good.read_bytes()[:-20], "not a Parquet file", name="a.parquet")
    with pytest.raises(LoadError, match="no rows"):
        mr.read_table(parquet(tmp_path / "b.parquet", {"FA": []}))
    with pytest.raises(LoadError, match=r"column 'FA' holds list"):
        mr.read_table(parquet(tmp_path / "b.parquet", {"FA": [[1.0], [2.0]]}))
    with pytest.raises(LoadError, match=r"column 'm' holds binary"):
        mr.read_table(parquet(tmp_path / "b.parquet", {"m": [b"a"], "FA": [1.0]}))
    monkeypatch.setattr(limits, "MAX_CELLS", 1)
    with pytest.raises(LoadError, match="2 rows and 1 columns"):
        mr.read_table(good)


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, b"PAR1", "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError) as caught:
        mr.read_table(path)
    assert "pip install 'metareval[parquet]'" in str(caught.value)


@pytest.fixture
def mixed() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": ["d", "d", "e"],
            "method": ["=cmd()", "<script>alert(1)</script>", 'a "quoted", x'],
            "seed": ["1", "1", "1"],
            "FA": [0.1, np.nan, np.inf],
            "RA": [1e-310, -0.0, 1.7976931348623157e308],
            "distance": [0.1, 0.2, 0.30000000000000004],
        }
    )


def test_every_format_gives_the_same_table(tmp_path: Path, mixed: pd.DataFrame) -> None:
    pytest.importorskip("pyarrow")
    original = mr.MetricTable.from_frame(mixed, **ROLES)
    records = mixed.to_dict(orient="records")
    mixed.to_csv(tmp_path / "runs.csv", index=False)
    mixed.to_csv(tmp_path / "runs.tsv", index=False, sep="\t")
    mixed.to_parquet(tmp_path / "runs.parquet")
    write(tmp_path, json.dumps(records), "runs.json")
    write(tmp_path, "\n".join(map(json.dumps, records)), "runs.jsonl")
    for suffix in ("csv", "tsv", "parquet", "json", "jsonl"):
        table = mr.read_table(tmp_path / f"runs.{suffix}", **ROLES)
        pd.testing.assert_frame_equal(table.frame, original.frame, check_exact=True)
        assert table.to_dict() == {**original.to_dict(), "name": "runs"}


@pytest.mark.parametrize(
    "label",
    [
        "<script>alert(1)</script>",
        "=cmd()",
        "two\nlines",
        "x" * 10_000,
        "\u202eright to left\u05d0",
        "😀👩‍🔬",
        '"',
        "a,b;c\td",
        " ",
    ],
)
def test_hostile_names_survive_and_are_shown_on_one_line(tmp_path: Path, label: str) -> None:
    for position in (0, 1):
        names = ["method", "acc"]
        names[position] = label
        stream = io.StringIO()
        csv.writer(stream).writerows([names, [label + "!", "0.5"], ["b", "0.7"]])
        path = write(tmp_path, stream.getvalue())
        roles: dict[str, Any] = {"directions": {names[1]: "higher"}, "item": names[0]}
        if not label.strip():
            fails(tmp_path, stream.getvalue(), "has no name", **roles)
            continue
        table = mr.read_table(path, **roles)
        assert (table.item, table.metrics) == (names[0], (names[1],))
        assert table.labels("item") == [label + "!", "b"]
        assert "\n" not in table.headline()
        assert repr(table).replace("\n", "").isprintable()
        assert "<script>" not in table._repr_html_()


NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8
).filter(lambda s: s.strip() == s)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.floats(), st.floats(), NAMES), min_size=1, max_size=8, unique_by=lambda r: r[2]
    ),
    names=st.lists(NAMES, min_size=3, max_size=3, unique=True),
)
def test_random_tables_survive_text_formats_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[float, float, str]],
    names: list[str],
) -> None:
    folder = tmp_path_factory.mktemp("round")
    frame = pd.DataFrame(rows, columns=names)
    roles: dict[str, Any] = {
        "directions": {names[0]: "higher", names[1]: "lower"},
        "item": names[2],
    }
    original = mr.MetricTable.from_frame(frame, **roles)
    records = frame.to_dict(orient="records")
    stream = io.StringIO(newline="")
    csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([names, *rows])
    for path in (
        write(folder, stream.getvalue(), "t.csv"),
        write(folder, json.dumps(records), "t.json"),
        write(folder, "\n".join(json.dumps(r, ensure_ascii=False) for r in records), "t.jsonl"),
    ):
        table = mr.read_table(path, **roles)
        assert table.labels("item") == original.labels("item")
        assert table.metrics == original.metrics
        # NaN payloads aside, every bit is the same: signed zeros, subnormals, infinities.
        same = table.values.view(np.uint64) == original.values.view(np.uint64)
        assert (same | (np.isnan(table.values) & np.isnan(original.values))).all()


def test_unknown_content_never_raises_another_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    good = GOOD.encode() + json.dumps([{"FA": 1}]).encode()
    messages: list[str] = []
    for _ in range(300):
        data = bytearray(good)
        for _ in range(int(rng.integers(1, 6))):
            data[int(rng.integers(len(data)))] = int(rng.integers(256))
        content = bytes(data[int(rng.integers(20)) : int(rng.integers(20, len(data)))])
        for name in ("f.csv", "f.tsv", "f.json", "f.jsonl", "f.parquet"):
            try:
                mr.read_table(write(tmp_path, content, name))
            except (LoadError, TableError, ArgumentError) as exc:
                messages.append(str(exc))
    assert len(messages) > 500
    assert all(str(tmp_path) in m for m in messages)
