"""Claims held against the rows: MR006, MR011, MR015, MR017, and where claims come from."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import metareval as mr
from metareval.auditing import audit, claims_for
from metareval.auditing.claims import tolerance
from metareval.datasets import load_published
from metareval.errors import ArgumentError
from metareval.table import MetricTable

ROLES = {"block": "dataset", "item": "method", "replicate": "seed"}
METRICS = ["FA", "RA", "MIA", "AD", "JS"]


@pytest.fixture
def table() -> MetricTable:
    return mr.load_dataset("unifiedunl")


@pytest.fixture
def published() -> dict[str, Any]:
    return load_published()


def of_rows(frame: pd.DataFrame, **options: Any) -> MetricTable:
    return MetricTable.from_frame(frame, metrics=METRICS, **options)


def test_claims_of_the_embedded_tables(table: MetricTable, published: dict[str, Any]) -> None:
    claims = claims_for(table)
    assert claims is not None
    assert claims["tau_matrix"] == published["tau_matrix"]
    assert claims["reliability"] == published["reliability"]
    unimodal = claims_for(mr.load_dataset("unifiedunl-unimodal"))
    assert unimodal is not None
    assert unimodal["modality"] == {"unimodal_mean_tau": 0.15800946427223814}
    assert claims_for(mr.load_dataset("unifiedunl-blip2")) is None


def test_claims_follow_the_values_in_any_order(table: MetricTable) -> None:
    shuffled = table.frame.sample(frac=1, random_state=1).reset_index(drop=True)
    again = of_rows(shuffled, oracle="retrained_distance", **ROLES)
    assert claims_for(again) == claims_for(table)
    result = audit(again)
    assert result.codes == audit(table).codes
    assert "MR015" not in result.codes


def test_claims_need_the_same_values_and_directions(table: MetricTable) -> None:
    changed = table.frame.copy()
    changed.loc[0, "FA"] += 1e-9
    assert claims_for(of_rows(changed, oracle="retrained_distance", **ROLES)) is None
    assert claims_for(table.select(metrics=["FA", "RA"])) is None
    assert claims_for(table.select(blocks=["mmubench"])) is None
    assert claims_for(of_rows(table.frame, directions={"FA": "higher"})) is None


def test_claims_that_need_roles_are_left_out_without_them(table: MetricTable) -> None:
    plain = claims_for(of_rows(table.frame))
    assert plain is not None
    assert sorted(plain) == ["directions", "metrics", "modality"]
    with_oracle = claims_for(of_rows(table.frame, oracle="retrained_distance"))
    assert with_oracle is not None
    assert sorted(with_oracle) == ["directions", "metrics", "modality", "reliability"]
    assert "MR015" not in audit(of_rows(table.frame)).codes


# MR006
def test_mixed_orientation(table: MetricTable) -> None:
    (found,) = audit(table, select=["MR006"]).findings
    assert found.severity == "error"
    (raw,) = found.evidence["raw"]
    assert raw["claimed"] == pytest.approx(0.08610242435)
    assert raw["raw"] == pytest.approx(0.08610242435)
    sign = np.array([-1, 1, -1, -1, -1])
    values = table.values * sign
    taus = [
        stats.kendalltau(values[:, a], values[:, b]).statistic
        for a in range(5)
        for b in range(a + 1, 5)
    ]
    assert raw["oriented"] == pytest.approx(np.mean(taus))
    assert raw["oriented"] == pytest.approx(-0.12273459891996367)
    (alone,) = audit(
        table, select=["MR006"], published={"modality": load_published()["modality"]}
    ).findings
    assert alone.severity == "warning"


def test_one_orientation(table: MetricTable, published: dict[str, Any]) -> None:
    del published["modality"]
    assert audit(table, published=published, select=["MR006"]).findings == ()
    oriented = {"modality": {"multimodal_mean_tau": -0.12273459891996367}}
    assert audit(table, published=oriented, select=["MR006"]).findings == ()
    no_claims = table.select(metrics=["FA", "RA"])
    assert audit(no_claims, select=["MR006", "MR011", "MR015", "MR017"]).findings == ()


# MR011
def test_uncorrected_tests(table: MetricTable, published: dict[str, Any]) -> None:
    from statsmodels.stats.multitest import multipletests

    (found,) = audit(table, select=["MR011"]).findings
    p = [published["tau_p_matrix"][a][b] for a in range(5) for b in range(a + 1, 5)]
    q = [r["p"] for r in published["reliability"].values()]
    assert found.evidence["n_tests"] == 15
    assert found.evidence["n_significant"] == sum(v <= 0.05 for v in p + q) == 7
    assert found.evidence["n_after_holm"] == multipletests(p + q, 0.05, "holm")[0].sum() == 3
    apart = sum(multipletests(v, 0.05, "holm")[0].sum() for v in (p, q))
    assert found.evidence["n_after_holm_by_family"] == apart == 5


def test_tests_that_survive(table: MetricTable) -> None:
    strong = {"reliability": {"RA": {"p": 1e-6}, "FA": {"p": 0.8}}}
    assert audit(table, published=strong, select=["MR011"]).findings == ()
    weak = {"reliability": {"RA": {"p": 0.04}, "FA": {"p": 0.8}}}
    (found,) = audit(table, published=weak, select=["MR011"]).findings
    assert "lost is RA (p 0.04, corrected 0.08)" in found.message


# MR015
def test_released_figures_are_reproduced(table: MetricTable, published: dict[str, Any]) -> None:
    for claims in (None, published):
        assert audit(table, published=claims, select=["MR015"]).findings == ()


@pytest.mark.parametrize(
    ("path", "value", "label"),
    [
        (("tau_matrix", 0, 1), 0.9, "tau of FA-RA is claimed as 0.9 and comes out as 0.8519"),
        (("tau_p_matrix", 2, 4), 0.01, "p of the tau of MIA-JS"),
        (("modality", "multimodal_mean_tau"), 0.3, "mean tau over all pairs"),
        (("reliability", "RA", "rho"), 0.49, "rho of RA"),
        (("reliability", "RA", "p"), 0.001, "p of the rho of RA"),
    ],
)
def test_changed_figures_are_not(
    table: MetricTable, published: dict[str, Any], path: tuple[Any, ...], value: float, label: str
) -> None:
    claims = copy.deepcopy(published)
    holder: Any = claims
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    (found,) = audit(table, published=claims, select=["MR015"]).findings
    assert found.severity == "error"
    assert label in found.message
    assert found.evidence["n_checked"] == 31
    assert len(found.evidence["figures"]) == 1


def test_rounded_figures_are_reproduced(table: MetricTable, published: dict[str, Any]) -> None:
    rounded = {
        "metrics": METRICS,
        "tau_matrix": [[round(v, 3) for v in row] for row in published["tau_matrix"]],
        "tau_p_matrix": [[float(f"{v:.2g}") for v in row] for row in published["tau_p_matrix"]],
        "reliability": {
            m: {"rho": round(r["rho"], 2), "p": round(r["p"], 3)}
            for m, r in published["reliability"].items()
        },
    }
    assert audit(table, published=rounded, select=["MR015"]).findings == ()


def test_tolerance() -> None:
    assert tolerance(0.852, relative=False) == pytest.approx(0.0005)
    assert tolerance(0.5, relative=False) == pytest.approx(0.005)
    assert tolerance(0.8518518518518519, relative=False) == pytest.approx(1e-6)
    assert tolerance(5.6708477461516386e-06, relative=True) < 1e-11


def test_claims_about_other_metrics_are_left_out(
    table: MetricTable, published: dict[str, Any]
) -> None:
    part = table.select(metrics=["JS", "FA"])
    result = audit(part, published=published, select=["MR015", "MR017"])
    assert result.claims
    assert "MR015" not in result.codes  # tau is a matter of the pair, the mean of all five
    (wrong,) = audit(
        part,
        published={"metrics": ["FA", "JS"], "tau_matrix": [[1, 0.4], [0.4, 1]]},
        select=["MR015"],
    ).findings
    assert "0.4 and comes out as -0.07407" in wrong.message


def test_missing_values_leave_claims_unchecked() -> None:
    table = mr.load_dataset("unifiedunl-unimodal")
    claims = {"metrics": ["FA", "JS"], "tau_matrix": [[1.0, 0.9], [0.9, 1.0]]}
    assert audit(table, published=claims, select=["MR015"]).findings == ()


# MR017
def test_lost_claims(table: MetricTable) -> None:
    sign, thin = audit(table, select=["MR017"]).findings
    assert (sign.severity, thin.severity) == ("error", "warning")
    pairs = {tuple(p["metrics"]): p for f in (sign, thin) for p in f.evidence["pairs"]}
    expected = load_published()["what_a_correct_analysis_finds"]["tau_b_mean_over_defined_cells"]
    for (a, b), record in pairs.items():
        assert round(record["tau_b"], 3) == expected[f"{a}-{b}"]
    assert pairs["FA", "RA"]["n_defined"] == 3
    assert pairs["FA", "RA"]["n_cells"] == 9
    assert pairs["FA", "RA"] in thin.evidence["pairs"]
    assert pairs["FA", "MIA"] in sign.evidence["pairs"]
    assert "FA-MIA (0.556 claimed, -0.496 over 3 of 9 cells)" in sign.message
    assert ("AD", "JS") not in pairs


def test_claims_that_stand(table: MetricTable) -> None:
    claims = {"metrics": ["AD", "JS"], "tau_matrix": [[1.0, 0.444], [0.444, 1.0]]}
    assert audit(table, published=claims, select=["MR017", "MR015"]).findings == ()


def test_claim_about_a_constant_metric(table: MetricTable) -> None:
    constant = replace(table, frame=table.frame.assign(FA=0.5))
    claims = {"metrics": ["FA", "RA"], "tau_matrix": [[1, 1.0], [1.0, 1]]}
    (found,) = audit(constant, published=claims, select=["MR017"]).findings
    assert "1.000 claimed, undefined over 0 of 9 cells" in found.message
    assert found.evidence["pairs"][0]["tau_b"] is None


@pytest.mark.parametrize(
    ("claims", "match"),
    [
        ([1], "pass a mapping"),
        ({}, "holds none of the figures"),
        ({"tau": 1}, "keys are 'tau'"),
        ({"tau_matrix": [[1.0]]}, "one row and one column for each of the 5 metrics"),
        ({"tau_matrix": 3}, "one row and one column"),
        ({"metrics": "FA", "tau_matrix": [[1.0]]}, "a list of names"),
        ({"reliability": [1]}, "a mapping is needed"),
        ({"reliability": {"FA": 0.3}}, "a mapping is needed"),
        ({"reliability": {"FA": {"rho": "high"}}}, "a number is needed"),
        ({"modality": {"multimodal_mean_tau": True}}, "a number is needed"),
    ],
)
def test_claims_of_another_form_are_refused(table: MetricTable, claims: Any, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        audit(table, published=claims)


def test_undefined_claims_are_not_checked(table: MetricTable) -> None:
    claims = {
        "metrics": ["FA", "RA"],
        "tau_matrix": [[1.0, None], [None, 1.0]],
        "reliability": {"FA": {"rho": math.nan, "p": None}},
        "modality": {"multimodal_mean_tau": None},
    }
    result = audit(table, published=claims, select=["MR006", "MR011", "MR015", "MR017"])
    assert result.findings == ()
