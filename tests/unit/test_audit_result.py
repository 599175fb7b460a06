"""The contract of an audit: findings, selection, text, explanations, documentation."""

from __future__ import annotations

import json
import math
import re
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metareval as mr
from metareval.auditing import AuditResult, audit, explain, rules
from metareval.auditing.docs import page
from metareval.auditing.model import SEVERITIES
from metareval.auditing.registry import RULES
from metareval.errors import ArgumentError, TableError
from metareval.table import MetricTable

DATASETS = ("unifiedunl", "unifiedunl-unimodal", "unifiedunl-blip2")


@pytest.fixture(scope="module")
def results() -> dict[str, AuditResult]:
    return {name: audit(mr.load_dataset(name)) for name in DATASETS}


def test_released_tables_fire_what_is_wrong_with_them(results: dict[str, AuditResult]) -> None:
    assert results["unifiedunl"].codes == (
        *("MR001", "MR002", "MR003", "MR004", "MR006", "MR010", "MR011", "MR012", "MR014"),
        "MR017",
    )
    assert results["unifiedunl-unimodal"].codes == (
        *("MR002", "MR003", "MR005", "MR006", "MR007", "MR009", "MR014"),
    )
    assert results["unifiedunl-blip2"].codes == ("MR001", "MR002", "MR005", "MR010")


def test_findings_are_sorted_and_complete(results: dict[str, AuditResult]) -> None:
    for name, result in results.items():
        table = mr.load_dataset(name)
        keys = [(SEVERITIES.index(f.severity), f.code) for f in result.findings]
        assert keys == sorted(keys)
        assert result.worst == "error"
        for f in result.findings:
            assert f.rule == RULES[f.code].slug
            assert f.message.endswith(".")
            assert f.message.count("\n") == 0
            assert f.advice.endswith(".")
            assert set(f.metrics) <= set(table.metrics)
            assert set(f.blocks) <= set(table.levels("block"))
            json.dumps(f.evidence, allow_nan=False)
            with pytest.raises(FrozenInstanceError):
                f.code = "MR999"  # type: ignore[misc]


def test_frame_dict_and_text(results: dict[str, AuditResult]) -> None:
    result = results["unifiedunl"]
    frame = result.to_frame()
    assert list(frame.columns) == ["severity", "rule", "message", "advice"]
    assert frame.index.name == "code"
    assert len(frame) == len(result.findings)
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert data["findings"][0]["evidence"]
    assert data["worst"] == "error"
    assert data["rules"] == list(RULES)
    text = repr(result)
    assert all(len(line) <= 80 for line in text.splitlines()[1:])
    unbroken = " ".join(text.split())
    assert all(f.message in unbroken for f in result.findings)
    assert "6 errors, 11 warnings from 19 rules" in result.headline()


def test_nothing_found() -> None:
    rng = np.random.default_rng(0)
    n = 40
    frame = pd.DataFrame(
        {
            "model": [f"m{i}" for i in range(n)],
            "data": ["d1"] * (n // 2) + ["d2"] * (n // 2),
            "a": rng.normal(size=n),
            "b": rng.normal(size=n),
            "distance": rng.uniform(1, 2, size=n),
        }
    )
    result = audit(
        frame,
        "distance",
        directions={"a": "lower", "b": "higher"},
        block="data",
        item="model",
    )
    assert result.findings == ()
    assert (result.codes, result.worst) == ((), "")
    assert len(result.to_frame()) == 0
    assert "nothing found" in result.headline()
    assert "nothing found" in repr(result)
    assert "<table>" in result._repr_html_()


def test_select_and_ignore_take_codes_and_names() -> None:
    table = mr.load_dataset("unifiedunl")
    assert audit(table, select=["MR001", "tie-breaking"]).codes == ("MR001", "MR002")
    assert audit(table, select=["tie-breaking"]).rules == ("MR002",)
    left = audit(table, ignore=["constant-metric", "MR002"])
    assert not {"MR001", "MR002"} & set(left.codes)
    assert audit(table, select=["MR001", "MR002"], ignore=["MR002"]).codes == ("MR001",)


@pytest.mark.parametrize("argument", ["select", "ignore"])
def test_unknown_rules_are_errors(argument: str) -> None:
    table = mr.load_dataset("unifiedunl-blip2")
    options: dict[str, Any] = {argument: ["MR999"]}
    with pytest.raises(ArgumentError, match="Unknown audit rule 'MR999'"):
        audit(table, **options)
    options = {argument: "MR001"}
    with pytest.raises(ArgumentError, match="list of names"):
        audit(table, **options)


def test_no_rule_left_is_an_error() -> None:
    table = mr.load_dataset("unifiedunl-blip2")
    with pytest.raises(ArgumentError, match="leave no rule"):
        audit(table, select=["MR001"], ignore=["constant-metric"])


def test_explain() -> None:
    for code, rule in RULES.items():
        doc = explain(code)
        assert doc == explain(rule.slug)
        text = repr(doc)
        assert code in text
        assert rule.slug in text
        assert all(len(line) <= 80 for line in text.splitlines())
        for part in (doc.what, doc.why, doc.example, doc.advice):
            assert part.endswith(".")
    with pytest.raises(ArgumentError, match="Did you mean 'tie-breaking'"):
        explain("tie-braking")


def test_rules_have_stable_codes() -> None:
    frame = rules()
    assert list(frame.index) == [f"MR{i:03d}" for i in range(1, 20)]
    assert list(frame["rule"]) == [
        "constant-metric",
        "tie-breaking",
        "pseudo-replication",
        "confounded-by-block",
        "too-few-models",
        "mixed-orientation",
        "non-finite",
        "out-of-range",
        "diverged-model",
        "oracle-leakage",
        "uncorrected-tests",
        "saturated-accuracy",
        "near-duplicate",
        "replicate-noise",
        "claim-not-reproduced",
        "no-units",
        "claim-lost",
        "flawed-definition",
        "oracle-noise",
    ]
    assert set(frame["severity"]) <= set(SEVERITIES)


def test_documentation_is_current() -> None:
    path = Path(__file__).parents[2] / "docs" / "audit.md"
    assert path.read_text(encoding="utf-8") == page(), (
        "run: python -m metareval.auditing.docs > docs/audit.md"
    )


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [n for v in value.values() for n in _numbers(v)]
    if isinstance(value, list):
        return [n for v in value for n in _numbers(v)]
    return [float(value)] if isinstance(value, (int, float)) else []


@pytest.mark.parametrize("code", list(RULES))
def test_numbers_in_examples_are_found(code: str, results: dict[str, AuditResult]) -> None:
    """Every decimal of an example stands in the evidence of the released tables."""
    found = [
        n for r in results.values() for f in r.findings if f.code == code
        for n in _numbers(f.evidence)
    ]  # fmt: skip
    if not found:
        return
    for token in re.findall(r"-?\d+\.\d+", RULES[code].example):
        if token == "0.05":
            continue
        half = 0.5 * 10.0 ** -len(token.split(".")[1]) * (1 + 1e-6)
        assert any(abs(n - float(token)) <= half for n in found), token


def test_largest_agreement_named_by_the_duplicate_example() -> None:
    table = mr.load_dataset("unifiedunl")
    result = mr.agreement(table, n_resamples=1, rng=0)
    assert round(result.estimate.loc["AD", "JS"], 3) == 0.444
    assert abs(result.estimate.loc["MIA"].drop("MIA")[["AD", "JS"]]).max() < 0.444


def test_same_rows_in_another_order_give_the_same_findings() -> None:
    table = mr.load_dataset("unifiedunl")
    first = audit(table)
    shuffled = table.frame.sample(frac=1, random_state=5).sample(frac=1, axis=1, random_state=5)
    again = MetricTable.from_frame(
        shuffled,
        metrics=["JS", "FA", "AD", "MIA", "RA"],
        oracle="retrained_distance",
        block="dataset",
        item="method",
        replicate="seed",
        name="unifiedunl",
    )
    second = audit(again)
    assert [(f.code, f.severity) for f in first.findings] == [
        (f.code, f.severity) for f in second.findings
    ]


def test_row_order_does_not_matter_without_claims() -> None:
    table = mr.load_dataset("unifiedunl").select(metrics=["FA", "RA", "JS"])
    frame = table.frame.sample(frac=1, random_state=3)
    roles = {"block": "dataset", "item": "method", "replicate": "seed"}
    shuffled = MetricTable.from_frame(
        frame, metrics=table.metrics, oracle="retrained_distance", name="unifiedunl", **roles
    )
    assert audit(shuffled).to_dict() == audit(table).to_dict()


def test_plain_frame_with_loose_roles() -> None:
    frame = mr.load_dataset("unifiedunl").frame
    columns = frame[["FA", "RA", "MIA", "AD", "JS"]]
    result = audit(
        columns,
        frame["retrained_distance"],
        block=frame["dataset"],
        item=frame["method"],
        replicate=frame["seed"],
    )
    assert result.codes == audit(mr.load_dataset("unifiedunl")).codes
    with pytest.raises(TableError, match="Expected a MetricTable"):
        audit([1, 2])  # type: ignore[arg-type]


HOSTILE = "<script>alert(1)</script>\n\u202e=cmd()" + "x" * 300


def _frame(m: list[float], b: str, i: str, o: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"m": m, "b": list(b), "i": list(i), "o": o}, dtype=object).astype(
        {"m": float, "o": float}
    )


def _extreme_tables() -> dict[str, pd.DataFrame]:
    nan, inf = math.nan, math.inf
    hostile = _frame([1, 1, 1, nan], "xxxx", "abcd", [1, 2, 3, 4])
    return {
        "one row": _frame([0.5], "x", "y", [0.1]),
        "all missing": _frame([nan] * 6, "xxxyyy", "abcabc", [nan] * 6),
        "infinite": _frame([inf, -inf, inf, 1, 1, 2], "x" * 6, "aabbcc", [inf, 1, -inf, nan, 2, 3]),
        "huge": _frame([1e308, -1e308, 1e308, 1e308, 5e-324, 0], "x" * 6, "aabbcc", [1e308] * 6),
        "two blocks of one": _frame([1, 2], "xy", "aa", [1, 2]),
        "hostile labels": hostile.assign(b=HOSTILE, i=HOSTILE + hostile["i"]),
    }  # fmt: skip


@pytest.mark.parametrize("case", list(_extreme_tables()))
@pytest.mark.parametrize("roles", ["all", "no oracle", "none"])
def test_extreme_tables_never_crash(case: str, roles: str) -> None:
    frame = _extreme_tables()[case].rename(columns={"m": HOSTILE})
    frame["m2"] = frame[HOSTILE]
    directions = {HOSTILE: "lower", "m2": "higher"}
    given: dict[str, Any] = {} if roles == "none" else {"block": "b", "item": "i"}
    result = audit(
        frame,
        "o" if roles == "all" else None,
        metrics=[HOSTILE, "m2"],
        directions=directions,
        **given,
    )
    json.dumps(result.to_dict(), allow_nan=False)
    text = repr(result)
    assert "\u202e" not in text
    assert "<script>" not in result._repr_html_()
    for f in result.findings:
        assert "\n" not in f.message
        assert len(f.message) < 1000
