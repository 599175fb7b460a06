"""Rules for metrics."""

from __future__ import annotations

import importlib.util
import math
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from metareval.errors import MetarevalError
from metareval.observations import SPLITS, Observations
from metareval.protocols import Metric
from metareval.testing.examples import example_observations
from metareval.testing.rules import check_protocol, failed, raised, shown

HEAVY = ("torch", "transformers")

# Sums of a few dozen float32 numbers in another order agree to about seven digits.
RELATIVE = 1e-5
ABSOLUTE = 1e-6

_TOKENS = ("token_logprobs", "token_counts")
_OPTIONAL = (*_TOKENS, "next_logprobs", "hidden")

Run = Mapping[str, Observations]


def check_metric(
    metric: Metric, *, examples: Sequence[tuple[Run, Run | None]] | None = None
) -> None:
    """Try a metric on made-up observations and raise at the first rule it breaks.

    The rules: ``protocol`` (name, direction, range, what it reads), ``no torch`` (it imports
    neither torch nor transformers), ``result`` (a float within its range), ``varies`` (not one
    value for all models), ``deterministic``, ``unchanged input``, ``sample order`` (does not
    matter), ``matched by sample id`` (of model and oracle), ``declared splits``, ``declared
    fields`` and ``declared oracle`` (nothing else changes the result), ``missing split``,
    ``missing field`` and ``missing oracle`` (an error, not a number), ``degenerate input`` (a
    value in range, NaN or a ``ValueError``, never a number out of range).

    Parameters
    ----------
    metric : Metric
    examples : sequence of (observed, oracle), optional
        Observations to try it on in place of those of ``example_observations``: at least two pairs,
        for metrics that need answers of a special form.

    Raises
    ------
    CheckFailed
        It breaks a rule: the message says which, and how to mend it.

    Examples
    --------
    >>> from metareval.testing import check_metric
    >>> class AnswerLength:
    ...     name, direction, low, high = "answer_length", "lower", 0.0, float("inf")
    ...     reads, fields, needs_oracle = ("forget",), ("answers",), False
    ...
    ...     def __call__(self, observed, oracle=None):
    ...         return sum(map(len, observed["forget"].answers)) / observed["forget"].n
    >>> check_metric(AnswerLength())
    """
    what = check_protocol("metric", metric)
    trial = _Trial(metric, what, examples or [example_observations(seed) for seed in range(3)])
    trial.check_imports()
    trial.check_results()
    for observed, oracle in trial.examples:
        trial.check_declarations(observed, oracle)
        trial.check_order(observed, oracle)
        trial.check_missing(observed, oracle)
    trial.check_degenerate()


class _Trial:
    """One metric with the examples it is tried on."""

    def __init__(
        self, metric: Metric, what: str, examples: Sequence[tuple[Run, Run | None]]
    ) -> None:
        self.metric = metric
        self.what = what
        self.needs_oracle = metric.needs_oracle
        self.examples = examples

    def call(self, observed: Run, oracle: Run | None) -> Any:
        """Call the metric with no way to import torch."""
        with _blocked(*HEAVY) as asked:
            try:
                return self.metric(dict(observed), None if oracle is None else dict(oracle))
            finally:
                if asked:
                    raise failed(
                        self.what,
                        "no torch",
                        found=f"it imports {asked[0]} when it is called",
                        expected="numpy alone",
                        mend="Compute on the arrays of Observations; a backend makes them.",
                    )

    def value(self, observed: Run, oracle: Run | None, *, rule: str, doing: str) -> float:
        """Call the metric where it has to return a float."""
        try:
            value = self.call(observed, oracle)
        except MetarevalError as error:
            if isinstance(error, AssertionError):
                raise
            raise self._raised(rule, doing, error) from error
        except Exception as error:
            raise self._raised(rule, doing, error) from error
        return self.in_range(value, rule=rule, doing=doing)

    def _raised(self, rule: str, doing: str, error: Exception) -> Exception:
        read_only = isinstance(error, ValueError) and "read-only" in str(error)
        return failed(
            self.what,
            "unchanged input" if read_only else rule,
            found=f"{raised(error)}, {doing}",
            expected="a float",
            mend="Change a copy: array.copy()."
            if read_only
            else "Mend the metric, or declare in reads, fields and needs_oracle what it needs.",
        )

    def in_range(self, value: Any, *, rule: str, doing: str, nan: bool = False) -> float:
        low, high = self.metric.low, self.metric.high
        if not isinstance(value, float):
            raise failed(
                self.what,
                rule,
                found=f"{shown(value)} of type {type(value).__name__}, {doing}",
                expected="a float",
                mend="Return float(...).",
            )
        if math.isnan(value) and nan:
            return value
        slack = ABSOLUTE + RELATIVE * abs(value) if math.isfinite(value) else 0.0
        if not low - slack <= value <= high + slack:
            raise failed(
                self.what,
                rule,
                found=f"{value!r}, {doing}",
                expected=f"a float from {low:g} to {high:g}",
                mend="Correct the formula, or declare the range it has in low and high.",
            )
        return value

    def same(self, a: float, b: float) -> bool:
        return a == b or abs(a - b) <= ABSOLUTE + RELATIVE * max(abs(a), abs(b))

    def oracle_for(self, oracle: Run | None) -> Run | None:
        return oracle if self.needs_oracle else None

    def check_imports(self) -> None:
        """Find torch among what the metric's module imports."""
        module = type(self.metric).__module__
        if imports_any(module, HEAVY):
            raise failed(
                self.what,
                "no torch",
                found=f"importing {module} imports torch or transformers",
                expected="numpy alone",
                mend="Move the metric to a module that does not import them.",
            )

    def check_results(self) -> None:
        doing = "called with made-up observations of all splits"
        values = []
        for observed, oracle in self.examples:
            before = _state(observed, oracle)
            values.append(self.value(observed, self.oracle_for(oracle), rule="result", doing=doing))
            if _state(observed, oracle) != before:
                raise failed(
                    self.what,
                    "unchanged input",
                    found="observations that changed when the metric was called",
                    expected="the same observations as before",
                    mend="Change a copy: array.copy().",
                )
        # Again, after others: what a metric keeps from call to call would show.
        for (observed, oracle), first in zip(self.examples, values, strict=True):
            second = self.value(observed, self.oracle_for(oracle), rule="result", doing=doing)
            if second != first:
                raise failed(
                    self.what,
                    "deterministic",
                    found=f"{first!r}, then {second!r} for the same observations",
                    expected="the same value",
                    mend="Draw from numpy.random.default_rng with a fixed seed, and keep nothing "
                    "from call to call.",
                )
        if len(values) > 1 and len(set(values)) == 1:
            raise failed(
                self.what,
                "varies",
                found=f"{values[0]!r} for each of {len(values)} different models",
                expected="values that differ",
                mend="A metric that is constant ranks nothing. Where your metric needs answers of "
                "a special form, pass examples=[...].",
            )

    def check_declarations(self, observed: Run, oracle: Run | None) -> None:
        metric, given = self.metric, self.oracle_for(oracle)
        full = self.value(observed, given, rule="result", doing="called with all splits")

        if not self.needs_oracle and oracle is not None:
            rule, doing = "declared oracle", "called with an oracle although needs_oracle is False"
            self._compare(
                full,
                self.value(observed, oracle, rule=rule, doing=doing),
                rule,
                doing,
                "Set needs_oracle = True if it reads the oracle.",
            )
        rule, doing = "declared splits", f"called with the splits {metric.reads!r} alone"
        cut = {s: o for s, o in observed.items() if s in metric.reads}
        cut_oracle = given and {s: o for s, o in given.items() if s in metric.reads}
        self._compare(
            full,
            self.value(cut, cut_oracle, rule=rule, doing=doing),
            rule,
            doing,
            "Name in reads every split it reads.",
        )
        rule, doing = "declared fields", f"called with the fields {metric.fields!r} alone"
        self._compare(
            full,
            self.value(
                self._blanked(observed),
                given and self._blanked(given),
                rule=rule,
                doing=doing,
            ),
            rule,
            doing,
            "Name in fields every field it reads.",
        )

    def _blanked(self, run: Run) -> dict[str, Observations]:
        """Return observations without what the metric does not declare."""
        declared = set(self.metric.fields)
        if declared & set(_TOKENS):
            declared |= set(_TOKENS)
        changes: dict[str, Any] = {f: None for f in _OPTIONAL if f not in declared}
        out = {}
        for split, part in run.items():
            texts: dict[str, Any] = {
                f: tuple(f"{f} {i}" for i in part.sample_ids)
                for f in ("gold", "answers")
                if f not in declared
            }
            out[split] = replace(part, **changes, **texts)
        return out

    def check_order(self, observed: Run, oracle: Run | None) -> None:
        given = self.oracle_for(oracle)
        full = self.value(observed, given, rule="result", doing="called with all splits")
        turned = {s: o.subset(o.sample_ids[::-1]) for s, o in observed.items()}
        doing = "called with the samples in another order"
        mend = "Fold, split or cut by sample id or value, not by position."
        turned_oracle = given and {s: o.subset(o.sample_ids[::-1]) for s, o in given.items()}
        value = self.value(turned, turned_oracle, rule="sample order", doing=doing)
        self._compare(full, value, "sample order", doing, mend)
        if given is not None:
            doing = "called with the model's samples in another order than the oracle's"
            value = self.value(turned, given, rule="matched by sample id", doing=doing)
            mend = "Match the samples: oracle[split].subset(observed[split].sample_ids)."
            self._compare(full, value, "matched by sample id", doing, mend)

    def _compare(self, first: float, second: float, rule: str, doing: str, mend: str) -> None:
        if not self.same(first, second):
            raise failed(
                self.what,
                rule,
                found=f"{second!r}, {doing}, against {first!r} before",
                expected="the same value",
                mend=mend,
            )

    def check_missing(self, observed: Run, oracle: Run | None) -> None:
        given = self.oracle_for(oracle)
        metric = self.metric
        # Every split that it reads is gone, so that one standing in for another does not hide it.
        rest = {s: o for s, o in observed.items() if s not in metric.reads}
        for run, doing in ((rest, f"without {' and '.join(metric.reads)}"), ({}, "without splits")):
            error = self._error(run, given, rule="missing split", doing=f"called {doing}")
            # The oracle's split may be looked at first.
            if not any(split in str(error) for split in metric.reads):
                raise failed(
                    self.what,
                    "missing split",
                    found=f"{raised(error)}, called {doing}",
                    expected=f"an error that names one of {', '.join(metric.reads)}",
                    mend="Look splits up as observed[name], whose KeyError names the split.",
                ) from error
        if given is not None:
            self._error(observed, None, rule="missing oracle", doing="called without an oracle")
        for field in sorted(set(metric.fields) & set(_OPTIONAL)):
            gone = _TOKENS if field in _TOKENS else (field,)
            without = {
                s: replace(o, **dict.fromkeys(gone)) if s in metric.reads else o  # type: ignore[arg-type]
                for s, o in observed.items()
            }
            doing = f"called with observations whose {' and '.join(gone)} are None"
            self._error(without, given, rule="missing field", doing=doing)

    def _error(self, observed: Run, oracle: Run | None, *, rule: str, doing: str) -> Exception:
        try:
            value = self.call(observed, oracle)
        except AssertionError:
            raise
        except Exception as error:
            return error
        raise failed(
            self.what,
            rule,
            found=f"{shown(value)}, {doing}",
            expected="an error",
            mend="Do not stand in a value for what is missing.",
        )

    def check_degenerate(self) -> None:
        for doing, observed, oracle in _degenerate(*self.examples[0]):
            try:
                value = self.call(observed, self.oracle_for(oracle))
            except AssertionError:
                raise
            # Saying that it is undefined here is as good as returning NaN.
            except (MetarevalError, ValueError):
                continue
            except Exception as error:
                raise failed(
                    self.what,
                    "degenerate input",
                    found=f"{raised(error)}, {doing}",
                    expected="a float in range, NaN, or a ValueError that says why",
                    mend="Treat the case on its own.",
                ) from error
            self.in_range(value, rule="degenerate input", doing=doing, nan=True)


def _degenerate(observed: Run, oracle: Run | None) -> Iterator[tuple[str, Run, Run | None]]:
    def each(run: Run | None, change: Any) -> Any:
        return None if run is None else {s: change(o) for s, o in run.items()}

    one = {s: o.sample_ids[:1] for s, o in observed.items()}
    yield (
        "called with one sample a split",
        {s: o.subset(one[s]) for s, o in observed.items()},
        oracle and {s: o.subset(one[s]) for s, o in oracle.items()},
    )
    yield "called with the model as its own oracle", observed, observed
    yield "called with a model that knows all", each(observed, _sure), oracle
    yield (
        "called with a model that knows all, and an oracle too",
        each(observed, _sure),
        each(oracle, _sure),
    )
    yield "called with a model that knows nothing", each(observed, _wrong), oracle
    yield (
        "called with a model and an oracle that know nothing",
        each(observed, _wrong),
        each(oracle, _wrong),
    )


def _sure(part: Observations) -> Observations:
    """Every answer right, every probability 1, every hidden state the same."""
    return replace(part, answers=part.gold, **_flat(part, 0.0, first=True))


def _wrong(part: Observations) -> Observations:
    """Every answer wrong, every gold token impossible, next tokens uniform, states zero."""
    return replace(part, answers=("",) * part.n, **_flat(part, -np.inf, first=False))


def _flat(part: Observations, logprob: float, *, first: bool) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if part.token_logprobs is not None:
        changes["token_logprobs"] = np.full_like(part.token_logprobs, logprob)
    if part.next_logprobs is not None:
        rows = np.full_like(part.next_logprobs, -np.log(part.next_logprobs.shape[1]))
        if first:
            rows[:] = -np.inf
            rows[:, 0] = 0.0
        changes["next_logprobs"] = rows
    if part.hidden is not None:
        changes["hidden"] = np.full_like(part.hidden, float(first))
    return changes


def _state(*runs: Run | None) -> list[Any]:
    # Read afresh: the content hash of Observations is computed once and kept.
    return [
        [None if (a := getattr(run[s], f)) is None else a.tobytes() for f in _OPTIONAL]
        for run in runs
        if run is not None
        for s in SPLITS
        if s in run
    ]


def imports_any(module: str, packages: Iterable[str]) -> bool:
    """Say whether importing a module imports one of the packages."""
    if not any(p in sys.modules for p in packages):
        # The module is imported already and they are not: no other process need tell.
        return False
    if module == "__main__" or importlib.util.find_spec(module.partition(".")[0]) is None:
        return False
    code = (
        "import importlib, sys; importlib.import_module(sys.argv[1]); "
        "sys.exit(3 if any(p in sys.modules for p in sys.argv[2:]) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, module, *packages],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        check=False,
    )
    return done.returncode == 3


class _Refusal:
    """A finder that knows no module of some packages, and notes who asked."""

    def __init__(self, packages: tuple[str, ...]) -> None:
        self.packages = packages
        self.asked: list[str] = []

    def find_spec(self, name: str, *_: object) -> None:
        if name.partition(".")[0] in self.packages:
            self.asked.append(name)
            raise ModuleNotFoundError(f"{name} is not available to a metric", name=name)


@contextmanager
def _blocked(*packages: str) -> Iterator[list[str]]:
    """Make some packages fail to import for a while; yield the list of those asked for."""
    hidden: dict[str, ModuleType] = {
        name: sys.modules.pop(name)
        for name in list(sys.modules)
        if name.partition(".")[0] in packages
    }
    refusal = _Refusal(packages)
    sys.meta_path.insert(0, refusal)
    try:
        yield refusal.asked
    finally:
        sys.meta_path.remove(refusal)
        sys.modules.update(hidden)
