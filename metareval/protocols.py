"""What a metric, a backend and a benchmark are: the classes that plug-ins satisfy.

Nothing needs to be inherited: an object with these attributes will do. ``metareval.testing`` checks
an object against its protocol and says what is wrong with it; ``docs/plugins.md`` shows how to
package one.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from metareval.observations import SPLITS, Observations

DIRECTIONS = ("higher", "lower")

# Fields of Observations that a metric declares; others (ids, provenance) come with every record.
FIELDS = ("gold", "answers", "token_logprobs", "token_counts", "next_logprobs", "hidden")


@dataclass(frozen=True)
class Sample:
    """One question about one image, with its gold answer.

    Parameters
    ----------
    sample_id : str
        Unique within the benchmark.
    subject_id : str
        Who or what the question is about: the unit by which splits are separated.
    question : str
        The question alone; a backend adds its own prompt. A classifier ignores it.
    answer : str
        The gold answer, never empty.
    image : object
        A PIL image, an array of shape (height, width, 3), or None for a question about text.
        Images are not compared when samples are.

    Examples
    --------
    >>> Sample("s1", "ada", "Who is this?", "Ada Lovelace").answer
    'Ada Lovelace'
    """

    sample_id: str
    subject_id: str
    question: str
    answer: str
    # Arrays have no single truth value, so that comparing them would fail.
    image: Any = field(default=None, compare=False, repr=False)


@runtime_checkable
class Metric(Protocol):
    """A number computed from what a model did, and perhaps from what the oracle did.

    Examples
    --------
    A metric in full:

    >>> import numpy as np
    >>> class ForgetConfidence:
    ...     name = "forget_confidence"
    ...     direction, low, high = "lower", 0.0, 1.0
    ...     reads, fields = ("forget",), ("token_logprobs",)
    ...     needs_oracle = False
    ...
    ...     def __call__(self, observed, oracle=None):
    ...         return float(np.exp(observed["forget"].mean_logprob).mean())
    >>> isinstance(ForgetConfidence(), Metric)
    True
    """

    @property
    def name(self) -> str:
        """Name in tables and on the command line; also the name of the entry point."""

    @property
    def direction(self) -> str:
        """Which values are better: ``"higher"`` or ``"lower"``."""

    @property
    def low(self) -> float:
        """Lower bound of the values; may be ``-inf``."""

    @property
    def high(self) -> float:
        """Upper bound of the values; may be ``inf``."""

    @property
    def reads(self) -> tuple[str, ...]:
        """Splits it reads, out of ``metareval.observations.SPLITS``."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of ``Observations`` it reads, for example ``("answers", "gold")``.

        ``token_logprobs`` and ``token_counts`` come together, and so do their derivatives
        ``mean_logprob`` and ``logprobs_of``: naming ``token_logprobs`` covers them. Sample ids may
        always be read.
        """

    @property
    def needs_oracle(self) -> bool:
        """Whether it reads the oracle too; if so, the same splits of it."""

    def __call__(
        self,
        observed: Mapping[str, Observations],
        oracle: Mapping[str, Observations] | None = None,
    ) -> float:
        """Compute the metric.

        Parameters
        ----------
        observed : mapping of split to Observations
            What the evaluated model did.
        oracle : mapping of split to Observations, optional
            What a model did that never saw the forget split. Match samples by ``sample_ids``:
            their order may differ from that in ``observed``.

        Returns
        -------
        float
            Within [low, high]; NaN where the metric is undefined for these observations.
        """


@runtime_checkable
class Backend(Protocol):
    """Runs checkpoints of one kind of model, and records what they do.

    The module of a backend is imported when it is asked for by name; listing imports nothing. A
    package that is missing then is reported with its name.

    Two further methods are used where a backend has them. ``fingerprint(checkpoint, base)`` returns
    a text that changes when the checkpoint does, so that stored observations of another state are
    not taken for it. ``weight_distance(checkpoint, oracle, *, base=None)`` returns a distance of
    weights, for ``distance="weights"`` of :func:`metareval.evaluate`.
    """

    @property
    def name(self) -> str:
        """Name on the command line; also the name of the entry point."""

    def load(self, checkpoint: str, *, base: str | None = None) -> Any:
        """Return a handle on a model that ``observe`` takes.

        Parameters
        ----------
        checkpoint : str
            A local folder or a hub id: full weights, or an adapter.
        base : str, optional
            The model that an adapter belongs to.

        Raises
        ------
        MetarevalError
            Where the checkpoint is missing, damaged, for another base, or holds weights only as a
            pickle. A pickle is never opened, since opening one runs what is in it.
        """

    def observe(
        self,
        model: Any,
        samples: Sequence[Sample],
        *,
        split: str,
        batch_size: int | None = None,
        layer: str | None = None,
    ) -> Observations:
        """Record what a model does on samples of one split.

        Parameters
        ----------
        model : object
            What ``load`` or ``tiny`` returned.
        samples : sequence of Sample
            At least one. The result keeps their ids, answers and order.
        split : str
            Name of the split they come from.
        batch_size : int, optional
            Samples in one forward pass; chosen by the backend where None. It must not change
            the result: answers are the same, numbers differ by rounding alone.
        layer : str, optional
            Layer whose mean hidden state is kept; the backend's own choice where None.

        Returns
        -------
        Observations
            Parts that the architecture does not have are None. The provenance names the backend
            under ``"backend"``.
        """

    def tiny(self, seed: int = 0) -> Any:
        """Return a handle on a model small enough for tests, made offline from a seed."""


@runtime_checkable
class Benchmark(Protocol):
    """Yields the samples that a model is asked about."""

    @property
    def name(self) -> str:
        """Name on the command line; also the name of the entry point."""

    def splits(self) -> Mapping[str, Sequence[Sample]]:
        """Return the samples of each split.

        ``forget`` and ``retain`` must be there; ``nonmember`` (held out from training) and
        ``test`` where the benchmark has them. No subject is in two splits, with one exception:
        ``nonmember`` may hold other questions about subjects of ``forget``, or other pictures of
        them, that were never trained. Members and non-members of the same subjects differ in
        nothing but the training, which is what a membership attack needs. Every sample id is used
        once, and two calls return the same.
        """


_ATTRIBUTES = {
    "metric": ("name", "direction", "low", "high", "reads", "fields", "needs_oracle"),
    "backend": ("name",),
    "benchmark": ("name",),
    "command": ("name",),
}
_METHODS = {
    "metric": ("__call__",),
    "backend": ("load", "observe", "tiny"),
    "benchmark": ("splits",),
    "command": ("run",),
}


def faults(kind: str, plugin: object) -> list[str]:
    """Say what keeps an object from being a metric, a backend, a benchmark or a command.

    Only its attributes are looked at; nothing is called.

    Parameters
    ----------
    kind : {"metric", "backend", "benchmark", "command"}
    plugin : object

    Returns
    -------
    list of str
        One sentence for each fault, with what was found and expected; empty where all is well.

    Examples
    --------
    >>> faults("benchmark", object())
    ['It has no name.', 'It has no method splits.']
    """
    if isinstance(plugin, type):
        return [f"It is the class {plugin.__name__}; expected an object of it."]
    found = [f"It has no {a}." for a in _ATTRIBUTES[kind] if not hasattr(plugin, a)]
    found += [
        f"It has no method {m}."
        for m in _METHODS[kind]
        # Looked up on an object, __call__ may be that of its class's class.
        if not callable(plugin if m == "__call__" else getattr(plugin, m, None))
    ]
    if found:
        return found
    name = getattr(plugin, "name", None)
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        found.append(f"Its name is {name!r}; expected a text that can be printed on one line.")
    return found + (_metric_faults(plugin) if kind == "metric" else [])


def _metric_faults(metric: Any) -> list[str]:
    found = []
    if metric.direction not in DIRECTIONS:
        found.append(f"Its direction is {metric.direction!r}; expected 'higher' or 'lower'.")
    bounds = (metric.low, metric.high)
    # Booleans are numbers to Python; NaN fails the comparison.
    if not all(isinstance(b, numbers.Real) and not isinstance(b, bool) for b in bounds) or not (
        metric.low < metric.high
    ):
        found.append(
            f"Its range is low={metric.low!r}, high={metric.high!r}; expected two numbers, the "
            "first below the second (infinities are allowed)."
        )
    for attribute, known in (("reads", SPLITS), ("fields", FIELDS)):
        value = getattr(metric, attribute)
        if not isinstance(value, tuple) or not value or not all(v in known for v in value):
            found.append(
                f"Its {attribute} is {value!r}; expected a tuple of at least one of "
                f"{', '.join(map(repr, known))}. For one alone, mind the comma: ({known[0]!r},)."
            )
    if not isinstance(metric.needs_oracle, bool):
        found.append(f"Its needs_oracle is {metric.needs_oracle!r}; expected True or False.")
    return found
