"""Rules about units, values, oracle and noise: a table that fires each, and one that does not."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metareval as mr
from metareval.auditing import Finding, audit
from metareval.table import MetricTable

MULTIMODAL = "unifiedunl"
ROLES = {"block": "data", "item": "method", "replicate": "seed"}


def only(code: str, table: Any, oracle: Any = None, **options: Any) -> tuple[Finding, ...]:
    return audit(table, oracle, select=[code], **options).findings


def frame_of(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


def clean(seed: int = 0, *, items: int = 5, seeds: int = 3, blocks: int = 2) -> pd.DataFrame:
    """A table with clear differences between items and little noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for b, i in itertools.product(range(blocks), range(items)):
        level, activation = rng.uniform(0.1, 0.9), rng.uniform(10, 30)
        rows += [
            {
                "data": f"d{b}",
                "method": f"m{i}",
                "seed": s,
                "FA": level + rng.normal(0, 1e-3),
                "AD": activation + rng.normal(0, 1e-2),
                "distance": rng.uniform(1, 2),
            }
            for s in range(seeds)
        ]
    return pd.DataFrame(rows)


# MR005
def test_too_few_models() -> None:
    (blip2,) = only("MR005", mr.load_dataset("unifiedunl-blip2"))
    assert blip2.severity == "error"
    assert "-1, 0/0 or 1" in blip2.message
    assert blip2.evidence["smallest_p"] == 1.0
    (unimodal,) = only("MR005", mr.load_dataset("unifiedunl-unimodal"))
    assert unimodal.severity == "warning"
    assert unimodal.evidence["smallest_p"] == pytest.approx(2 / 24)
    assert only("MR005", mr.load_dataset(MULTIMODAL)) == ()


@pytest.mark.parametrize(
    ("sizes", "metrics", "severity"),
    [
        ([1, 1, 1], 1, "error"),
        ([2, 2, 2, 2], 1, "error"),
        ([4], 1, "warning"),
        ([5], 1, "info"),  # 2 / 120
        ([5], 4, "warning"),  # 4 * 2 / 120 exceeds 0.05
        ([6, 2], 1, "warning"),
        ([9], 1, "info"),
        ([10], 1, None),
        ([4, 4, 4], 1, None),
    ],
)
def test_number_of_models(sizes: list[int], metrics: int, severity: str | None) -> None:
    block = np.repeat(np.arange(len(sizes)), sizes)
    item = np.concatenate([np.arange(s) for s in sizes])
    frame = frame_of(block=block, item=item)
    names = [f"m{i}" for i in range(metrics)]
    for name in names:
        frame[name] = np.arange(len(frame), dtype=float)
    found = only(
        "MR005", frame, block="block", item="item", directions=dict.fromkeys(names, "lower")
    )
    assert [f.severity for f in found] == ([] if severity is None else [severity])


# MR007
def test_missing_values() -> None:
    (found,) = only("MR007", mr.load_dataset("unifiedunl-unimodal"))
    assert (found.severity, found.metrics, found.blocks) == ("error", ("JS",), ("cifar10",))
    assert found.evidence["items"] == ["gradient_ascent"]
    assert found.evidence["rows"] == [
        "cifar10 / gradient_ascent / 42",
        "cifar10 / gradient_ascent / 5508",
    ]
    assert only("MR007", mr.load_dataset(MULTIMODAL)) == ()


def test_missing_and_infinite_values_by_severity() -> None:
    nan = math.nan
    spread = frame_of(FA=[nan, 0.1, nan, 0.2], method=list("abcd"))
    assert [f.severity for f in only("MR007", spread, item="method")] == ["warning"]
    one = frame_of(FA=[nan, 0.1, 0.3, 0.2], method=list("abcd"))
    assert [f.severity for f in only("MR007", one, item="method")] == ["warning"]
    infinite = frame_of(AD=[math.inf, 1.0, 2.0], oracle=[1.0, nan, 2.0])
    found = only("MR007", infinite, "oracle")
    assert [(f.severity, f.metrics) for f in found] == [("error", ("AD",)), ("warning", ())]
    assert found[0].evidence["n_infinite"] == 1
    assert "row 0" in found[0].message


# MR008
@pytest.mark.parametrize(
    ("columns", "hint"),
    [
        ({"JS": [0.2, 0.9]}, "bits"),
        ({"RA": [20.0, 90.0]}, "per cent"),
        ({"AD": [-1.0, 2.0]}, "zero or more"),
        ({"FA": [-0.2, 0.5]}, "[0, 1]"),
        ({"JS": [3.0, 0.1]}, "[0, 0.6931]"),
    ],
)
def test_out_of_range(columns: dict[str, list[float]], hint: str) -> None:
    (found,) = only("MR008", pd.DataFrame(columns))
    assert found.severity == "error"
    assert hint in found.message


def test_in_range() -> None:
    edge = frame_of(JS=[0.0, math.log(2) + 1e-12], FA=[0.0, 1.0], AD=[0.0, math.inf])
    assert only("MR008", edge) == ()
    for name in ("unifiedunl", "unifiedunl-unimodal", "unifiedunl-blip2"):
        assert only("MR008", mr.load_dataset(name)) == ()
    (found,) = only("MR008", frame_of(FA=[0.1, 0.2], oracle=[-0.5, 1.0]), "oracle")
    assert found.metrics == ()
    assert "distance oracle" in found.message
    unknown = frame_of(score=[-5.0, 700.0])
    assert only("MR008", unknown, directions={"score": "higher"}) == ()


# MR009
def test_diverged_model() -> None:
    (found,) = only("MR009", mr.load_dataset("unifiedunl-unimodal"))
    assert (found.metrics, found.blocks) == (("AD",), ("cifar10",))
    frame = mr.load_dataset("unifiedunl-unimodal").frame
    rest = frame.loc[frame["method"] != "gradient_ascent", "AD"]
    assert found.evidence["items"] == ["gradient_ascent"]
    assert found.evidence["mean_with"] == pytest.approx(frame["AD"].mean())
    assert found.evidence["mean_without"] == pytest.approx(rest.mean())
    assert found.evidence["largest_other"] == pytest.approx(rest.max())
    assert only("MR009", mr.load_dataset(MULTIMODAL)) == ()


def test_diverged_models_do_not_hide_each_other() -> None:
    frame = frame_of(AD=[1.0, 2.0, 3.0, 1e6, 2e6], method=list("abcde"))
    (found,) = only("MR009", frame, item="method")
    assert found.evidence["items"] == ["d", "e"]
    assert "dominate the mean" in found.message
    mild = frame_of(AD=[1.0, 2.0, 3.0, 150.0])
    assert only("MR009", mild) == ()
    shares = frame_of(loss=[1e-6, 2e-6, 3e-6, 0.9])
    assert only("MR009", shares, directions={"loss": "lower"}) == ()
    higher = frame_of(speed=[1.0, 2.0, 3.0, 1e6])
    assert only("MR009", higher, directions={"speed": "higher"}) == ()


# MR010
def test_shared_oracle() -> None:
    (found,) = only("MR010", mr.load_dataset(MULTIMODAL))
    assert (found.severity, found.metrics) == ("warning", ("AD", "JS"))
    assert "same oracle model" in found.message
    assert only("MR010", mr.load_dataset("unifiedunl-unimodal")) == ()  # no oracle
    frame = mr.load_dataset(MULTIMODAL).frame
    table = MetricTable.from_frame(
        frame, metrics=["AD", "FA"], oracle="retrained_distance", oracle_shared=[]
    )
    assert only("MR010", table) == ()


def test_monotone_metric() -> None:
    rng = np.random.default_rng(0)
    distance = rng.uniform(size=8)
    frame = frame_of(copy=np.exp(3 * distance), honest=rng.uniform(size=8), d=distance)
    options = {"directions": {"copy": "higher", "honest": "lower"}}
    (found,) = only("MR010", frame, "d", **options)
    assert (found.severity, found.metrics) == ("error", ("copy",))
    assert found.evidence["rho"] == -1
    (few,) = only("MR010", frame[:4], "d", metrics=["copy"], directions={"copy": "higher"})
    assert few.severity == "warning"
    assert only("MR010", frame[:3], "d", metrics=["copy"], directions={"copy": "higher"}) == ()


# MR012
def test_saturated_accuracy() -> None:
    found = only("MR012", mr.load_dataset(MULTIMODAL))
    assert [(f.severity, f.metrics, f.blocks) for f in found] == [
        ("error", ("FA", "RA"), ("unlok_vqa",)),
        ("warning", ("FA",), ("mllmu_bench",)),
        ("warning", ("MIA",), ("unlok_vqa",)),
    ]
    assert only("MR012", mr.load_dataset("unifiedunl-unimodal")) == ()
    (apart,) = only("MR012", frame_of(FA=[0.0, 0.0], RA=[0.9, 0.8]))
    assert apart.severity == "warning"
    (none,) = only("MR012", frame_of(FA=[0.0, 0.0], RA=[0.0, 0.0]))
    assert (none.severity, none.metrics) == ("error", ("FA", "RA"))
    ideal = only("MR012", frame_of(FA=[0.0, 0.0], RA=[1.0, 1.0]))
    assert [f.severity for f in ideal] == ["warning", "warning"]
    assert only("MR012", frame_of(JS=[0.0, 0.0])) == ()  # not a share
    assert only("MR012", frame_of(FA=[1.0])) == ()


# MR013
def test_near_duplicates() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(size=20)
    frame = frame_of(a=x, affine=1e6 - 3 * x, monotone=np.exp(x), other=rng.uniform(size=20))
    options = {"directions": dict.fromkeys(frame, "higher")}
    found = only("MR013", frame, **options)
    assert [f.metrics for f in found] == [
        ("a", "affine"),
        ("a", "monotone"),
        ("affine", "monotone"),
    ]
    assert [f.evidence["affine"] for f in found] == [True, False, False]
    assert only("MR013", frame[["a", "other"]], directions={"a": "higher", "other": "lower"}) == ()
    assert only("MR013", frame[:3], **options) == ()
    for name in ("unifiedunl", "unifiedunl-unimodal", "unifiedunl-blip2"):
        assert only("MR013", mr.load_dataset(name)) == ()


def test_agreement_on_few_units_is_no_duplicate() -> None:
    frame = frame_of(a=[1.0, 2, 3, 4], b=[1.0, 4, 9, 16])
    assert only("MR013", frame, directions={"a": "lower", "b": "lower"}) == ()


# MR014
def test_replicate_noise() -> None:
    found = {f.metrics[0]: f for f in only("MR014", mr.load_dataset(MULTIMODAL))}
    assert set(found) == {"MIA", "JS"}
    noise = found["JS"].evidence["blocks"]["mllmu_bench"]
    frame = mr.load_dataset(MULTIMODAL).frame
    js = frame[frame["dataset"] == "mllmu_bench"].groupby("method")["JS"]
    error = js.var() / 3
    means = js.mean()
    close = [
        abs(means[a] - means[b]) < 2 * math.sqrt(error[a] + error[b])
        for a, b in itertools.combinations(means.index, 2)
    ]
    assert (noise["n_close"], noise["n_pairs"]) == (sum(close), 6)
    assert noise["standard_error"] == pytest.approx(math.sqrt(error.mean()))
    assert noise["sd_between_items"] == pytest.approx(means.std())


def test_no_replicate_noise() -> None:
    assert only("MR014", clean(), "distance", **ROLES) == ()
    constant = clean()
    constant["FA"] = 0.5
    assert only("MR014", constant, "distance", metrics=["FA"], **ROLES) == ()
    assert only("MR014", mr.load_dataset(MULTIMODAL).aggregate()) == ()
    # Noise of one diverged item says nothing about the others.
    unimodal = only("MR014", mr.load_dataset("unifiedunl-unimodal"))
    assert [f.metrics for f in unimodal] == [("JS",)]


def test_equal_means_with_noise() -> None:
    frame = frame_of(FA=[0.1, 0.3, 0.3, 0.1], method=list("aabb"))
    (found,) = only("MR014", frame, item="method")
    assert found.blocks == ("all",)
    assert "in all" not in found.message


# MR016
def test_no_units() -> None:
    (found,) = only("MR016", frame_of(FA=[0.1, 0.2]))
    assert found.severity == "info"
    assert "item=" in found.advice
    assert "block=" in found.advice
    (block,) = only("MR016", frame_of(FA=[0.1, 0.2], method=["a", "b"]), item="method")
    assert block.evidence["absent"] == ["block"]
    assert "item=" not in block.advice
    assert only("MR016", mr.load_dataset(MULTIMODAL)) == ()
