"""Plug-ins: found without being imported, and reported when they cannot be used."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from metareval import plugins
from metareval.errors import ArgumentError, MissingDependencyError, PluginError
from metareval.plugins import (
    COLUMNS,
    get_backend,
    get_benchmark,
    get_metric,
    list_plugins,
    metric_names,
    plugins_text,
    register_metric,
    unregister_metric,
)

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests" / "plugin_pkg"


@pytest.fixture(scope="session")
def toy_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the toy package, without a network."""
    folder = tmp_path_factory.mktemp("toy")
    # A build leaves files beside the sources.
    source = shutil.copytree(TOY, folder / "source")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--target"]
    subprocess.run([*command, *options, str(folder / "site"), str(source)], check=True)
    return folder / "site"


def run(code: str, *paths: Path) -> str:
    """Run code in a Python of its own that finds packages in some folders too."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        check=False,
        cwd=paths[0] if paths else None,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# The toy package, installed


def test_listing_imports_no_plugin(toy_site: Path) -> None:
    out = run(
        """
        import json, sys
        from metareval.plugins import list_plugins
        frame = list_plugins()
        print(json.dumps(frame.to_dict(orient="records")))
        assert not any(name.startswith("metareval_toy") for name in sys.modules)
        assert "torch" not in sys.modules and "metareval.metrics" not in sys.modules
        """,
        toy_site,
    )
    rows = {(r["kind"], r["name"]): r for r in json.loads(out)}
    for key in [("metric", "forget_confidence"), ("backend", "toy"), ("benchmark", "toy")]:
        row = rows[key]
        assert (row["status"], row["package"], row["version"]) == (
            "installed",
            "metareval-toy",
            "0.3.0",
        )
    assert rows["metric", "FA"]["package"] == "metareval"


def test_checking_tells_broken_from_lacking(toy_site: Path) -> None:
    out = run(
        """
        import json
        from metareval.plugins import list_plugins
        print(json.dumps(list_plugins(check=True).to_dict(orient="records")))
        """,
        toy_site,
    )
    # What the broken one prints on import is not in the output.
    rows = {(r["kind"], r["name"]): r for r in json.loads(out)}
    assert rows["metric", "toy_broken"]["status"] == "broken"
    assert "RuntimeError: the toy is broken on purpose" in rows["metric", "toy_broken"]["reason"]
    assert rows["metric", "toy_extra"]["status"] == "missing dependency"
    assert "pip install 'metareval-toy[extra]'" in rows["metric", "toy_extra"]["reason"]
    others = [r for k, r in rows.items() if k[1] not in ("toy_broken", "toy_extra")]
    assert {r["status"] for r in others if r["package"] == "metareval-toy"} == {"ok"}
    assert {r["status"] for r in others if r["kind"] == "metric"} == {"ok"}


def test_a_metric_of_strangers_runs_on_stored_observations_without_torch(toy_site: Path) -> None:
    out = run(
        """
        import sys, tempfile
        from metareval.metrics import compute
        from metareval.observations import Observations
        from metareval.plugins import get_backend, get_benchmark, get_metric

        backend, splits = get_backend("toy"), get_benchmark("toy").splits()
        model = backend.tiny(0)
        with tempfile.TemporaryDirectory() as folder:
            seen = {}
            for split, samples in splits.items():
                path = backend.observe(model, samples, split=split).save(f"{folder}/{split}")
                seen[split] = Observations.load(path)
        values = compute(["FA", "forget_confidence"], seen)
        assert values["forget_confidence"] == get_metric("forget_confidence")(seen)
        assert 0 < values["forget_confidence"] < 1
        assert not {"torch", "transformers"} & set(sys.modules)
        print("done")
        """,
        toy_site,
    )
    assert out == "done\n"


def test_two_copies_of_one_package_are_no_conflict(toy_site: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(toy_site, tmp_path / "copy")
    code = "from metareval.plugins import get_metric; print(get_metric('forget_confidence').name)"
    assert run(code, toy_site, copy) == "forget_confidence\n"


# Packages made up on the spot


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make a package with entry points, and a module, that this process finds."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name: str, points: str, code: str = "", *, requires: str = "") -> None:
        module = name.replace("-", "_")
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        needed = f"Requires-Dist: {requires}\n" if requires else ""
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needed}"
        (info / "METADATA").write_text(text)
        (info / "entry_points.txt").write_text(textwrap.dedent(points))
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(code))
        monkeypatch.delitem(sys.modules, module, raising=False)

    return make


METRIC = """
class M:
    name = "mine"
    direction, low, high = "lower", 0.0, 1.0
    reads, fields, needs_oracle = ("forget",), ("gold",), False
    def __call__(self, observed, oracle=None):
        return 0.5
"""
POINT = "[metareval.metrics]\nmine = {}:M\n"


def test_an_unknown_name_gets_near_matches() -> None:
    with pytest.raises(ArgumentError, match=r"Unknown metric 'MlA'\. Did you mean 'MIA'"):
        get_metric("MlA")
    with pytest.raises(ArgumentError, match="Unknown backend 'llama'"):
        get_backend("llama")
    with pytest.raises(ArgumentError, match="Unknown benchmark 'none'"):
        get_benchmark("none")
    with pytest.raises(ArgumentError, match="Unknown kind of plug-in 'metrics'"):
        list_plugins("metrics")


def test_two_packages_with_one_name(package: Any) -> None:
    package("pkg-one", POINT.format("pkg_one"), METRIC)
    package("pkg-two", POINT.format("pkg_two"), METRIC)
    with pytest.raises(PluginError, match=r"'mine' is claimed by pkg-one and pkg-two\. Uninst"):
        get_metric("mine")
    frame = list_plugins("metric")
    assert frame[frame["name"] == "mine"]["status"].tolist() == ["conflict"] * 2
    assert metric_names().count("mine") == 1
    assert get_metric("FA").name == "FA"


def test_a_line_that_cannot_be_read_breaks_no_other(package: Any) -> None:
    points = """
        [console_scripts]
        broken
        [metareval.metrics]
        # a comment
        no_target
        not_a_target = one two
        mine = pkg_lines:M
        """
    package("pkg-lines", points, METRIC)
    assert get_metric("mine").name == "mine"
    for name in ("no_target", "not_a_target"):
        with pytest.raises(PluginError, match="expected 'module:object'"):
            get_metric(name)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (METRIC.replace('"mine"', '"other"'), "Its name is 'other'; expected that of its entry"),
        (METRIC.replace("needs_oracle", "oracle"), "It has no needs_oracle."),
        (METRIC.replace("__call__", "call"), "It has no method __call__."),
        (METRIC.replace('"lower"', '"down"'), "Its direction is 'down'; expected 'higher' or"),
        (METRIC.replace("0.0, 1.0", "1.0, 0.0"), "Its range is low=1.0, high=0.0"),
        (METRIC.replace('("forget",)', '"forget"'), "Its reads is 'forget'; expected a tuple"),
        (METRIC.replace('("gold",)', '("golds",)'), r"Its fields is \('golds',\); expected"),
        (METRIC + "    def __init__(self, x): ...", "could not be called without arguments"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("M = 1 / 0", "ZeroDivisionError: division by zero"),
        ("def f(:", "SyntaxError"),
        ("", "has no attribute 'M'"),
        ("import pkg_made.inner", "ModuleNotFoundError"),
    ],
)
def test_what_is_broken_says_so(package: Any, code: str, message: str) -> None:
    package("pkg-made", POINT.format("pkg_made"), code)
    with pytest.raises(PluginError, match=message) as caught:
        get_metric("mine")
    assert "The metric 'mine' of pkg-made 1.0" in str(caught.value)
    row = list_plugins("metric", check=True).query("name == 'mine'").iloc[0]
    assert (row["status"], row["reason"]) == ("broken", str(caught.value))


@pytest.mark.parametrize(
    ("code", "requires", "command"),
    [
        ("import nobody_has_it", "", "pip install nobody_has_it"),
        ("import nobody_has_it", 'nobody.has-it>=2; extra == "big"', "'pkg-needs[big]'"),
        (
            "from metareval.errors import MissingDependencyError\n"
            "raise MissingDependencyError('Install it: pip install special')",
            "",
            "pip install special",
        ),
    ],
)
def test_what_is_not_installed_gets_the_command(
    package: Any, code: str, requires: str, command: str
) -> None:
    package("pkg-needs", POINT.format("pkg_needs"), code, requires=requires)
    with pytest.raises(MissingDependencyError, match=re.escape(command)):
        get_metric("mine")
    row = list_plugins("metric", check=True).query("name == 'mine'").iloc[0]
    assert row["status"] == "missing dependency"


# Metrics of a session


class Mine:
    name = "session_metric"
    direction, low, high = "lower", 0.0, 1.0
    reads, fields, needs_oracle = ("forget",), ("gold",), False

    def __call__(self, observed: Any, oracle: Any = None) -> float:  # noqa: ARG002
        return 0.5


def test_a_registered_metric_is_known_until_it_is_not() -> None:
    assert register_metric(Mine) is Mine
    try:
        first = get_metric("session_metric")
        mine = Mine()
        register_metric(mine)
        assert get_metric("session_metric") is mine is not first
        row = list_plugins("metric").query("name == 'session_metric'").iloc[0]
        assert (row["status"], row["package"]) == ("installed", plugins.SESSION)
        assert "session_metric" in metric_names()
    finally:
        unregister_metric("session_metric")
    with pytest.raises(ArgumentError, match="Unknown metric"):
        get_metric("session_metric")
    with pytest.raises(ArgumentError, match="Unknown registered metric"):
        unregister_metric("session_metric")


def test_what_is_not_a_metric_is_not_registered() -> None:
    with pytest.raises(PluginError, match=r"is not a metric. It has no name\."):
        register_metric(len)
    with pytest.raises(ArgumentError, match="'FA' is already installed by metareval"):
        register_metric(type("FA", (Mine,), {"name": "FA"}))


# As text, and in the documentation


def test_text_fits_and_cannot_be_forged() -> None:
    rows = [
        ("metric", "m" * 50, "missing dependency", "p" * 90, "1.0", "word " * 40),
        ("backend", "b\nackend\x1b[31m", "ok", "pkg", "1", ""),
    ]
    text = plugins_text(pd.DataFrame(rows, columns=list(COLUMNS)))
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "b\ufffdackend" in text
    assert plugins_text(pd.DataFrame([], columns=list(COLUMNS))) == "No plug-ins are installed."


def test_the_documentation_runs(toy_site: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(blocks) >= 4
    script = tmp_path / "page.py"
    script.write_text("\n\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        env={**os.environ, "PYTHONPATH": str(toy_site)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
