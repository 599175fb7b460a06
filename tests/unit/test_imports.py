"""What an import loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "statsmodels", "scipy.stats", "matplotlib", "jinja2")


def loaded(code: str) -> set[str]:
    out = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(out.stdout.split())


def test_import_loads_nothing_heavy() -> None:
    modules = loaded("import metareval")
    assert not modules & {*HEAVY, "numpy", "pandas"}


@pytest.mark.parametrize(
    "work",
    [
        "t = mr.load_dataset('unifiedunl'); mr.reliability(t, n_resamples=10, rng=0)",
        "t = mr.load_dataset('unifiedunl'); mr.agreement(t, n_resamples=10, rng=0)",
        "t = mr.load_dataset('unifiedunl'); mr.perturb(mr.UQS.fit(t, n_resamples=10), t)",
    ],
)
def test_statistics_stay_light(work: str) -> None:
    assert not loaded(f"import metareval as mr; {work}") & set(HEAVY)


def test_every_public_name_loads() -> None:
    import metareval as mr

    for name in mr.__all__:
        assert getattr(mr, name) is not None
    assert set(mr.__all__) <= set(dir(mr))
    with pytest.raises(AttributeError, match="no attribute 'agreements'"):
        _ = mr.agreements


def test_function_names_survive_the_import_of_their_modules() -> None:
    import metareval as mr
    import metareval.questions.agreement
    import metareval.questions.reliability

    assert callable(mr.agreement)
    assert callable(mr.reliability)
    assert callable(mr.audit)
    assert callable(mr.report)
