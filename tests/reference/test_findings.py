"""The embedded studies: what their models are like, and that the page on them is up to date."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metareval as mr
from metareval.datasets import load_provenance

ROOT = Path(__file__).parents[2]
STUDIES = pytest.mark.parametrize(
    ("name", "rows", "units"), [("study-small", 72, 24), ("study-digits", 108, 36)]
)


@STUDIES
def test_tables_are_worth_analysing(name: str, rows: int, units: int) -> None:
    table = mr.load_dataset(name)
    assert (len(table), table.n_units, len(table.oracle_repeats)) == (rows, units, 2)
    frame = table.to_frame()
    assert not frame.isna().to_numpy().any()
    for metric in table.metrics:
        assert (frame.groupby("block")[metric].nunique() > 1).all()


@STUDIES
def test_bases_have_learnt_and_oracles_have_not(name: str, rows: int, units: int) -> None:
    del units
    made = load_provenance(name)
    references = pd.DataFrame(made["references"]).set_index("reference")
    bases, oracles = references.loc["base"], references.loc[["oracle-1", "oracle-2"]]
    assert (bases[["FA", "RA"]] >= 0.95).to_numpy().all()
    assert (oracles["RA"] >= 0.95).all()
    # Chance is one in eight, and an answer that was never heard is never given.
    assert (oracles["FA"] <= 0.25).all()
    assert (references["noise_floor"] > 0).all()
    assert made["cells"] == rows + len(references) + len(bases)


@pytest.mark.parametrize("name", ["study-small", "study-digits"])
def test_provenance_names_the_preset(name: str) -> None:
    tomllib = pytest.importorskip("tomllib")
    preset = name.removeprefix("study-")
    folder = ROOT / "backends" / "metareval_backends" / "study" / "presets"
    made = load_provenance(name)
    assert made["study"] == tomllib.loads((folder / f"{preset}.toml").read_text(encoding="utf-8"))
    assert {"torch", "transformers", "metareval"} <= set(made["versions"])


def test_the_page_is_up_to_date() -> None:
    command = [sys.executable, "benchmarks/studies/findings.py", "--check"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def test_numbers_in_the_text_of_the_page() -> None:
    """Check what the prose draws from its tables."""
    small, digits = (mr.load_dataset(n) for n in ("study-small", "study-digits"))
    here, there = (mr.reliability(t, rng=0).frame for t in (small, digits))
    backwards = ["FA", "FA_gap", "truth_ratio", "extraction_strength"]
    assert (here.loc[backwards, "high"] < 0).all()
    assert (there.loc[["FA", "FA_gap", "truth_ratio"], "low"] > 0).all()
    assert there.loc["RA", "high"] < 0
    assert here.loc["RA", "adjusted"] > 0.05
    for frame in (here, there):
        assert frame.loc["JS", "low"] > 0
        for metric in ("MIA", "AD"):
            assert frame.loc[metric, "low"] < 0 < frame.loc[metric, "high"]
        assert np.sign(frame.loc["FA", "rho"]) == np.sign(frame.loc["FA_gap", "rho"])
    for table in (small, digits):
        assert mr.UQS.fit(table, rng=0).beats_best_part is False
