"""The leaderboard in Chromium, opened from disk."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import numpy as np
import pytest

import metareval as mr
from metareval.files import FORMULA_STARTS
from metareval.leaderboards.board import weigh
from metareval.leaderboards.ranking import rank_rows
from metareval.reporting.latex import escape
from metareval.results import printable
from tests.browser.conftest import HOSTILE

Visit = Callable[..., Any]

# Milliseconds until the table is on the screen, and until a new ranking is.
FIRST_PAINT = 3000
RERANK = 200


def column(page: Any, key: str) -> list[str]:
    """Return the texts of a column as they are shown."""
    texts: list[str] = page.evaluate(
        """(key) => {
            const at = [...document.querySelectorAll("#head th")]
                .findIndex((th) => th.querySelector(".sort").dataset.sort === key);
            return [...document.querySelectorAll("#body tr:not(.detail)")]
                .map((tr) => tr.cells[at].innerText.trim());
        }""",
        key,
    )
    return [" ".join(t.split()) for t in texts]


def names(page: Any) -> list[str]:
    return [" ".join(t.split()) for t in page.locator("#body bdi").all_inner_texts()]


def fragment_of(page: Any) -> str:
    """Return the address once the page has had the time to write it."""
    page.wait_for_timeout(400)
    fragment: str = page.evaluate("location.hash")
    return fragment


def address(page: Any) -> dict[str, str]:
    return dict(parse_qsl(fragment_of(page).removeprefix("#")))


def slide(page: Any, weights: dict[int, float]) -> None:
    """Move sliders, and wait until the page has ranked anew."""
    page.evaluate(
        """async (weights) => {
            for (const [m, weight] of Object.entries(weights)) {
                const slider = document.getElementById(`weight-${m}`);
                slider.value = weight;
                slider.dispatchEvent(new Event("input", { bubbles: true }));
            }
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        }""",
        {str(k): v for k, v in weights.items()},
    )


def saved(page: Any, kind: str) -> str:
    with page.expect_download() as download:
        page.click(f"#save-{kind}")
    text: str = Path(download.value.path()).read_text(encoding="utf-8")
    return text


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_page_shows_what_was_computed(visit: Visit, site: Path) -> None:
    page = visit(site)
    results = json.loads((site.parent / "results.json").read_text(encoding="utf-8"))
    expected = results["tables"][0]["protocols"]["honest"]["levels"]["item"]
    assert names(page) == [row["item"] for row in expected]
    assert column(page, "rank") == [str(row["rank"]) for row in expected]
    for shown, row in zip(rows_of(saved(page, "csv")), expected, strict=True):
        for key, field in (
            ("score", "score"),
            ("score_low", "low"),
            ("ranks_data_worst", "data_worst"),
            ("ranks_weights_best", "weight_best"),
            ("first_weights", "weight_first"),
            ("first_data", "data_first"),
        ):
            assert float(shown[key]) == row[field]


def test_sliders_rank_as_python_does(visit: Visit, site: Path, released: mr.MetricTable) -> None:
    page = visit(site)
    rng = np.random.default_rng(5)
    uqs = mr.UQS.fit(released, n_resamples=1, rng=0)
    values = uqs.values(released)
    for _ in range(5):
        wanted = rng.random(5)
        slide(page, dict(enumerate(wanted.tolist())))
        shown = {r["method"]: r for r in rows_of(saved(page, "csv"))}
        # A slider keeps a little less than the precision of a double.
        raw = [float(address(page)[f"w.{metric}"]) for metric in released.metrics]
        np.testing.assert_allclose(raw, wanted, rtol=1e-12)
        total = 0.0
        for weight in raw:
            total += weight
        score = weigh(values.to_numpy(), np.array(raw) / total)
        ranks = rank_rows(score)
        for item, s, rank in zip(values.index, score, ranks, strict=True):
            assert float(shown[item]["score"]) == s
            assert int(shown[item]["rank"]) == rank


def test_sliders_change_the_order(visit: Visit, site: Path, released: mr.MetricTable) -> None:
    page = visit(site)
    slide(page, {0: 0, 1: 1, 2: 0, 3: 0, 4: 0})
    only = mr.UQS.fit(released, n_resamples=1, rng=0).values(released)["RA"]
    assert names(page) == list(only.sort_values(ascending=False).index)
    assert names(page) != ["gradient_ascent", "random_labels", "salun", "finetune_retain"]
    assert page.locator("#weight-1").get_attribute("aria-valuetext") == "100% of the weight"
    assert "undefined" in column(page, "ranks_data")
    assert "undefined" not in column(page, "ranks_weights")
    page.wait_for_selector("#status:has-text('have another rank')", state="attached")
    page.click("#weights-fitted")
    assert names(page)[0] == "gradient_ascent"
    slide(page, dict.fromkeys(range(5), 0))
    assert set(column(page, "rank")) == {"undefined"}
    page.hover("#body .undefined >> nth=0")
    assert "all weights are 0" in page.inner_text("#tip")


def test_the_nearest_tie_ties(visit: Visit, site: Path) -> None:
    page = visit(site)
    page.click("#weights-tie")
    scores = [float(r["score"]) for r in rows_of(saved(page, "csv"))]
    assert scores[0] == pytest.approx(scores[1], abs=1e-12)
    assert "a change of 0.157 is enough to make gradient_ascent and random_labels tie" in (
        page.inner_text("#gauge-text")
    )


def test_sorting_by_a_header(visit: Visit, site: Path) -> None:
    page = visit(site)
    head = page.locator('[data-sort="metric AD"]')
    head.click()
    values = [float(v) for v in column(page, "metric AD")]
    assert values == sorted(values)
    sorted_head = page.locator("#head th[aria-sort]")
    assert sorted_head.count() == 1
    assert sorted_head.get_attribute("aria-sort") == "ascending"
    head.click()
    assert [float(v) for v in column(page, "metric AD")] == sorted(values, reverse=True)
    assert sorted_head.get_attribute("aria-sort") == "descending"
    page.click('[data-sort="item"]')
    assert names(page) == sorted(names(page))


def test_undefined_sorts_last_in_both_directions(visit: Visit, site: Path) -> None:
    page = visit(site, "#table=unifiedunl-unimodal")
    for _ in range(2):
        page.click('[data-sort="metric JS"]')
        assert column(page, "metric JS")[-1] == "undefined"
    page.click('[data-sort="score"]')
    assert column(page, "score")[-1] == "undefined"


def test_filters_hide_rows_and_keep_ranks(visit: Visit, site: Path) -> None:
    page = visit(site)
    page.select_option("#level", "unit")
    assert page.locator("#body tr").count() == 12
    page.select_option("#block", "mmubench")
    assert column(page, "rank") == ["1", "2", "3", "4"]
    assert set(column(page, "block")) == {"mmubench"}
    page.select_option("#item", "salun")
    assert column(page, "rank") == ["3"]
    page.select_option("#level", "row")
    page.select_option("#replicate", "123")
    assert set(column(page, "replicate")) == {"123"}
    page.fill("#search", "nothing like it")
    assert page.is_visible("#empty")
    page.click("#clear")
    assert page.locator("#body tr").count() == 36
    page.fill("#search", "SALUN")
    assert page.locator("#body tr").count() == 9


def test_the_switch_keeps_the_rows(visit: Visit, site: Path, released: mr.MetricTable) -> None:
    page = visit(site)
    before = sorted(names(page))
    page.check('input[value="published"]')
    assert sorted(names(page)) == before
    uqs = mr.UQS.fit(released, protocol="published")
    shown = {r["method"]: float(r["score"]) for r in rows_of(saved(page, "csv"))}
    assert shown == uqs.score(released).to_dict()
    for missing in (".undefined", ".tipped.interval"):
        page.focus(f"#body {missing} >> nth=0")
        assert "reports no uncertainty" in page.inner_text("#tip")
    assert column(page, "rank_other") == ["1", "2", "3", "4"]


def test_a_protocol_that_is_missing_says_why(visit: Visit, site: Path) -> None:
    page = visit(site, "#table=unifiedunl-unimodal&protocol=published")
    assert page.is_disabled('input[value="published"]')
    assert page.is_checked('input[value="honest"]')
    assert "the table has none" in page.inner_text("#protocol-problem")


def test_reasons_are_shown_on_hover_and_on_focus(visit: Visit, site: Path) -> None:
    page = visit(site, "#table=unifiedunl-unimodal")
    cell = page.locator("#body .undefined").last
    cell.hover()
    assert page.inner_text("#tip") == "Undefined: not measured for seed 42 and 5508"
    page.mouse.move(2, 2)
    assert page.is_hidden("#tip")
    cell.focus()
    assert page.is_visible("#tip")
    assert cell.get_attribute("aria-describedby") == "tip"
    page.keyboard.press("Escape")
    assert page.is_hidden("#tip")


def test_findings_stand_beside_their_columns(visit: Visit, site: Path) -> None:
    page = visit(site)
    page.click('[data-about="0"]')
    text = page.inner_text("#about")
    assert "Forget Accuracy" in text
    assert "MR002" in text
    page.click('#about a:has-text("MR002")')
    assert page.is_hidden("#about")
    assert page.evaluate("document.activeElement.id").startswith("finding-unifiedunl-MR002")
    page.select_option("#level", "unit")
    page.locator("#body .tipped").first.hover()
    assert "does not vary in mllmu_bench" in page.inner_text("#tip")


def test_a_row_opens_its_comparisons(visit: Visit, site: Path) -> None:
    page = visit(site)
    page.click("#body [data-open] >> nth=0")
    assert "random_labels: 55%" in page.inner_text("#body .detail")
    button = page.locator("#body [data-open] >> nth=0")
    assert button.get_attribute("aria-expanded") == "true"
    button.click()
    assert page.locator("#body .detail").count() == 0


def test_the_address_keeps_the_state(visit: Visit, site: Path) -> None:
    page = visit(site)
    page.select_option("#level", "unit")
    page.select_option("#block", "mmubench")
    page.fill("#search", "a")
    page.select_option("#mapped", "1")
    page.click('[data-sort="metric RA"]')
    slide(page, {0: 0.25, 3: 0.5})
    text = page.inner_text("#board")
    again = visit(site, fragment_of(page))
    assert again.inner_text("#board") == text
    assert again.input_value("#search") == "a"
    assert again.evaluate("document.getElementById('weight-3').valueAsNumber") == 0.5
    again.evaluate("location.hash = '#level=row'")
    again.wait_for_selector("#replicate-choice:not([hidden])")
    assert again.locator("#body tr").count() == 36


@pytest.mark.parametrize(
    "fragment",
    [
        "#",
        "#main",
        "#level=nonsense&sort=-nothing&block=none&page=99",
        "#w.FA=2&w.RA=x",
        "#table=%3Cscript%3E&protocol=other&page=-3",
    ],
)
def test_an_address_that_makes_no_sense_is_harmless(
    visit: Visit, site: Path, fragment: str
) -> None:
    page = visit(site, fragment)
    assert names(page) == ["gradient_ascent", "random_labels", "salun", "finetune_retain"]


def test_the_keyboard_is_enough(visit: Visit, site: Path) -> None:
    page = visit(site)

    def reach(selector: str) -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("(s) => document.activeElement.matches(s)", selector):
                return
        raise AssertionError(f"no Tab reaches {selector}")

    reach('input[name="protocol"]')
    page.keyboard.press("ArrowRight")
    assert page.is_checked('input[value="published"]')
    page.keyboard.press("ArrowLeft")
    reach("#weight-3")
    page.keyboard.press("End")
    page.wait_for_selector("#weight-3-out:text-is('50%')")
    assert page.evaluate("document.activeElement.id") == "weight-3"
    reach("#weights-fitted")
    page.keyboard.press("Enter")
    reach("#level")
    page.keyboard.press("ArrowDown")
    assert page.locator("#body tr").count() == 12
    reach("#search")
    page.keyboard.type("salun")
    assert page.locator("#body tr").count() == 3
    reach("#scroll")
    reach('[data-sort="score"]')
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.sort") == "score"
    reach('[data-about="0"]')
    page.keyboard.press("Enter")
    assert page.is_visible("#about")
    page.keyboard.press("Escape")
    assert page.is_hidden("#about")
    reach("[data-open]")
    page.keyboard.press("Space")
    assert page.locator("#body .detail").count() == 1
    reach("#save-csv")


def test_hostile_names_are_shown_as_text(visit: Visit, hostile: Path) -> None:
    page = visit(hostile)
    assert "owned" not in page.title().split("'")[0]
    assert page.locator("#body script, #body img, #body b, #head img, #sliders img").count() == 0
    shown = names(page)
    assert len(shown) == len(HOSTILE)
    assert "<script>document.title='owned'</script>" in shown
    assert max(map(len, shown)) <= 80
    assert not any("\u202e" in text for text in shown)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.click('[data-about="1"]')
    assert page.locator("#about img").count() == 0
    page.keyboard.press("Escape")
    for opener in page.locator("#body [data-open]").all():
        opener.click()
    page.select_option("#level", "unit")
    page.select_option("#block", HOSTILE[1])
    assert page.locator("#body tr").count() == len(HOSTILE)
    fragment = fragment_of(page)
    assert visit(hostile, fragment).locator("#body tr").count() == len(HOSTILE)


def test_hostile_names_are_saved_safely(visit: Visit, hostile: Path) -> None:
    page = visit(hostile)
    found = list(csv.reader(io.StringIO(saved(page, "csv"))))
    for line in found:
        assert not any(cell.startswith(FORMULA_STARTS) and not _number(cell) for cell in line)
    at = found[0].index("'=item")
    assert {line[at].removeprefix("'") for line in found[1:]} == {
        printable(name).removeprefix("'") for name in HOSTILE
    }
    text = saved(page, "latex")
    for name in HOSTILE:
        assert escape(printable(name)) in text
    assert r"\input" not in text
    picture = saved(page, "svg")
    page.evaluate(
        """(text) => {
            const found = new DOMParser().parseFromString(text, "image/svg+xml");
            if (found.querySelector("parsererror, script, image, img")) throw Error("markup");
        }""",
        picture,
    )


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_what_is_saved_is_what_is_shown(visit: Visit, site: Path) -> None:
    fragment = urlencode({"level": "unit", "block": "mmubench", "sort": "metric AD"})
    page = visit(site, f"#{fragment}")
    assert [r["method"] for r in rows_of(saved(page, "csv"))] == names(page)
    text = saved(page, "latex")
    assert text.count("mmubench") == 4
    at = [text.index(escape(name)) for name in names(page)]
    assert at == sorted(at)
    assert saved(page, "svg").count("/ mmubench<") == 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize(
    "fragment", ["", "#level=unit", "#protocol=published", "#table=unifiedunl-unimodal"]
)
def test_axe_finds_nothing_serious(
    visit: Visit, site: Path, axe: str, scheme: str, width: int, fragment: str
) -> None:
    page = visit(site, fragment, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.evaluate("document.getElementById('panel').open = true")
    page.click("#body [data-open] >> nth=0")
    page.evaluate(axe)
    found = page.evaluate("async () => (await axe.run()).violations")
    grave = [v for v in found if v["impact"] in {"serious", "critical"}]
    assert [(v["id"], [n["html"][:200] for n in v["nodes"][:3]]) for v in grave] == []


def test_a_small_screen_needs_no_sideways_scrolling(visit: Visit, site: Path) -> None:
    page = visit(site, viewport={"width": 375, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    page.click("#panel > summary")
    page.select_option("#level", "row")
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    assert page.is_visible("#body [data-open] >> nth=0")


def test_print_shows_the_table_and_no_controls(visit: Visit, site: Path) -> None:
    page = visit(site, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.is_visible("#board")
    for hidden in ("#controls", "#weight-0", "#save-csv", "#head .found >> nth=0"):
        assert page.is_hidden(hidden)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)"


def test_ten_thousand_rows_stay_responsive(visit: Visit, large: Path) -> None:
    page = visit(large)
    painted = page.evaluate(
        """async () => {
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
            const [paint] = performance.getEntriesByName("first-contentful-paint");
            return [paint.startTime, performance.now()];
        }"""
    )
    assert max(painted) < FIRST_PAINT
    spent = []
    for m in range(6):
        spent.append(
            page.evaluate(
                """async (m) => {
                    const slider = document.getElementById(`weight-${m}`);
                    const start = performance.now();
                    slider.value = 0.9;
                    slider.dispatchEvent(new Event("input", { bubbles: true }));
                    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
                    return performance.now() - start;
                }""",
                m,
            )
        )
    # The middle one: another process of the machine may delay any single frame.
    assert sorted(spent)[len(spent) // 2] < RERANK
    assert page.locator("#body tr").count() == 50
    page.click("#next")
    assert "51\N{EN DASH}100 of 10,000" in page.inner_text("#shown")
    page.fill("#search", "model 123")
    assert page.inner_text("#shown").startswith("Rows 1\N{EN DASH}")


def test_ties_are_shown_as_ties(visit: Visit, tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame(
        {"who": list("abcd"), "FA": [0.1, 0.2, 0.2, 0.4], "RA": [0.9, 0.8, 0.8, 0.2]}
    )
    table = mr.MetricTable.from_frame(frame, item="who")
    page = visit(mr.leaderboard(table, tmp_path, n_resamples=50, rng=0).path)
    assert column(page, "rank") == ["1", "2= tied", "2= tied", "4"]
    assert "2=" in saved(page, "latex")
