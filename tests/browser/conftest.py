"""Chromium, and what stands in for it where there is none: a reason to skip.

With METAREVAL_BROWSER=required, as in continuous integration, a missing browser is a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metareval as mr
from metareval.leaderboards import board

REQUIRED = os.environ.get("METAREVAL_BROWSER") == "required"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "metareval"

HOSTILE = [
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "=cmd('calc')!A0",
    "'quoted' \"twice\" & <b>bold</b>",
    "x" * 10_000,
    "\u202egnp.exe",
    "\N{GRINNING FACE} face, with a comma",
    r"50% of $x_1$ \input{passwd}",
]


def missing(what: str) -> Any:
    if REQUIRED:
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        missing("playwright is not installed: pip install 'metareval[test]'")
    path = os.environ.get("METAREVAL_CHROMIUM") or shutil.which("chromium")
    if path is None:
        missing("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """Return the source of axe-core, which .ci/run fetches."""
    path = Path(os.environ.get("METAREVAL_AXE") or CACHE / "axe-core/package/axe.min.js")
    if not path.is_file():
        missing(f"axe-core is not at {path}: npm pack axe-core, and unpack it there")
    return path.read_text(encoding="utf-8")


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open a page from disk; fail on any error of the console or request to a host."""
    contexts: list[Any] = []
    errors: list[str] = []

    def heard(message: Any) -> None:
        if message.type in {"error", "warning"}:
            errors.append(message.text)

    def asked(request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            errors.append(f"request to {request.url}")

    def opened(path: Path, fragment: str = "", **options: Any) -> Any:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", heard)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", asked)
        page.goto(f"{path.as_uri()}{fragment}")
        page.wait_for_selector("#body tr, #empty:not([hidden])", state="attached")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three embedded tables on one page."""
    names = ("unifiedunl", "unifiedunl-unimodal", "unifiedunl-blip2")
    folder = tmp_path_factory.mktemp("site")
    tables = [mr.load_dataset(name) for name in names]
    return mr.leaderboard(tables, folder, n_resamples=300, rng=0).path


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Names that must be shown as text, of items, blocks, metrics and the table."""
    rng = np.random.default_rng(0)
    keys = [(block, item) for block in HOSTILE[:3] for item in HOSTILE]
    frame = pd.DataFrame(keys, columns=["<b>block</b>", "=item"])
    for name in HOSTILE[:4]:
        frame[name] = rng.random(len(frame))
    frame["distance"] = rng.random(len(frame))
    table = mr.MetricTable.from_frame(
        frame,
        directions=dict.fromkeys(HOSTILE[:4], "higher"),
        oracle="distance",
        block="<b>block</b>",
        item="=item",
        name=HOSTILE[0],
    )
    folder = tmp_path_factory.mktemp("hostile")
    return mr.leaderboard(table, folder, title=HOSTILE[1], n_resamples=50, rng=0).path


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10,000 items with 20 metrics."""
    rng = np.random.default_rng(0)
    quality = rng.random(10_000)
    frame = pd.DataFrame({"model": [f"model {i}" for i in range(10_000)]})
    for m in range(20):
        frame[f"m{m:02}"] = 0.5 * quality + 0.5 * rng.random(10_000)
    directions = {f"m{m:02}": "higher" for m in range(20)}
    table = mr.MetricTable.from_frame(frame, directions=directions, item="model", name="large")
    folder = tmp_path_factory.mktemp("large")
    patch = pytest.MonkeyPatch()
    # The one rule that compares every two rows takes a minute here, and no part in what is timed.
    patch.setattr(board, "audit", lambda data: mr.audit(data, ignore=["tie-breaking"]))
    with patch.context():
        done = mr.leaderboard(table, folder, n_resamples=200, rng=0)
    patch.undo()
    return done.path
