"""From checkpoints to a table."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metareval as mr
from metareval.errors import (
    ArgumentError,
    LoadError,
    MetarevalError,
    ObservationError,
    OutputError,
    PluginError,
    TableError,
)
from metareval.evaluation import CheckpointSpec, Evaluation, evaluate, function_distance
from metareval.metrics import compute
from metareval.observations import Observations
from tests.fake_models import (
    FakeBackend,
    FakeBenchmark,
    MeasuringBackend,
    make_checkpoint,
    make_study,
)

Run = Callable[..., Evaluation]


@pytest.fixture
def study(tmp_path: Path) -> tuple[list[str], list[str]]:
    return make_study(tmp_path / "runs")


@pytest.fixture
def run(tmp_path: Path, study: tuple[list[str], list[str]]) -> Run:
    """Evaluate the study; any argument can be replaced."""

    def call(backend: Any = None, checkpoints: Any = None, **options: Any) -> Evaluation:
        models, oracles = study
        given = {"oracle": oracles[0], "benchmark": FakeBenchmark(), "out": tmp_path / "out"}
        return evaluate(
            FakeBackend() if backend is None else backend,
            models if checkpoints is None else checkpoints,
            **{**given, **options},
        )

    return call


# The table


def test_table_with_roles_and_files(run: Run, tmp_path: Path, study: Any) -> None:
    done = run()
    models, _ = study
    table = done.table
    assert table.metrics == ("FA", "RA", "MIA", "AD", "JS", "FA_gap")
    assert table.directions["RA"] == "higher"
    assert table.directions["FA_gap"] == "lower"
    assert (table.oracle, table.item, table.replicate) == ("distance", "checkpoint", None)
    assert table.oracle_shared == ("AD", "JS", "FA_gap")
    assert list(table.frame["checkpoint"]) == models
    assert not done.failed
    assert not done.left_out
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "observations",
        "table.csv",
        "table.json",
        "summary.json",
    }
    read = pd.read_csv(tmp_path / "out" / "table.csv")
    np.testing.assert_array_equal(read[list(table.metrics)], table.values)
    again = mr.read_table(tmp_path / "out" / "table.json")
    np.testing.assert_array_equal(again.values, table.values)
    np.testing.assert_array_equal(again.closeness, table.closeness)
    assert dict(again.directions) == dict(table.directions)
    assert again.oracle_shared == table.oracle_shared
    assert len(mr.reliability(table, n_resamples=20, rng=0).to_frame()) == 6


def test_values_are_those_of_the_metrics(run: Run, study: Any) -> None:
    done = run()
    models, oracles = study
    backend, samples = FakeBackend(), FakeBenchmark().splits()
    seen = {
        name: {s: backend.observe(backend.load(name), samples[s], split=s) for s in samples}
        for name in (models[1], oracles[0])
    }
    mine, theirs = seen[models[1]], seen[oracles[0]]
    row = done.table.frame.iloc[1]
    assert compute(done.table.metrics, mine, theirs) == row[list(done.table.metrics)].to_dict()
    assert row["distance"] == function_distance(mine["nonmember"], theirs["nonmember"])


def test_each_model_is_loaded_once_and_only_what_is_needed_is_observed(run: Run) -> None:
    backend = FakeBackend()
    run(backend)
    assert len(backend.log) == len(set(backend.log))
    assert "observe model-0 nonmember" in backend.log
    # The attack has non-members, and no metric reads the oracle's retain split.
    assert not [line for line in backend.log if line.endswith("test")]
    assert "observe oracle-0 retain" not in backend.log


def test_benchmark_without_held_out_splits(run: Run) -> None:
    done = run(benchmark=FakeBenchmark({"forget": 5, "retain": 5}))
    assert done.left_out == {"MIA": "the benchmark has no nonmember and test"}
    assert done.setting["probe"] == "retain"
    assert "MIA" not in done.table.metrics
    assert "left out because" in repr(done)


def test_the_test_split_stands_in_for_non_members(run: Run) -> None:
    done = run(benchmark=FakeBenchmark({"forget": 5, "retain": 5, "test": 5}))
    assert "MIA" in done.table.metrics
    assert done.setting["probe"] == "test"


def test_backend_that_records_no_hidden_state(run: Run) -> None:
    done = run(FakeBackend(lacks=("hidden",)))
    assert done.left_out == {"AD": "the backend records no hidden"}
    assert not done.failed


def test_forget_is_never_the_probe_unless_asked(run: Run) -> None:
    only = FakeBenchmark({"forget": 5})
    with pytest.raises(ArgumentError, match="probe='forget'"):
        run(benchmark=only, metrics=["FA"])
    done = run(benchmark=only, metrics=["FA"], probe="forget")
    assert done.setting["probe"] == "forget"


def test_chosen_metrics_and_one_of_ones_own(run: Run) -> None:
    class AnswerLength:
        name = "answer_length"
        direction, low, high = "lower", 0.0, float("inf")
        reads, fields, needs_oracle = ("test",), ("answers",), False

        def __call__(self, observed: Any, *_: Any) -> float:
            return float(np.mean([len(a) for a in observed["test"].answers]))

    done = run(metrics=["FA", AnswerLength()])
    assert done.table.metrics == ("FA", "answer_length")
    assert (done.table.frame["answer_length"] == 1).all()


def test_a_metric_that_fails_leaves_a_gap(run: Run, study: Any, tmp_path: Path) -> None:
    class Fragile:
        name = "fragile"
        direction, low, high = "lower", 0.0, 1.0
        reads, fields, needs_oracle = ("forget",), ("answers",), False

        def __call__(self, observed: Any, *_: Any) -> float:
            return 1 / (observed["forget"].answers.count("?") - 8)

    # Nothing is right, so that the metric divides by zero.
    lost = make_checkpoint(tmp_path / "runs" / "lost", knows=0.0)
    done = run(checkpoints=[*study[0][:2], lost], metrics=["FA", Fragile()])
    assert done.failed.keys() == {lost}
    assert "fragile: failed with ZeroDivisionError" in done.failed[lost]
    row = done.table.frame.iloc[-1]
    assert np.isnan(row["fragile"])
    assert row["FA"] == 0
    assert [row.status for row in done.rows] == ["done", "done", "incomplete"]


def test_limit(run: Run) -> None:
    done = run(limit=3)
    assert done.setting["samples"] == {"forget": 3, "retain": 3, "nonmember": 3}
    assert any("At most 3 samples" in note for note in done.notes)


# Labels


def test_labels_become_columns_and_roles(run: Run, study: Any) -> None:
    specs = [
        CheckpointSpec(path, {"method": f"m{i // 2}", "seed": str(i % 2)})
        for i, path in enumerate(study[0])
    ]
    table = run(checkpoints=specs, item="method", replicate="seed").table
    assert (table.item, table.replicate) == ("method", "seed")
    assert table.levels("item") == ["m0", "m1"]
    assert table.n_units == 2


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl"])
def test_files_of_checkpoints(run: Run, tmp_path: Path, study: Any, suffix: str) -> None:
    rows = [{"checkpoint": path, "who": f"a, {i}", "seed": i} for i, path in enumerate(study[0])]
    frame, path = pd.DataFrame(rows), tmp_path / f"list{suffix}"
    if suffix in (".csv", ".tsv"):
        frame.to_csv(path, index=False, sep="," if suffix == ".csv" else "\t")
    else:
        frame.to_json(path, orient="records", lines=suffix == ".jsonl")
    table = run(checkpoints=path, item="who").table
    assert table.levels("item") == ["a, 0", "a, 1", "a, 2", "a, 3"]
    assert list(table.frame["seed"]) == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "model,seed\nx,1\n", "no 'checkpoint'.*'model'"),
        ("a.csv", "checkpoint,seed\nx,\n", "line 2 has no value under 'seed'"),
        ("a.csv", "checkpoint,seed\nx\n", "1 fields"),
        ("a.csv", "checkpoint,checkpoint\nx,y\n", "a name twice"),
        ("a.csv", "checkpoint\n", "lists no checkpoint"),
        ("a.csv", 'checkpoint\n"x\n', "double quotes"),
        ("a.json", '{"checkpoint": "x"}', "expected a list"),
        ("a.jsonl", '{"checkpoint": "x"', "line 1"),
        ("a.jsonl", '["x"]', "line 1 is a list"),
        ("a.jsonl", '{"checkpoint": {"a": 1}}', "an object where one value"),
        ("a.jsonl", '{"checkpoint": "x", "": "y"}', "every column a name"),
    ],
)
def test_damaged_files_of_checkpoints(
    run: Run, tmp_path: Path, name: str, text: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(LoadError, match=message) as caught:
        run(checkpoints=path)
    assert name in str(caught.value)


def test_checkpoints_that_cannot_be_told_apart_or_lack_labels(run: Run, study: Any) -> None:
    a, b = study[0][:2]
    for same in (a, f"{a}/", f"{a}/../{Path(a).name}", os.path.relpath(a)):
        with pytest.raises(ArgumentError, match="twice"):
            run(checkpoints=[a, same])
        with pytest.raises(ArgumentError, match="twice"):
            run(oracle=[a, same])
    with pytest.raises(ArgumentError, match="twice"):
        run(checkpoints=["owner/model", "owner/model"])
    with pytest.raises(ArgumentError, match="no label 'method'"):
        run(checkpoints=[CheckpointSpec(a, {"method": "x"}), b])
    with pytest.raises(ArgumentError, match="give a list"):
        run(checkpoints=a)
    with pytest.raises(ArgumentError, match="no checkpoint"):
        run(checkpoints=[])
    for bad in ("", "a\nb", 3, None):
        with pytest.raises(ArgumentError, match="not a name"):
            CheckpointSpec(bad)  # type: ignore[arg-type]
    for labels in ({"checkpoint": "x"}, {"": "x"}, {"a": 1}, {"a": " "}, ["a"]):
        with pytest.raises(ArgumentError):
            CheckpointSpec("x", labels)  # type: ignore[arg-type]


@pytest.mark.parametrize("label", ["FA", "distance", "below floor"])
def test_labels_named_like_other_columns(run: Run, study: Any, label: str) -> None:
    backend = FakeBackend()
    with pytest.raises(ArgumentError, match="Rename the label"):
        run(backend, checkpoints=[CheckpointSpec(study[0][0], {label: "x"})])
    assert not backend.log


def test_roles_are_refused_before_anything_is_observed(run: Run, study: Any) -> None:
    backend = FakeBackend()
    specs = [CheckpointSpec(path, {"method": "same", "seed": "1"}) for path in study[0]]
    with pytest.raises(TableError, match="stands in rows"):
        run(backend, checkpoints=specs, item="method", replicate="seed")
    with pytest.raises(ArgumentError, match=r"label for item=.*'methods'"):
        run(backend, checkpoints=specs, item="methods")
    assert not backend.log


HOSTILE = "=cmd|' /C calc'!A0 <script>alert(1)</script> ../../x"


def test_hostile_names_stay_texts(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "=cmd <script> .. \u202dx"
    path = make_checkpoint(folder)
    with pytest.raises(ArgumentError, match="one line"):
        CheckpointSpec(path)
    path = make_checkpoint(tmp_path / "runs" / "=1+1 <b> ..")
    done = run(checkpoints=[CheckpointSpec(path, {"=label": HOSTILE})], item="=label")
    out = tmp_path / "out"
    assert {p.parent.parent.name for p in out.rglob("*.safetensors")} == {"observations"}
    assert "'=cmd" in (out / "table.csv").read_text()
    assert json.loads((out / "summary.json").read_text())["checkpoints"][0]["labels"] == {
        "=label": HOSTILE
    }
    assert "<script>" not in done._repr_html_()


# Oracles and distances


def test_two_oracles_give_a_noise_floor(run: Run, study: Any) -> None:
    done = run(oracle=study[1])
    table = done.table
    assert table.oracle_repeats == ("distance_1", "distance_2")
    frame = table.frame
    np.testing.assert_allclose(
        -table.closeness, frame[["distance_1", "distance_2"]].mean(axis=1).to_numpy()
    )
    backend, samples = FakeBackend(), FakeBenchmark().splits()["nonmember"]
    seen = [backend.observe(backend.load(o), samples, split="nonmember") for o in study[1]]
    floor = done.noise_floor["function"]
    assert floor.mean == floor.highest == function_distance(*seen)
    assert floor.n_pairs == 1
    means = frame[["distance_1", "distance_2"]].mean(axis=1).to_numpy()
    assert [row.below_floor for row in done.rows] == list(means < floor.mean)
    assert "Noise floor (function)" in repr(done)
    assert done.to_dict()["noise_floor"]["function"]["mean"] == floor.mean


def test_rows_below_the_floor_are_marked(run: Run, study: Any, tmp_path: Path) -> None:
    near = make_checkpoint(tmp_path / "runs" / "near", knows=0.1, seed=100)
    done = run(checkpoints=[*study[0], near], oracle=study[1])
    assert done.rows[-1].below_floor is True
    assert any("near" in note and "noise" in note for note in done.notes)
    assert bool(done.to_frame().loc[near, "below floor"])


def test_one_oracle_has_no_floor(run: Run) -> None:
    done = run()
    assert not done.noise_floor
    assert all(row.below_floor is None for row in done.rows)
    assert any("one oracle" in note for note in done.notes)


def test_an_oracle_among_the_checkpoints_is_said(run: Run, study: Any) -> None:
    done = run(checkpoints=[*study[0], study[1][0]])
    assert done.table.frame["distance"].iloc[-1] == 0
    assert any("oracle is among the checkpoints" in note for note in done.notes)
    done = run(checkpoints=[*study[0], f"{study[1][0]}/"])
    assert any("oracle is among the checkpoints" in note for note in done.notes)


def test_distance_in_weights(run: Run, study: Any) -> None:
    backend = MeasuringBackend()
    done = run(backend, distance="weights", oracle=study[1])
    assert done.table.oracle_repeats == ("distance_1", "distance_2")
    assert done.noise_floor["weights"].mean == pytest.approx(0.1)
    assert done.setting["probe"] is None
    expected = [0.95 - 0.3 * i - 0.1 for i in range(4)]
    found = done.table.frame["distance_1"]
    np.testing.assert_allclose(found, np.abs(expected) + 0.1)
    # A first checkpoint that cannot be looked at is left out like any other.
    done = run(backend, [f"/{'x' * 300}", *study[0]], distance="weights", oracle=study[1])
    assert len(done.table) == len(study[0])
    # Measured once, and kept.
    again = MeasuringBackend()
    run(again, distance="weights", oracle=study[1])
    assert not again.log


def test_both_distances(run: Run, study: Any) -> None:
    done = run(MeasuringBackend(), distance=["weights", "function"], oracle=study[1])
    assert done.table.oracle_repeats == ("distance_weights_1", "distance_weights_2")
    assert {"distance_function_1", "distance_function_2"} <= set(done.table.frame)
    assert set(done.noise_floor) == {"weights", "function"}


def test_backend_without_a_distance_of_weights(run: Run) -> None:
    backend = FakeBackend()
    with pytest.raises(ArgumentError, match="offers no weight_distance"):
        run(backend, distance="weights")
    assert not backend.log


def test_a_distance_that_fails_leaves_a_gap(run: Run, study: Any, tmp_path: Path) -> None:
    bad = make_checkpoint(tmp_path / "runs" / "bad", fail="weights")
    done = run(MeasuringBackend(), [*study[0], bad], distance="weights")
    assert set(done.failed) == {bad}
    assert "ZeroDivisionError" in done.failed[bad]
    assert np.isnan(done.table.frame["distance"].iloc[-1])


# Failures


def test_a_checkpoint_that_fails_and_the_others_go_on(run: Run, study: Any, tmp_path: Path) -> None:
    missing = str(tmp_path / "runs" / "gone")
    failing = make_checkpoint(tmp_path / "runs" / "failing", fail="retain")
    done = run(checkpoints=[missing, *study[0], failing])
    assert set(done.failed) == {missing, failing}
    assert "model.json is missing" in done.failed[missing]
    assert "RuntimeError: out of memory in retain" in done.failed[failing]
    assert len(done.table) == 4
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    status = {c["checkpoint"]: c["status"] for c in summary["checkpoints"]}
    assert (status[missing], status[failing], status[study[0][0]]) == ("failed", "failed", "done")
    assert "2 of 6 checkpoints" in done.headline()


def test_all_checkpoints_failing_writes_no_table(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ObservationError, match=r"None of the 1 checkpoints.*model\.json"):
        run(checkpoints=[str(tmp_path / "gone")])
    assert not (tmp_path / "out" / "table.csv").exists()
    assert not (tmp_path / "out" / "summary.json").exists()


def test_an_oracle_that_fails_stops(run: Run, tmp_path: Path) -> None:
    backend = FakeBackend()
    with pytest.raises(LoadError, match=r"oracle.*gone.*could not be observed"):
        run(backend, oracle=str(tmp_path / "gone"))
    assert not backend.log
    failing = make_checkpoint(tmp_path / "runs" / "failing", fail="forget")
    with pytest.raises(ObservationError, match=r"oracle.*failing.*RuntimeError"):
        run(oracle=failing)


def test_an_oracle_that_fails_with_an_error_of_its_own_kind(run: Run) -> None:
    class TooLarge(MetarevalError, MemoryError):
        def __init__(self, size: int) -> None:
            super().__init__(f"A batch of {size:d} samples is too large.")

    class Large(FakeBackend):
        def observe(self, *_: Any, **__: Any) -> Any:
            raise TooLarge(8)

    with pytest.raises(MetarevalError, match=r"oracle.*A batch of 8 samples is too large"):
        run(Large())


def test_interruption_passes_through(run: Run, tmp_path: Path) -> None:
    class Interrupted(FakeBackend):
        def observe(self, model: Any, samples: Any, **options: Any) -> Observations:
            if len(self.log) == 8:
                raise KeyboardInterrupt
            return super().observe(model, samples, **options)

    with pytest.raises(KeyboardInterrupt):
        run(Interrupted())
    stored = len(list((tmp_path / "out").rglob("*.safetensors")))
    assert stored > 0
    backend = FakeBackend()
    run(backend)
    observed = [line for line in backend.log if line.startswith("observe")]
    assert len(observed) == 4 * 3 + 2 - stored


def test_backends_that_return_something_else(run: Run) -> None:
    class Reversing(FakeBackend):
        def observe(self, model: Any, samples: Any, **options: Any) -> Observations:
            return super().observe(model, samples[::-1], **options)

    class Silent(FakeBackend):
        def observe(self, *_: Any, **__: Any) -> Any:
            return None

    with pytest.raises(ObservationError, match="other sample ids"):
        run(Reversing())
    with pytest.raises(ObservationError, match="NoneType"):
        run(Silent())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"metrics": ["FAA"]}, ArgumentError, "Did you mean 'FA'"),
        ({"metrics": "FA"}, ArgumentError, "give a list"),
        ({"metrics": []}, ArgumentError, "no metric"),
        ({"metrics": ["FA", "FA"]}, ArgumentError, "twice"),
        ({"metrics": [object()]}, PluginError, "is not a metric"),
        ({"distance": "euclid"}, ArgumentError, "Unknown distance 'euclid'"),
        ({"distance": []}, ArgumentError, "names none"),
        ({"probe": "nobody"}, ArgumentError, "Unknown split"),
        ({"limit": 0}, ArgumentError, "at least 1"),
        ({"limit": 1.5}, ArgumentError, "whole number"),
        ({"oracle": []}, ArgumentError, "no checkpoint"),
        ({"oracle": 3}, ArgumentError, "expected names"),
        ({"benchmark": object()}, PluginError, "is not a benchmark"),
        ({"benchmark": "nowhere"}, ArgumentError, "Unknown benchmark"),
        ({"backend": object()}, PluginError, "is not a backend"),
        ({"backend": "nowhere"}, ArgumentError, "Unknown backend"),
        (
            {"benchmark": FakeBenchmark({"forget": 3, "retain": 3}), "metrics": ["MIA"]},
            ArgumentError,
            "nonmember and test",
        ),
    ],
)
def test_arguments_that_do_not_fit(
    run: Run, options: dict[str, Any], error: type[MetarevalError], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(**options)


def test_benchmarks_that_are_none(run: Run) -> None:
    class Odd:
        name = "odd"

        def __init__(self, found: object) -> None:
            self.found = found

        def splits(self) -> Any:
            return self.found

    sample = FakeBenchmark().splits()["forget"][0]
    for found, message in (
        ([], "a list from splits"),
        ({"forgotten": [sample]}, "a split 'forgotten'"),
        ({"forget": ["x"]}, "a str in forget"),
        ({"forget": [sample, sample]}, "twice in forget"),
        ({"forget": iter([sample])}, "a list_iterator as forget"),
        ({"forget": None}, "a NoneType as forget"),
        ({"forget": "sample"}, "a str as forget"),
    ):
        with pytest.raises(PluginError, match=message):
            run(benchmark=Odd(found))

    class Failing(Odd):
        def splits(self) -> Any:
            raise self.found  # type: ignore[misc]

    with pytest.raises(PluginError, match=r"'odd' failed with ZeroDivisionError: no\s+images"):
        run(benchmark=Failing(ZeroDivisionError("no\nimages")))
    with pytest.raises(LoadError, match="mine"):
        run(benchmark=Failing(LoadError("mine")))


def test_out_that_is_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="could not be made"):
        run(out=tmp_path / "file")
