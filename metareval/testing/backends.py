"""Rules for backends."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metareval.errors import MetarevalError
from metareval.observations import Observations
from metareval.protocols import Backend, Sample
from metareval.testing.examples import example_samples
from metareval.testing.rules import check_protocol, failed, raised, shown

_ARRAYS = ("token_logprobs", "next_logprobs", "hidden")

# Names under which weights are kept as pickles.
_PICKLES = ("pytorch_model.bin", "adapter_model.bin", "model.pt", "model.pth", "model.pkl")


def check_backend(
    backend: Backend, *, samples: Sequence[Sample] | None = None, tolerance: float = 1e-4
) -> None:
    """Try a backend on its own tiny model and raise at the first rule it breaks.

    The rules: ``protocol``, ``tiny model`` (made from a seed), ``observations`` (the samples' ids
    and answers in their order, generated answers as text, the split, the backend's name in the
    provenance), ``log-probabilities`` (at most 0), ``deterministic``, ``batches`` (a padded batch
    gives what single samples give), ``sample order`` (does not matter), ``no samples`` (an error),
    ``missing checkpoint`` (an error that names it) and ``pickle`` (never opened).

    Parameters
    ----------
    backend : Backend
    samples : sequence of Sample, optional
        At least two, with questions and answers of different lengths, in place of
        ``example_samples()``: for backends that take special images or answers.
    tolerance : float
        How far log-probabilities and hidden states may differ between a batch and single samples,
        absolutely and relatively. Sums over padded rows are taken in another order, which moves
        float32 results by about 1e-5.

    Raises
    ------
    CheckFailed
        It breaks a rule: the message says which, and how to mend it.

    Examples
    --------
    >>> from metareval.testing import check_backend
    >>> check_backend(object())
    Traceback (most recent call last):
    ...
    metareval.errors.CheckFailed: <object ...> breaks the rule 'protocol' of a backend. ...
    """
    trial = _Trial(backend, list(samples or example_samples()), tolerance)
    whole = trial.check_observations()
    trial.check_repeats(whole)
    trial.check_batches(whole)
    trial.check_order(whole)
    trial.check_refusals()


class _Trial:
    """One backend with its tiny model and the samples it is tried on."""

    def __init__(self, backend: Backend, samples: list[Sample], tolerance: float) -> None:
        self.backend = backend
        self.samples = samples
        self.tolerance = tolerance
        self.what = check_protocol("backend", backend)
        self.model = self._tiny()

    def _tiny(self) -> Any:
        try:
            return self.backend.tiny(0)
        except Exception as error:
            raise failed(
                self.what,
                "tiny model",
                found=f"{raised(error)}, from tiny(0)",
                expected="a handle on a model",
                mend="Build it from a configuration and a seed, without a download.",
            ) from error

    def observe(self, samples: Sequence[Sample], *, rule: str, **options: Any) -> Observations:
        try:
            seen = self.backend.observe(self.model, samples, split="forget", **options)
        except Exception as error:
            shape = ", ".join(f"{k}={v!r}" for k, v in options.items())
            raise failed(
                self.what,
                rule,
                found=f"{raised(error)}, from observe of {len(samples)} samples with {shape}",
                expected="Observations",
                mend="Where it takes images or answers of a special form, pass samples=[...].",
            ) from error
        if not isinstance(seen, Observations):
            raise failed(
                self.what,
                rule,
                found=f"{shown(seen)} from observe",
                expected="metareval.observations.Observations",
                mend="Build it from plain arrays and texts.",
            )
        return seen

    def check_observations(self) -> Observations:
        samples, rule = self.samples, "observations"
        seen = self.observe(samples, rule=rule, batch_size=len(samples))
        facts: list[tuple[str, object, object]] = [
            ("sample_ids", seen.sample_ids, tuple(s.sample_id for s in samples)),
            ("gold", seen.gold, tuple(s.answer for s in samples)),
            ("split", seen.split, "forget"),
            ("provenance['backend']", seen.provenance.get("backend"), self.backend.name),
        ]
        for name, found, expected in facts:
            if found != expected:
                raise failed(
                    self.what,
                    rule,
                    found=f"{name} {shown(found)}",
                    expected=shown(expected),
                    mend="Put samples back in the order they came in after sorting by length.",
                )
        if not all(isinstance(answer, str) for answer in seen.answers):
            raise failed(
                self.what,
                rule,
                found=f"answers {shown(seen.answers)}",
                expected="a text for each sample",
                mend="Decode the generated tokens, without those of the prompt.",
            )
        for name in ("token_logprobs", "next_logprobs"):
            array = getattr(seen, name)
            # The constructor lets rounding pass; a positive number beyond that cannot be built.
            if array is not None and not (array <= 1e-4).all():
                raise failed(
                    self.what,
                    "log-probabilities",
                    found=f"{name} up to {array.max():g}",
                    expected="at most 0",
                    mend="Apply log-softmax to the logits.",
                )
        return seen

    def check_repeats(self, whole: Observations) -> None:
        again = self.observe(self.samples, rule="deterministic", batch_size=len(self.samples))
        mend = "Switch to evaluation mode (no dropout), and generate without sampling."
        self._compare(whole, again, "deterministic", "observed twice", mend)
        self.model = self._tiny()
        rebuilt = self.observe(self.samples, rule="tiny model", batch_size=len(self.samples))
        mend = "Seed every generator in tiny()."
        self._compare(whole, rebuilt, "tiny model", "made twice from one seed", mend)

    def check_batches(self, whole: Observations) -> None:
        mend = (
            "Mask the padding, take positions from the attention mask, and read the answer "
            "position from the side that is not padded."
        )
        for size in (1, 2):
            seen = self.observe(self.samples, rule="batches", batch_size=size)
            self._compare(whole, seen, "batches", f"in batches of {size}", mend)
        alone = [self.observe([s], rule="batches") for s in self.samples]
        self._compare(whole, Observations.merge(alone), "batches", "sample by sample", mend)

    def check_order(self, whole: Observations) -> None:
        turned = self.observe(self.samples[::-1], rule="sample order", batch_size=2)
        mend = "Put samples back in the order they came in after sorting by length."
        back = turned.subset(whole.sample_ids)
        self._compare(whole, back, "sample order", "in another order", mend)

    def _compare(
        self, whole: Observations, other: Observations, rule: str, doing: str, mend: str
    ) -> None:
        for name in ("sample_ids", "answers", "layer"):
            first, second = getattr(whole, name), getattr(other, name)
            if first != second:
                raise failed(
                    self.what,
                    rule,
                    found=f"{name} {shown(second)} {doing}",
                    expected=f"{shown(first)}, as in one batch",
                    mend=mend,
                )
        counts = whole.token_counts, other.token_counts
        for name in _ARRAYS:
            a, b = getattr(whole, name), getattr(other, name)
            if a is None and b is None:
                continue
            if a is None or b is None or a.shape != b.shape or not _equal(*counts):
                raise failed(
                    self.what,
                    rule,
                    found=f"{name} of another shape {doing}",
                    expected="the shape it has in one batch",
                    mend=mend,
                )
            if not np.allclose(a, b, rtol=self.tolerance, atol=self.tolerance):
                with np.errstate(invalid="ignore"):
                    far = float(np.nanmax(np.abs(a - b)))
                raise failed(
                    self.what,
                    rule,
                    found=f"{name} that differ by up to {far:.3g} {doing}",
                    expected=f"at most {self.tolerance:g}",
                    mend=mend,
                )

    def check_refusals(self) -> None:
        try:
            self.backend.observe(self.model, [], split="forget")
        except MetarevalError:
            pass
        except Exception as error:
            raise self._unclear("no samples", error, "from observe without samples") from error
        else:
            raise failed(
                self.what,
                "no samples",
                found="a result from observe without samples",
                expected="an error of metareval.errors",
                mend="Observations of no samples cannot be built; let its error through.",
            )
        with tempfile.TemporaryDirectory() as folder:
            self._check_missing(Path(folder, "no-such-checkpoint"))
            self._check_pickle(Path(folder, "pickled"), Path(folder, "executed"))

    def _check_missing(self, path: Path) -> None:
        try:
            self.backend.load(str(path))
        except MetarevalError as error:
            if path.name not in str(error):
                doing = "from load of a missing folder"
                raise self._unclear("missing checkpoint", error, doing) from error
        except Exception as error:
            doing = "from load of a missing folder"
            raise self._unclear("missing checkpoint", error, doing) from error
        else:
            raise failed(
                self.what,
                "missing checkpoint",
                found="a result from load of a missing folder",
                expected="an error of metareval.errors that names it",
                mend="Do not stand in a model for one that is missing.",
            )

    def _check_pickle(self, folder: Path, mark: Path) -> None:
        folder.mkdir()
        # Opcodes for os.mkdir(mark): whoever unpickles this leaves a folder behind.
        payload = f"cos\nmkdir\n(V{mark}\ntR.".encode("raw_unicode_escape")
        for name in _PICKLES:
            (folder / name).write_bytes(payload)
        error: Exception | None = None
        try:
            self.backend.load(str(folder))
        except Exception as caught:
            error = caught
        if mark.exists():
            raise failed(
                self.what,
                "pickle",
                found="code in a pickled checkpoint was executed",
                expected="an error, before anything is opened",
                mend="Load safetensors only.",
            )
        if not isinstance(error, MetarevalError):
            doing = "from load of a folder with pickles alone"
            raise self._unclear("pickle", error, doing) from error

    def _unclear(self, rule: str, error: Exception | None, doing: str) -> Exception:
        return failed(
            self.what,
            rule,
            found=f"{raised(error) if error else 'a result'}, {doing}",
            expected="an error of metareval.errors that names what was given",
            mend="Raise LoadError with what to do about it."
            if rule != "no samples"
            else "Let the error of Observations through.",
        )


def _equal(a: Any, b: Any) -> bool:
    return (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))
