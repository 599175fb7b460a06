"""The report: what it holds, that it repeats, and that no table or name breaks it."""

from __future__ import annotations

import csv
import hashlib
import html
import io
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metareval as mr
from metareval import reporting
from metareval.errors import ArgumentError, MissingDependencyError, OutputError
from metareval.files import FORMULA_STARTS
from metareval.reporting import Report, report
from metareval.reporting.latex import escape

DRAWS = 200
HOSTILE = [
    "<script>alert(1)</script>",
    "=cmd('calc')!A0",
    "x" * 10_000,
    "\u202egnp.exe",
    "\N{GRINNING FACE} face",
    "line\nbreak\ttab",
    r"$\frac{1}{0}$",
    "指标一",
    "指标二",
    '"quote\'d" & <b>',
    r"a_b % c # d ~ e ^ f \ g {h}",
]
SECTIONS = [
    "table",
    "findings",
    "agreement",
    "reliability",
    "score",
    "stability",
    "published",
    "methods",
]


class Page(HTMLParser):
    """Elements and visible text of a page."""

    VOID = frozenset({"meta", "link", "img", "br", "hr", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    def values(self, attribute: str) -> list[str]:
        return [attrs[attribute] for _, attrs in self.tags if attribute in attrs]

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attrs for found, attrs in self.tags if found == tag]

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text))


def read(done: Report) -> Page:
    return Page(done.path.read_text(encoding="utf-8"))


def check(done: Report) -> Page:
    """Check what must hold for every report, and return its page."""
    folder = done.path.parent
    page = read(done)
    assert page.open == []
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {h[1:] for h in page.values("href") if h.startswith("#")} <= set(ids)
    assert page.named("script") == []
    for tag, attrs in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "img", "base", "form"}
        assert not any(key.startswith("on") or key in {"src", "srcset"} for key in attrs)
        assert tag != "image" or attrs["href"].startswith("data:image/png;base64,")
        outside = [v for v in attrs.values() if re.search(r"https?:|^//", v)]
        assert not outside or tag == "a"
        assert not re.search(r"url\((?!#)|@import", attrs.get("style", ""))
    (policy,) = [m["content"] for m in page.named("meta") if "http-equiv" in m]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    json.loads((folder / "results.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert done.files[-1] == Path("report.html")
    for name in done.files:
        assert (folder / name).is_file()
        if name.suffix == ".csv":
            for row in csv.reader(io.StringIO((folder / name).read_text(encoding="utf-8"))):
                assert not any(c.startswith(FORMULA_STARTS) and not is_number(c) for c in row)
    assert not re.search(r"\d\.\d{9}", page.words.replace(made_with(page), ""))
    assert not re.search(r"\bnan\b|\bNone\b|\bNaT\b", page.words)
    return page


def made_with(page: Page) -> str:
    return page.words[page.words.index("Made with metareval") :]


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.fixture(scope="module")
def released_report(released: mr.MetricTable, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return report(released, tmp_path_factory.mktemp("released"), n_resamples=DRAWS)


@pytest.fixture(scope="module")
def record(released_report: Report) -> Any:
    return json.loads((released_report.path.parent / "results.json").read_text(encoding="utf-8"))


class TestReleasedTable:
    def test_page_is_self_contained_and_well_formed(self, released_report: Report) -> None:
        page = check(released_report)
        assert [s["id"] for s in page.named("section") if "id" in s] == SECTIONS
        assert page.named("html") == [{"lang": "en"}]
        assert {"header", "main", "nav", "footer"} <= {tag for tag, _ in page.tags}
        assert next(a["href"] for a in page.named("a")) == "#main"
        assert all("scope" in th for th in page.named("th"))

    def test_figures_have_names_and_captions(self, released_report: Report) -> None:
        page = read(released_report)
        figures = page.named("svg")
        assert len(figures) == 6
        for svg in figures:
            assert svg["role"] == "img"
            assert svg["aria-labelledby"] in page.values("id")
        assert len(page.named("figcaption")) >= len(figures)

    def test_files(self, released_report: Report) -> None:
        names = {p.as_posix() for p in released_report.files}
        for slug in ("agreement", "reliability", "weights", "validation", "ranks", "published_tau"):
            assert {f"figures/{slug}.svg", f"figures/{slug}.png"} <= names
        for slug in ("findings", "agreement", "reliability", "scores", "outranks", "stability"):
            assert {f"tables/{slug}.csv", f"tables/{slug}.tex"} <= names
        png = (released_report.path.parent / "figures/agreement.png").read_bytes()
        assert png.startswith(b"\x89PNG")

    def test_results_say_how_they_were_made(self, released_report: Report, record: Any) -> None:
        made = record["made_with"]
        assert made["metareval"] == mr.__version__
        assert made["seed"] == 0
        assert made["n_resamples"] == DRAWS
        assert {"numpy", "scipy", "pandas"} <= set(made)
        analysed = (released_report.path.parent / "tables/analysed.csv").read_bytes()
        assert hashlib.sha256(analysed).hexdigest() == made["sha256"]
        assert set(record["files"]) == {p.as_posix() for p in released_report.files}
        assert record["problems"] == {}

    def test_results_are_those_of_the_functions(
        self, released: mr.MetricTable, released_report: Report, record: Any
    ) -> None:
        alone = mr.reliability(released, n_resamples=DRAWS, rng=0)
        assert record["results"]["reliability"] == alone.to_dict()
        assert set(record["results"]) == set(released_report.results)
        found = pd.read_csv(released_report.path.parent / "tables/reliability.csv", index_col=0)
        assert found["rho"].to_numpy() == pytest.approx(alone.rho.to_numpy(), abs=0)

    def test_verdict(self, released_report: Report) -> None:
        words = read(released_report).words
        assert "Not on this evidence" in words
        assert "0 of 7 correlations published as significant" in words
        assert "Moving the weights by 0.157 reverses gradient_ascent and random_labels" in words
        assert "is not shown to beat its best single metric" in words

    def test_published_against_honest(self, record: Any) -> None:
        found = record["results"]["reproduction"]
        assert found["n_figures"] == 44
        assert max(found["errors"].values()) < 1e-9
        tau = frame_of(found["tau"])
        assert tau.loc["FA / RA", "claimed"] == pytest.approx(0.852, abs=5e-4)
        assert tau.loc["FA / RA", "honest"] == pytest.approx(0.471, abs=5e-4)
        assert tau.loc["FA / RA", "n_defined"] == 3
        assert int((tau["claimed"] * tau["honest"] < 0).sum()) == 5
        rho = frame_of(found["reliability"])
        assert rho.loc["RA", "unit_means"] == pytest.approx(0.482, abs=5e-4)
        assert rho.loc["RA", "unit_means_p"] == pytest.approx(0.112, abs=5e-4)
        assert rho.loc["FA", "stratified"] == pytest.approx(0.118, abs=5e-4)

    def test_row_order_does_not_change_the_reproduction(
        self, released: mr.MetricTable, tmp_path: Path
    ) -> None:
        shuffled = mr.MetricTable.from_frame(
            released.frame.sample(frac=1, random_state=3),
            metrics=released.metrics,
            oracle=released.oracle,
            block="dataset",
            item="method",
            replicate="seed",
        )
        done = report(shuffled, tmp_path, n_resamples=20)
        assert done.results["reproduction"].to_frame()["largest_difference"].max() < 1e-9


def frame_of(value: Any) -> pd.DataFrame:
    index = [" / ".join(i) if isinstance(i, list) else i for i in value["index"]]
    return pd.DataFrame(value["data"], index=index, columns=value["columns"]).infer_objects()


class TestRepeats:
    def test_same_seed_same_bytes(
        self, released: mr.MetricTable, released_report: Report, tmp_path: Path
    ) -> None:
        again = report(released, tmp_path, n_resamples=DRAWS)
        assert again.files == released_report.files
        for name in again.files:
            first = (released_report.path.parent / name).read_bytes()
            assert (tmp_path / name).read_bytes() == first, name

    def test_generator_gives_a_seed_that_repeats(
        self, blip2: mr.MetricTable, tmp_path: Path
    ) -> None:
        first = report(blip2, tmp_path / "a", n_resamples=20, rng=np.random.default_rng(5))
        seed = json.loads((tmp_path / "a/results.json").read_text())["made_with"]["seed"]
        second = report(blip2, tmp_path / "b", n_resamples=20, rng=seed)
        assert first.path.read_bytes() == second.path.read_bytes()

    def test_settings_of_matplotlib_neither_matter_nor_change(
        self, blip2: mr.MetricTable, tmp_path: Path
    ) -> None:
        import matplotlib

        plain = report(blip2, tmp_path / "a", n_resamples=20)
        with matplotlib.rc_context({"font.size": 30.0, "text.parse_math": True}):
            before = dict(matplotlib.rcParams)
            other = report(blip2, tmp_path / "b", n_resamples=20)
            assert dict(matplotlib.rcParams) == before
        assert plain.path.read_bytes() == other.path.read_bytes()


def table_of(n: int, *metrics: str, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({m: rng.uniform(size=n) for m in (*metrics, "distance")})


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Report:
    data = table_of(24, *HOSTILE)
    data["<img src=x>"] = np.repeat(["=1+1", "<i>"], 12)
    data["item"] = np.tile([f"{h}!" for h in HOSTILE[:6]], 4)
    data["seed"] = np.tile(np.repeat([1, 2], 6), 2)
    return report(
        data,
        tmp_path_factory.mktemp("hostile"),
        title="<script>alert(2)</script>\u202e",
        metrics=HOSTILE,
        directions=dict.fromkeys(HOSTILE, "higher"),
        oracle="distance",
        block="<img src=x>",
        item="item",
        replicate="seed",
        n_resamples=50,
    )


class TestHostileNames:
    def test_names_are_text(self, hostile: Report) -> None:
        page = check(hostile)
        assert "<script>alert(1)</script>" in page.words
        assert "<script>alert(2)</script>" in page.words
        assert "\u202e" not in page.words
        assert "x" * 50 not in page.words

    def test_latex_is_escaped(self, hostile: Report) -> None:
        for path in hostile.path.parent.glob("tables/*.tex"):
            lines = path.read_text(encoding="utf-8").splitlines()
            assert lines[2].startswith(r"\begin{tabular}")
            assert lines[-1] == r"\end{tabular}"
            for line in lines:
                assert not re.search(r"[\x00-\x1f\u202e]", line)
                body = re.sub(
                    r"\\[&%$#_{}]|\$-\$|(?<=[a-z%])~(?=[a-z\d])|\$\^\{.\}\$|\$\\times\$", "", line
                )
                if not line.startswith("%"):
                    assert not re.search(r"[%$#_~^<>|\"]", body)


def test_latex_escape() -> None:
    assert escape(r"\&%$#_{}~^") == (
        r"\textbackslash{}\&\%\$\#\_\{\}\textasciitilde{}\textasciicircum{}"
    )
    assert escape("[a]*\n") == "{[}a]{*}?"


BOTH = {"a": "higher", "b": "lower"}


class TestAnyTable:
    def test_no_oracle(self, tmp_path: Path) -> None:
        data = table_of(10, "a", "b").drop(columns="distance")
        done = report(data, tmp_path, directions=BOTH, n_resamples=50)
        page = check(done)
        assert set(done.problems) == {"reliability", "score", "stability"}
        assert "This table alone cannot say" in page.words
        assert page.words.count("has no oracle") >= 2

    def test_one_metric(self, tmp_path: Path) -> None:
        done = report(
            table_of(10, "a"), tmp_path, oracle="distance", directions={"a": "higher"},
            n_resamples=50,
        )  # fmt: skip
        assert "nothing for it to agree with" in check(done).words

    @pytest.mark.parametrize("rows", [1, 2, 3])
    def test_few_rows(self, rows: int, tmp_path: Path) -> None:
        done = report(
            table_of(rows, "a", "b"), tmp_path, oracle="distance", directions=BOTH, n_resamples=50
        )
        assert "Not on this evidence" in check(done).words

    def test_all_constant(self, tmp_path: Path) -> None:
        data = pd.DataFrame({"a": [0.5] * 8, "b": [0.1] * 8, "distance": [1.0] * 8})
        done = report(data, tmp_path, oracle="distance", directions=BOTH, n_resamples=50)
        words = check(done).words
        assert "No two metrics can be compared" in words
        assert "Not computed. No metric has a defined reliability" in words

    def test_missing_and_infinite(self, tmp_path: Path) -> None:
        data = table_of(12, "a", "b")
        data.loc[3, "a"], data.loc[4, "b"] = math.inf, math.nan
        data["block"] = list("xxxxyyyyzzzz")
        done = report(
            data, tmp_path, oracle="distance", block="block", directions=BOTH, n_resamples=50
        )
        assert "outside [0, 1]" in done.problems["score"]
        assert "non_finite" not in check(done).words

    def test_transforms_make_the_score_possible(self, tmp_path: Path) -> None:
        data = table_of(8, "a", "b")
        data["b"] *= 40
        given = {"oracle": "distance", "directions": BOTH, "n_resamples": 50}
        assert "transforms=" in report(data, tmp_path, **given).problems["score"]
        done = report(data, tmp_path, transforms={"b": "reciprocal"}, **given)
        assert "score" not in done.problems

    def test_a_metric_that_tracks_is_said_to(self, tmp_path: Path) -> None:
        data = table_of(14, "a", "b", seed=1)
        data["a"] = 0.9 - 0.8 * data["distance"] + 0.1 * data["a"]
        done = report(data, tmp_path, oracle="distance", directions=BOTH, n_resamples=DRAWS)
        assert "One of them, as far as this table shows: a." in check(done).words

    def test_many_items_are_not_perturbed(self, tmp_path: Path) -> None:
        done = report(
            table_of(201, "a", "b"), tmp_path, oracle="distance", directions=BOTH, n_resamples=20
        )
        assert "ranks 201 items" in done.problems["stability"]
        assert check(done)

    @pytest.mark.parametrize("name", ["unimodal", "blip2"])
    def test_other_embedded_tables(
        self, name: str, request: pytest.FixtureRequest, tmp_path: Path
    ) -> None:
        page = check(report(request.getfixturevalue(name), tmp_path, n_resamples=50))
        assert ("published" in page.values("id")) == (name == "unimodal")


class TestCall:
    def test_result(self, blip2: mr.MetricTable, tmp_path: Path) -> None:
        done = report(blip2, str(tmp_path / "new" / "folder"), n_resamples=20)
        assert done.path == tmp_path / "new" / "folder" / "report.html"
        assert done.headline().startswith(f"Report written to {done.path}")
        json.dumps(done.to_dict(), allow_nan=False)
        assert "agreement" in repr(done)

    def test_file_in_the_way(self, blip2: mr.MetricTable, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        for out in (tmp_path / "file", tmp_path / "file" / "below"):
            with pytest.raises(OutputError, match="in the way"):
                report(blip2, out, n_resamples=20)
        assert (tmp_path / "file").read_text() == "x"

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({"n_resamples": 0}, "n_resamples"),
            ({"confidence": 95}, "confidence"),
            ({"rng": -1}, "rng"),
            ({"title": 3}, "title"),
            ({"out_dir": ""}, "out_dir"),
        ],
    )
    def test_bad_arguments(
        self, given: dict[str, Any], says: str, blip2: mr.MetricTable, tmp_path: Path
    ) -> None:
        with pytest.raises(ArgumentError, match=says):
            report(blip2, **{"out_dir": tmp_path, **given})
        assert list(tmp_path.iterdir()) == []

    def test_missing_dependency(
        self, blip2: mr.MetricTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reporting, "find_spec", lambda _: None)
        with pytest.raises(MissingDependencyError, match=r"pip install 'metareval\[report\]'"):
            report(blip2, tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_command_repeats_the_report(released: mr.MetricTable, tmp_path: Path) -> None:
    part = released.select(metrics=["RA", "AD"])
    done = report(part, tmp_path / "a", n_resamples=20, rng=4)
    (command,) = re.findall(r"<pre[^>]*><code>(.*?)</code>", done.path.read_text(), re.DOTALL)
    assert ".select(metrics=[&#39;RA&#39;, &#39;AD&#39;])" in command
    assert "mr.report(table, n_resamples=20, rng=4)" in command


def test_command_holds_long_names_whole(tmp_path: Path) -> None:
    long = "accuracy on the forget split of the benchmark, "
    frame = pd.DataFrame(
        {
            "the method": list("abcd"),
            f"{long}faces": [0.1, 0.4, 0.2, 0.3],
            f"{long}'badges'": [0.3, 0.1, 4.0, 0.2],
            "the distance": [0.2, 0.1, 0.3, 0.4],
        }
    )
    table = mr.MetricTable.from_frame(
        frame,
        directions={f"{long}faces": "lower", f"{long}'badges'": "lower"},
        item="the method",
        oracle="the distance",
    )
    maps = {f"{long}'badges'": "reciprocal"}
    done = report(table, tmp_path / "a", n_resamples=20, rng=4, transforms=maps)
    (command,) = re.findall(r"<pre[^>]*><code>(.*?)</code>", done.path.read_text(), re.DOTALL)
    code = html.unescape(command).replace("tables/", f"{done.path.parent}/tables/")
    given: dict[str, Any] = {}
    exec(
        code.replace("mr.report(table, ", f"done = mr.report(table, {str(tmp_path / 'b')!r}, "),
        given,
    )
    again = given["table"]
    assert dict(again.directions) == dict(table.directions)
    assert (again.item, again.oracle) == ("the method", "the distance")
    values = [
        json.loads((p / "results.json").read_text()) for p in (tmp_path / "a", tmp_path / "b")
    ]
    assert values[0]["results"] == values[1]["results"]


@pytest.mark.parametrize(
    ("roles", "units"),
    [
        ({}, "4 (every row)"),
        ({"block": "set"}, "4 (every row)"),
        ({"item": "method"}, "2 (the items)"),
        ({"item": "method", "block": "set"}, "4 (combinations of block and item)"),
    ],
)
def test_units_are_named_by_the_roles_given(
    roles: dict[str, str], units: str, tmp_path: Path
) -> None:
    frame = pd.DataFrame(
        {"set": list("aabb"), "method": list("xyxy"), "FA": [0.1, 0.4, 0.2, 0.3], "RA": 0.5}
    )
    done = report(mr.MetricTable.from_frame(frame, **roles), tmp_path / "out", n_resamples=20)
    assert f"<dd>{units}</dd>" in done.path.read_text()
