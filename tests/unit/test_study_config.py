"""The file of a study: what it may hold, and what is said where it holds something else."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest

from metareval.errors import ArgumentError, LoadError
from metareval_backends.study import read_study
from metareval_backends.study.config import study_of
from metareval_backends.study.known import METHODS, SCHEDULE, SCHEDULE_REQUIRED, TINY
from metareval_backends.study.plan import difference, generator, plan
from metareval_backends.study.presets import names
from tests.study_files import micro, write


def test_presets_are_valid() -> None:
    assert names() == ["digits", "paper", "small", "smoke"]
    for name in names():
        assert read_study(name).name == name


def test_small_and_paper_have_the_promised_grid() -> None:
    small = [c for block in plan(read_study("small")) for c in block.cells]
    assert sum(c.kind == "unlearned" for c in small) == 72
    paper = [c for block in plan(read_study("paper")) for c in block.cells]
    llava = [c for c in paper if c.kind == "unlearned" and c.architecture == "llava"]
    assert len(llava) == 36
    assert read_study("paper").architectures[0].adapter == {"r": 8, "alpha": 16.0, "dropout": 0.05}


def test_known_names_are_those_of_the_code() -> None:
    from metareval_backends import blip2, classifier, llava, unlearning
    from metareval_backends.training import Schedule

    fields = {f.name: f for f in dataclasses.fields(Schedule)}
    assert set(SCHEDULE) == set(fields)
    required = [n for n, f in fields.items() if f.default is dataclasses.MISSING]
    assert set(SCHEDULE_REQUIRED) == set(required)
    assert set(METHODS) == set(unlearning.METHODS)
    for name, module in (("llava", llava), ("blip2", blip2), ("classifier", classifier)):
        made = getattr(module, f"tiny_{name}")
        assert set(TINY[name]) == set(inspect.signature(made).parameters) - {
            "texts",
            "labels",
            "seed",
        }


def _changed(path: str, value: Any) -> dict[str, Any]:
    data = micro()
    at: Any = data
    *parents, last = path.split(".")
    for part in parents:
        at = at[int(part)] if part.isdigit() else at.setdefault(part, {})
    if value is None:
        del at[last]
    else:
        at[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("seedz", [1], "seedz: Unknown key 'seedz'. Did you mean 'seed' or 'seeds'"),
        ("seeds", None, "seeds: is missing"),
        ("seeds", [], "seeds: the list is empty"),
        ("seeds", [1, 1], "seeds: 1 stands there twice"),
        ("seeds", [True], "found True; expected whole numbers"),
        ("seeds", 3, "found 3; expected a list of whole numbers"),
        ("oracles", 0, "oracles: found 0; expected a whole number from 1"),
        ("oracle_start", "mine", "oracle_start: Unknown value 'mine'"),
        ("name", "../x", "name: found '../x'; expected a name that can be a folder"),
        ("name", "con", "expected a name that can be a folder"),
        ("architecture.0.name", "a/b", r"architecture\[1\].name: found 'a/b'"),
        ("architecture.0.backend", "lava", "Unknown backend 'lava'. Did you mean 'llava'"),
        ("architecture.0.base", "x", "found both of 'base' and 'tiny'"),
        ("architecture.0.tiny", None, "found neither of 'base' and 'tiny'"),
        ("architecture.0.tiny.widht", 3, r"tiny.widht: Unknown key 'widht'. Did you mean 'width'"),
        ("architecture.0.tiny.width", 0, r"tiny.width: found 0"),
        ("architecture.0.train.epochs", 1.5, r"train.epochs: found 1.5; expected a whole number"),
        ("architecture.0.train.epochs", None, r"train.epochs: is missing"),
        ("architecture.0.train.learning_rate", 0, r"learning_rate: found 0; expected .* above 0"),
        ("architecture.0.train.learning_rate", float("inf"), "expected a finite number above 0"),
        ("architecture.0.adapter", {"r": 4}, "an adapter belongs to a model on disk"),
        ("architecture.0.dtype", "float8", "Unknown value 'float8'"),
        ("benchmark.0.name", "digit", "Unknown benchmark 'digit'. Did you mean 'digits'"),
        ("benchmark.0.architectures", ["vit2"], "Unknown architecture 'vit2'"),
        ("benchmark.0.options.x", {"y": 1}, r"options.x: found a table; expected a text"),
        ("method.0.name", "gradient_accent", "Did you mean 'gradient_ascent'"),
        ("method.0.strengths.0.label", None, r"strengths\[1\].label: is missing"),
        ("method.0.strengths.1.label", "weak", "strengths 'weak' is there already"),
        ("method.0.strengths.1.label", "WEAK", "strengths 'WEAK' is there already as 'weak'"),
        ("method.0.strengths.0.schedule", None, r"schedule.learning_rate: is missing"),
        ("method.0.options", {"beta": "high"}, r"options.beta: found 'high'; expected a finite"),
        ("method.0.architecture", {"blip": {}}, "Unknown architecture 'blip'"),
        ("measure.metrics", ["FAA"], "measure.metrics: Unknown metric 'FAA'"),
        ("measure.distances", ["l2"], "Unknown distance 'l2'"),
        ("measure.probe", "tests", "measure.probe: Unknown value 'tests'"),
        ("measure", [1], "measure: found a list of 1; expected a table"),
        ("method", [], "method: the list is empty"),
    ],
)
def test_faults_name_file_and_key(path: str, value: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message) as caught:
        study_of(_changed(path, value), source="grid.toml")
    assert str(caught.value).startswith("grid.toml: ")


def test_names_must_differ() -> None:
    data = micro()
    data["benchmark"] = [{"name": "digits"}, {"name": "digits"}]
    with pytest.raises(ArgumentError, match=r"benchmark 'digits' is there already .* label"):
        study_of(data, source="x")


def test_an_architecture_needs_a_benchmark() -> None:
    data = micro()
    data["architecture"].append({**data["architecture"][0], "name": "other"})
    data["benchmark"][0]["architectures"] = ["vit"]
    with pytest.raises(ArgumentError, match="no benchmark is for the architecture 'other'"):
        study_of(data, source="x")


def test_numbers_of_a_method_for_one_architecture() -> None:
    data = micro()
    data["architecture"].append({**data["architecture"][0], "name": "other"})
    method = data["method"][0]
    method["architecture"] = {
        "other": {"schedule": {"epochs": 7}, "options": {"retain_weight": 2}},
    }
    study = study_of(data, source="x")
    mine, other = (study.methods[0].strengths[a] for a in ("vit", "other"))
    assert [s.schedule["epochs"] for s in (*mine, *other)] == [1, 1, 7, 7]
    assert other[1].schedule["learning_rate"] == 1e-2
    assert other[0].options == {"retain_weight": 2.0}
    method["architecture"]["other"]["strengths"] = [
        {"label": "soft", "schedule": {"learning_rate": 1.0}}
    ]
    with pytest.raises(ArgumentError, match="expected the same labels in one order"):
        study_of(data, source="x")


def test_a_file_goes_before_a_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path)
    assert read_study(str(path)).name == "micro"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smoke").write_text(path.read_text())
    assert read_study("smoke").name == "micro"


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"smal does not exist\. .*Did you mean 'small'"):
        read_study("smal")
    with pytest.raises(LoadError, match="is a folder"):
        read_study(str(tmp_path))
    with pytest.raises(LoadError, match="does not exist"):
        read_study("x" * 5000)
    path = tmp_path / "a.toml"
    path.write_text("name = ")
    with pytest.raises(LoadError, match="not a TOML file"):
        read_study(str(path))
    path.write_text("a = " + "[" * 100_000)
    with pytest.raises(LoadError, match="not a TOML file"):
        read_study(str(path))


def test_the_order_in_the_file_does_not_matter_to_cells() -> None:
    data = micro()
    data["method"].append({**data["method"][0], "label": "again"})
    one = {c.path: c.hash for b in plan(study_of(data, source="x")) for c in b.cells}
    data["method"].reverse()
    data["seeds"].reverse()
    two = {c.path: c.hash for b in plan(study_of(data, source="x")) for c in b.cells}
    assert one == two
    assert len(set(one.values())) == len(one)


def test_a_cell_depends_on_what_influences_it_alone() -> None:
    def hashes(data: dict[str, Any]) -> dict[str, str]:
        return {c.name: c.hash for b in plan(study_of(data, source="x")) for c in b.cells}

    before = hashes(micro())
    assert hashes(micro(measure={**micro()["measure"], "metrics": ["FA"]})) == before
    more = hashes(micro(seeds=[0, 1, 2], keep_checkpoints=True))
    assert all(more[name] == before[name] for name in before)
    changed = hashes(_changed("method.0.strengths.0.schedule.learning_rate", 2e-4))
    assert {n for n in before if changed[n] != before[n]} == {"ascent+weak+0", "ascent+weak+1"}
    assert not set(hashes(_changed("architecture.0.train.epochs", 3)).values()) & set(
        before.values()
    )


def test_random_numbers_depend_on_names() -> None:
    draws = {
        int(generator(0, *names).integers(2**60))
        for names in (("a", "b"), ("b", "a"), ("ab",), ("a", "b", 0), ("a", "b", 1))
    }
    assert len(draws) == 5


def test_differences_are_named() -> None:
    assert difference({"a": {"b": [1]}}, {"a": {"b": [2]}}) == (
        "a.b is [1] there and [2] in the file"
    )
    assert difference({"a": 1}, {"a": 1, "c": 2}) == "c is not given there and 2 in the file"
    assert difference({"a": 1}, {"a": 1}) == ""
