"""Training: gold answers are made likely, by AdamW with one cycle of the learning rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from metareval.errors import ArgumentError, MetarevalError
from metareval.progress import track
from metareval.protocols import Sample
from metareval_backends.encoding import Batch, Encoded
from metareval_backends.handle import LoadedModel

T = TypeVar("T")


class Trainable(Protocol):
    """What training asks of a backend."""

    def encode(
        self, loaded: LoadedModel, samples: Sequence[Sample], *, end: bool = False
    ) -> list[Encoded]:
        """Turn samples into token ids and pixels."""

    def collate(self, loaded: LoadedModel, samples: Sequence[Encoded]) -> Batch:
        """Pad samples to one shape."""

    def gold_logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the logits at the gold tokens, shape (batch, gold, vocabulary)."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a model is trained.

    Parameters
    ----------
    epochs : int
        Passes over the samples. Their number is fixed: stopping early would make the length of
        training vary from model to model.
    learning_rate : float
        Highest rate of the cycle.
    batch_size : int
        Samples in one step.
    weight_decay : float
    clip : float
        Largest norm of the gradient.

    Raises
    ------
    ArgumentError
        A value that no training can have.
    """

    epochs: int
    learning_rate: float
    batch_size: int = 24
    weight_decay: float = 0.0
    clip: float = 1.0

    def __post_init__(self) -> None:
        for name, lowest in (("epochs", 1), ("batch_size", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
                raise ArgumentError(f"{name}={value!r}: expected a whole number from {lowest}.")
        for name, positive in (("learning_rate", True), ("weight_decay", False), ("clip", True)):
            value = getattr(self, name)
            good = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not good or not (value > 0 if positive else value >= 0) or value == float("inf"):
                bound = "above 0" if positive else "from 0"
                raise ArgumentError(f"{name}={value!r}: expected a finite number {bound}.")


class TrainingDiverged(MetarevalError, ArithmeticError):
    """A training whose loss is no longer a number."""


def train(
    backend: Trainable,
    loaded: LoadedModel,
    samples: Sequence[Sample],
    schedule: Schedule,
    *,
    rng: np.random.Generator,
    label: str = "train",
) -> float:
    """Train a model on gold answers, in place.

    Parameters
    ----------
    backend : Trainable
    loaded : LoadedModel
        Its weights that require gradients are trained.
    samples : sequence of Sample
    schedule : Schedule
    rng : Generator
        Orders the samples.
    label : str
        What is done, for the progress bar.

    Returns
    -------
    float
        Mean negative log-likelihood of a gold token in the last epoch.

    Raises
    ------
    TrainingDiverged
        The loss is not finite.
    """
    encoded = backend.encode(loaded, samples, end=True)

    def loss(chosen: list[Encoded]) -> Tensor:
        batch = backend.collate(loaded, chosen)
        return mean_nll(backend.gold_logits(loaded.model, batch), batch)

    return optimise(
        loaded.model,
        epochs(encoded, schedule, rng),
        loss,
        schedule,
        steps=schedule.epochs * steps_of(encoded, schedule),
        rng=rng,
        label=label,
    )


def steps_of(items: Sequence[Any], schedule: Schedule) -> int:
    """Return the number of steps of one epoch."""
    return -(-len(items) // schedule.batch_size)


def epochs(items: Sequence[T], schedule: Schedule, rng: np.random.Generator) -> Iterator[list[T]]:
    """Yield batches of items, in a new order in each epoch."""
    for _ in range(schedule.epochs):
        order = rng.permutation(len(items))
        for start in range(0, len(items), schedule.batch_size):
            yield [items[i] for i in order[start : start + schedule.batch_size]]


def optimise(
    model: nn.Module,
    batches: Iterable[T],
    loss: Callable[[T], Tensor],
    schedule: Schedule,
    *,
    steps: int,
    rng: np.random.Generator,
    label: str,
    edit_gradients: Callable[[], None] | None = None,
) -> float:
    """Take one step for each batch; return the mean loss of the last epoch.

    Parameters
    ----------
    model : Module
    batches : iterable
    loss : callable
        Takes a batch and returns the loss to make small.
    schedule : Schedule
    steps : int
        Number of batches.
    rng : Generator
        Seeds the dropout.
    label : str
    edit_gradients : callable, optional
        Called before every step, after the gradient is there.

    Raises
    ------
    TrainingDiverged
        The loss is not finite.
    """
    weights = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        weights, lr=schedule.learning_rate, weight_decay=schedule.weight_decay
    )
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=schedule.learning_rate, total_steps=max(steps, 2)
    )
    losses: list[float] = []
    model.train()
    with torch.random.fork_rng():
        torch.manual_seed(int(rng.integers(2**31)))
        for (batch,) in track(_each_alone(batches), total=steps, label=label):
            optimiser.zero_grad(set_to_none=True)
            value = loss(batch)
            losses.append(value.item())
            if not np.isfinite(losses[-1]):
                raise TrainingDiverged(
                    f"The loss of {label} is {losses[-1]} after {len(losses)} of {steps} steps. "
                    f"Choose a learning rate below {schedule.learning_rate:g}."
                )
            value.backward()  # type: ignore[no-untyped-call]
            if edit_gradients is not None:
                edit_gradients()
            nn.utils.clip_grad_norm_(weights, schedule.clip)
            optimiser.step()
            cycle.step()
    model.eval()
    return float(np.mean(losses[-max(steps // schedule.epochs, 1) :]))


def _each_alone(batches: Iterable[T]) -> Iterator[tuple[T]]:
    # Progress counts the length of what it is given; a batch is one step.
    for batch in batches:
        yield (batch,)


def token_logprobs(logits: Tensor, batch: Batch) -> Tensor:
    """Return the log-probability of every gold token, 0 at padding; shape (batch, gold)."""
    logprobs = torch.log_softmax(logits.float(), dim=-1)
    gold = batch.gold.to(logprobs.device)
    chosen = logprobs.gather(2, gold[..., None])[..., 0]
    return chosen * batch.gold_mask.to(chosen.device)


def mean_nll(logits: Tensor, batch: Batch) -> Tensor:
    """Return the mean negative log-likelihood of a gold token."""
    return -token_logprobs(logits, batch).sum() / batch.gold_mask.sum().to(logits.device)
