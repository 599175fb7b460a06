"""The checks pass what is right, and find each thing that is wrong."""

# Stand-ins take arguments that they ignore.
# ruff: noqa: ARG001, ARG005

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metareval.observations import Observations
from metareval.protocols import Sample
from metareval.testing import (
    CheckFailed,
    check_backend,
    check_benchmark,
    check_metric,
    example_observations,
    example_samples,
    observations,
)

TOY = Path(__file__).parents[1] / "plugin_pkg" / "src"


@pytest.fixture(scope="module")
def toy() -> SimpleNamespace:
    sys.path.insert(0, str(TOY))
    try:
        from metareval_toy.backend import ToyBackend
        from metareval_toy.benchmark import ToyBenchmark
        from metareval_toy.metric import ForgetConfidence
    finally:
        sys.path.remove(str(TOY))
    return SimpleNamespace(backend=ToyBackend, benchmark=ToyBenchmark, metric=ForgetConfidence)


def test_what_is_right_passes(toy: SimpleNamespace) -> None:
    check_metric(toy.metric())
    check_backend(toy.backend())
    check_benchmark(toy.benchmark(), required=("forget", "retain", "nonmember", "test"))
    samples = toy.benchmark().splits()["forget"]
    check_backend(toy.backend(), samples=samples)


# Metrics

Call = Callable[[Mapping[str, Observations], Any], Any]


def metric(call: Call, **changes: Any) -> Any:
    class Made:
        def __call__(self, observed: Any, oracle: Any = None) -> Any:
            return call(observed, oracle)

    given = {
        "name": "made",
        "direction": "lower",
        "low": 0.0,
        "high": 1.0,
        "reads": ("forget",),
        "fields": ("gold", "answers"),
        "needs_oracle": False,
        **changes,
    }
    made = Made()
    vars(made).update({k: v for k, v in given.items() if v is not ...})
    return made


def right(observed: Any, split: str = "forget") -> float:
    part = observed[split]
    return float(np.mean([a == g for a, g in zip(part.answers, part.gold, strict=True)]))


def near(observed: Any, oracle: Any) -> float:
    gap = observed["forget"].need("hidden") - oracle["forget"].need("hidden")
    return float(np.abs(gap).mean())


def spoils(observed: Any, _: Any) -> float:
    array = observed["forget"].need("hidden")
    array.setflags(write=True)
    array[0] = 0
    array.setflags(write=False)
    return right(observed)


def imports(observed: Any, _: Any) -> float:
    import torch  # noqa: F401

    return right(observed)


def counts_calls() -> Call:
    calls: list[int] = []

    def call(observed: Any, _: Any) -> float:
        calls.append(1)
        return right(observed) / len(calls)

    return call


WRONG_METRICS: dict[str, Callable[[], Any]] = {
    "protocol": lambda: metric(lambda o, _: right(o), direction="down"),
    "protocol ": lambda: metric(lambda o, _: right(o), low=1.0),
    "protocol  ": lambda: metric(lambda o, _: right(o), reads="forget"),
    "protocol   ": lambda: metric(lambda o, _: right(o), needs_oracle=...),
    "no torch": lambda: metric(imports),
    "result": lambda: metric(lambda o, _: right(o) + 1),
    "result ": lambda: metric(lambda o, _: np.float32(right(o))),
    "result  ": lambda: metric(lambda o, _: float("nan")),
    "result   ": lambda: metric(lambda o, _: {}["x"]),
    "varies": lambda: metric(lambda o, _: 0.5),
    "deterministic": lambda: metric(counts_calls()),
    "unchanged input": lambda: metric(spoils, fields=("hidden", "gold", "answers")),
    "unchanged input ": lambda: metric(
        lambda o, _: float(o["forget"].need("hidden").__setitem__(0, 0.0) or 0),
        fields=("hidden",),
    ),
    "sample order": lambda: metric(
        lambda o, _: float(np.exp(o["forget"].mean_logprob[: o["forget"].n // 2]).mean()),
        fields=("token_logprobs",),
    ),
    "matched by sample id": lambda: metric(
        near, fields=("hidden",), needs_oracle=True, high=np.inf
    ),
    "declared splits": lambda: metric(lambda o, _: (right(o) + right(o, "retain")) / 2),
    "declared splits ": lambda: metric(
        lambda o, _: right(o) / 2 + (right(o, "test") / 2 if "test" in o else 0)
    ),
    "declared fields": lambda: metric(lambda o, _: right(o), fields=("hidden",)),
    "declared oracle": lambda: metric(lambda o, r: right(o) / 2 + (right(r) / 2 if r else 0)),
    "missing split": lambda: metric(lambda o, _: right(o) if "forget" in o else 0.0),
    "missing split ": lambda: metric(lambda o, _: right(o) if "forget" in o else 1 / 0),
    "missing oracle": lambda: metric(
        lambda o, r: abs(right(o) - right(r)) if r else 0.0, needs_oracle=True
    ),
    "missing field": lambda: metric(
        lambda o, _: float(o["forget"].hidden is not None) * right(o),
        fields=("hidden", "gold", "answers"),
    ),
    "degenerate input": lambda: metric(
        lambda o, _: right(o) if 0 < right(o) < 1 and o["forget"].n > 1 else -1.0
    ),
}


@pytest.mark.parametrize("rule", WRONG_METRICS)
def test_wrong_metrics(rule: str) -> None:
    with pytest.raises(CheckFailed, match=f"breaks the rule '{rule.strip()}'"):
        check_metric(WRONG_METRICS[rule]())


def test_a_class_is_not_a_metric(toy: SimpleNamespace) -> None:
    with pytest.raises(CheckFailed, match=r"Pass ForgetConfidence\(\)"):
        check_metric(toy.metric)


def test_the_check_leaves_no_trace_in_the_imports(
    toy: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "torch", torch)
    before = list(sys.meta_path)
    check_metric(toy.metric())
    assert sys.modules["torch"] is torch
    assert sys.meta_path == before


def test_torch_at_the_top_of_a_metrics_module_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("")
    (tmp_path / "heavy_metric.py").write_text("import torch\nclass M: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("torch", "heavy_metric"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    made = metric(lambda o, _: right(o))
    type(made).__module__ = "heavy_metric"
    import heavy_metric  # noqa: F401

    with pytest.raises(CheckFailed, match="importing heavy_metric imports torch"):
        check_metric(made)
    for name in ("torch", "heavy_metric"):
        del sys.modules[name]


# Backends


def backend(toy: SimpleNamespace, **methods: Any) -> Any:
    return type("Made", (toy.backend,), methods)()


def wrong_backend(toy: SimpleNamespace, rule: str) -> Any:
    plain = toy.backend()

    def observe(change: Callable[[Observations, int], Any]) -> Any:
        def method(
            self: Any, model: Any, samples: Any, *, split: str, batch_size: Any = None
        ) -> Any:
            parts = [
                change(plain.observe(model, samples[i : i + step], split=split), step)
                for step in [batch_size or 32]
                for i in range(0, len(samples), step)
            ]
            return Observations.merge(parts) if isinstance(parts[0], Observations) else parts[0]

        return method

    counter = iter(range(1000))
    changes: dict[str, Any] = {
        "observations": lambda s, n: s.subset(sorted(s.sample_ids, reverse=True)),
        "observations ": lambda s, n: replace(s, provenance={}),
        "observations  ": lambda s, n: s.answers,
        "deterministic": lambda s, n: replace(s, hidden=s.hidden + next(counter)),
        "batches": lambda s, n: replace(s, hidden=s.hidden + 0.01 * n),
        "batches ": lambda s, n: replace(s, answers=tuple(f"{a}{n}" for a in s.answers)),
        "batches  ": lambda s, n: replace(s, hidden=None, layer="") if n == 2 else s,
    }
    if rule in changes:
        return backend(toy, observe=observe(changes[rule]))
    if rule == "tiny model":
        return backend(toy, tiny=lambda self, seed=0: toy.backend.tiny(self, next(counter)))
    if rule == "no samples":
        return backend(
            toy,
            observe=lambda self, model, samples, **k: (
                toy.backend.observe(self, model, samples, **k) if samples else None
            ),
        )
    if rule == "missing checkpoint":
        return backend(toy, load=lambda self, checkpoint, *, base=None: self.tiny(0))
    if rule == "missing checkpoint ":
        return backend(toy, load=lambda self, checkpoint, *, base=None: open(checkpoint))  # noqa: PTH123
    assert rule == "pickle"

    def load(self: Any, checkpoint: str, *, base: Any = None) -> Any:
        import pickle

        path = Path(checkpoint, "pytorch_model.bin")
        if not path.exists():
            return toy.backend.load(self, checkpoint)
        return pickle.loads(path.read_bytes())  # noqa: S301

    return backend(toy, load=load)


@pytest.mark.parametrize(
    "rule",
    [
        "observations",
        "observations ",
        "observations  ",
        "deterministic",
        "batches",
        "batches ",
        "batches  ",
        "tiny model",
        "no samples",
        "missing checkpoint",
        "missing checkpoint ",
        "pickle",
    ],
)
def test_wrong_backends(toy: SimpleNamespace, rule: str) -> None:
    with pytest.raises(CheckFailed, match=f"breaks the rule '{rule.strip()}'"):
        check_backend(wrong_backend(toy, rule))


# Benchmarks

A = Sample("1", "ada", "Who is this?", "Ada")
B = Sample("2", "ben", "Who is this?", "Ben")


class Shuffled:
    name = "shuffled"

    def __init__(self) -> None:
        self.turn = 1

    def splits(self) -> Any:
        self.turn = -self.turn
        return {"forget": [A, replace(A, sample_id="3")][:: self.turn], "retain": [B]}


def benchmark(splits: Any) -> Any:
    return type("Made", (), {"name": "made", "splits": lambda self: splits})()


WRONG_BENCHMARKS: dict[str, Any] = {
    "protocol": type("Made", (), {"name": "made"})(),
    "splits": benchmark([A, B]),
    "splits ": benchmark({"forget": [A]}),
    "splits  ": benchmark({"forget": [A], "retain": []}),
    "splits   ": benchmark({"forget": [A], "retain": [B], "train": [B]}),
    "samples": benchmark({"forget": [A], "retain": [("2", "ben", "?", "Ben")]}),
    "samples ": benchmark({"forget": [A], "retain": [replace(B, answer=" ")]}),
    "samples  ": benchmark({"forget": [A], "retain": [replace(B, sample_id=2)]}),  # type: ignore[arg-type]
    "unique ids": benchmark({"forget": [A], "retain": [replace(B, sample_id="1")]}),
    "subjects": benchmark({"forget": [A], "retain": [replace(B, subject_id="ada")]}),
    "subjects ": benchmark(
        {"nonmember": [replace(B, sample_id="3")], "forget": [A], "retain": [B]}
    ),
    "subjects  ": benchmark(
        {"forget": [A], "retain": [B], "test": [replace(A, sample_id="3", question="Age?")]}
    ),
    # The same question about the same picture was trained.
    "subjects   ": benchmark(
        {"forget": [A], "retain": [B], "nonmember": [replace(A, sample_id="3")]}
    ),
    "subjects    ": benchmark(
        {
            "forget": [replace(A, image=np.zeros((2, 2, 3)))],
            "retain": [B],
            "nonmember": [replace(A, sample_id="3", image=np.zeros((2, 2, 3)))],
        }
    ),
    "deterministic": Shuffled(),
}


@pytest.mark.parametrize("rule", WRONG_BENCHMARKS)
def test_wrong_benchmarks(rule: str) -> None:
    with pytest.raises(CheckFailed, match=f"breaks the rule '{rule.strip()}'"):
        check_benchmark(WRONG_BENCHMARKS[rule])


@pytest.mark.parametrize(
    "other",
    [{"question": "How old is this person?"}, {"image": np.ones((2, 2, 3))}],
    ids=["question", "picture"],
)
def test_nonmembers_may_be_about_subjects_to_forget(other: dict[str, Any]) -> None:
    member = replace(A, image=np.zeros((2, 2, 3)))
    nonmember = replace(member, sample_id="3", **other)
    check_benchmark(benchmark({"nonmember": [nonmember], "forget": [member], "retain": [B]}))


# What the checks draw from


def test_examples_are_the_same_for_a_seed() -> None:
    assert example_observations(1) == example_observations(1)
    assert example_observations(1) != example_observations(2)
    assert example_samples() == example_samples()


@given(st.data())
def test_observations_like_others_have_the_same_samples(data: Any) -> None:
    one = data.draw(observations(complete=False))
    other = data.draw(observations(like=one)).subset(one.sample_ids)
    assert (one.split, one.gold) == (other.split, other.gold)
    for name in ("token_counts", "next_logprobs", "hidden"):
        first, second = getattr(one, name), getattr(other, name)
        assert (first is None) == (second is None)
        assert first is None or first.shape == second.shape
