"""Methods that make a model forget: plain functions over a model, a forget and a retain set."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from metareval.errors import ArgumentError, unknown_name
from metareval.protocols import Sample
from metareval_backends.encoding import Batch, Encoded
from metareval_backends.handle import LoadedModel
from metareval_backends.training import (
    Schedule,
    Trainable,
    epochs,
    mean_nll,
    optimise,
    steps_of,
    token_logprobs,
)


@dataclass(frozen=True, eq=False)
class Unlearning:
    """A model, the samples it shall forget, and those it shall keep.

    A method changes ``loaded.model`` in place.

    Parameters
    ----------
    backend : Trainable
    loaded : LoadedModel
        Its weights that require gradients are changed.
    forget, retain : list of Encoded
    schedule : Schedule
        An epoch is a pass over the set that the method steps through.
    rng : Generator
        All that a method draws comes from here.
    options : mapping of str to float
        Further numbers that the method takes.
    """

    backend: Trainable
    loaded: LoadedModel
    forget: list[Encoded]
    retain: list[Encoded]
    schedule: Schedule
    rng: np.random.Generator
    options: Mapping[str, float] = field(default_factory=dict)

    def option(self, name: str, default: float) -> float:
        """Return an option of the method."""
        return float(self.options.get(name, default))

    def pairs(self, forget: Sequence[Encoded]) -> Iterator[tuple[list[Encoded], list[Encoded]]]:
        """Yield batches of the forget set, each with as many samples drawn from the retain set."""
        kept = self._retained()
        for batch in epochs(forget, self.schedule, self.rng):
            yield batch, [next(kept) for _ in range(min(len(batch), len(self.retain)))]

    def _retained(self) -> Iterator[Encoded]:
        while True:
            for i in self.rng.permutation(len(self.retain)):
                yield self.retain[i]

    def batch(self, samples: Sequence[Encoded]) -> Batch:
        """Pad samples to one shape."""
        return self.backend.collate(self.loaded, samples)

    def logits(self, batch: Batch, model: nn.Module | None = None) -> Tensor:
        """Return the logits at the gold tokens."""
        return self.backend.gold_logits(model or self.loaded.model, batch)

    def nll(self, samples: Sequence[Encoded]) -> Tensor:
        """Return the mean negative log-likelihood of a gold token."""
        batch = self.batch(samples)
        return mean_nll(self.logits(batch), batch)

    def reference(self) -> nn.Module:
        """Return a frozen copy of the model as it is now."""
        return copy.deepcopy(self.loaded.model).eval().requires_grad_(False)

    def descend(
        self,
        loss: Callable[[list[Encoded], list[Encoded]], Tensor],
        *,
        forget: Sequence[Encoded] | None = None,
        edit_gradients: Callable[[], None] | None = None,
    ) -> None:
        """Make a loss over pairs of forget and retain batches small."""
        items = self.forget if forget is None else forget
        optimise(
            self.loaded.model,
            self.pairs(items),
            lambda pair: loss(*pair),
            self.schedule,
            steps=self.schedule.epochs * steps_of(items, self.schedule),
            rng=self.rng,
            label="unlearn",
            edit_gradients=edit_gradients,
        )


Method = Callable[[Unlearning], None]


def gradient_ascent(task: Unlearning) -> None:
    """Make gold answers of the forget set unlikely, with half the retain loss as a counterweight.

    loss = -NLL(forget) + w NLL(retain), ``retain_weight`` w = 0.5 as in arXiv:2605.02206.
    """
    weight = task.option("retain_weight", 0.5)
    task.descend(lambda forget, retain: weight * task.nll(retain) - task.nll(forget))


def gradient_difference(task: Unlearning) -> None:
    """Ascend on the forget set and descend on the retain set (Liu et al. 2022), equally strongly.

    loss = NLL(retain) - NLL(forget).
    """
    task.descend(lambda forget, retain: task.nll(retain) - task.nll(forget))


def kl_minimisation(task: Unlearning) -> None:
    """Ascend on the forget set; stay close to the model's own distributions on the retain set.

    loss = -NLL(forget) + KL(before || now) at the gold tokens of the retain set (Maini et al.
    2024).
    """
    before = task.reference()

    def loss(forget: list[Encoded], retain: list[Encoded]) -> Tensor:
        batch = task.batch(retain)
        with torch.no_grad():
            old = torch.log_softmax(task.logits(batch, before).float(), dim=-1)
        new = torch.log_softmax(task.logits(batch).float(), dim=-1)
        divergence = (old.exp() * (old - new)).sum(dim=-1)
        mask = batch.gold_mask.to(divergence.device)
        return (divergence * mask).sum() / mask.sum() - task.nll(forget)

    task.descend(loss)


def npo(task: Unlearning) -> None:
    """Negative preference optimisation (Zhang et al. 2024), with the retain loss.

    loss = (2 / beta) mean softplus(beta log(p / p_before)) + w NLL(retain), with p the probability
    of a whole gold answer; ``beta`` = 0.1 and ``retain_weight`` w = 1.
    """
    beta, weight = task.option("beta", 0.1), task.option("retain_weight", 1.0)
    before = task.reference()

    def loss(forget: list[Encoded], retain: list[Encoded]) -> Tensor:
        batch = task.batch(forget)
        with torch.no_grad():
            old = token_logprobs(task.logits(batch, before), batch).sum(dim=1)
        ratio = token_logprobs(task.logits(batch), batch).sum(dim=1) - old
        preference = nn.functional.softplus(beta * ratio).mean() * 2 / beta
        return preference + weight * task.nll(retain)

    task.descend(loss)


def random_labels(task: Unlearning) -> None:
    """Train on the forget set with answers of other samples, and on the retain set as it is.

    loss = NLL(forget, answers drawn from the set of all others) + w NLL(retain); ``retain_weight``
    w = 1.
    """
    weight = task.option("retain_weight", 1.0)
    task.descend(
        lambda forget, retain: task.nll(forget) + weight * task.nll(retain),
        forget=relabelled(task),
    )


def finetune_retain(task: Unlearning) -> None:
    """Train on the retain set alone; an epoch is a pass over the retain set."""
    optimise(
        task.loaded.model,
        epochs(task.retain, task.schedule, task.rng),
        task.nll,
        task.schedule,
        steps=task.schedule.epochs * steps_of(task.retain, task.schedule),
        rng=task.rng,
        label="unlearn",
    )


def salun(task: Unlearning) -> None:
    """Random labels, changing only the weights that matter most to the forget set.

    The ``share`` (0.5) of weights with the largest gradient of the forget loss is changed (Fan et
    al. 2024, SalUn).
    """
    masks = saliency(task)
    weight = task.option("retain_weight", 1.0)
    model = task.loaded.model
    kept = {name: p.detach().clone() for name, p in _trained(model)}
    task.descend(
        lambda forget, retain: task.nll(forget) + weight * task.nll(retain),
        forget=relabelled(task),
        edit_gradients=lambda: _mask_gradients(model, masks),
    )
    # Weight decay moves weights without a gradient too.
    with torch.no_grad():
        for name, p in _trained(model):
            p.copy_(torch.where(masks[name], p, kept[name]))


def salun_noise(task: Unlearning) -> None:
    """Add noise to the salient weights, then train the others on the retain set.

    The variant of arXiv:2605.02206, with the numbers of the code released with it: normal noise of
    standard deviation ``noise`` (0.01) goes to the ``share`` (0.5) of weights with the largest
    gradient of the forget loss.
    """
    masks = saliency(task)
    scale, model = task.option("noise", 0.01), task.loaded.model
    generator = torch.Generator().manual_seed(int(task.rng.integers(2**31)))
    with torch.no_grad():
        for name, p in _trained(model):
            noise = torch.randn(p.shape, generator=generator).to(device=p.device, dtype=p.dtype)
            p.add_(noise * scale * masks[name])
    free = {name: ~mask for name, mask in masks.items()}
    noisy = {name: p.detach().clone() for name, p in _trained(model)}
    optimise(
        model,
        epochs(task.retain, task.schedule, task.rng),
        task.nll,
        task.schedule,
        steps=task.schedule.epochs * steps_of(task.retain, task.schedule),
        rng=task.rng,
        label="unlearn",
        edit_gradients=lambda: _mask_gradients(model, free),
    )
    with torch.no_grad():
        for name, p in _trained(model):
            p.copy_(torch.where(free[name], p, noisy[name]))


METHODS: dict[str, Method] = {
    "gradient_ascent": gradient_ascent,
    "gradient_difference": gradient_difference,
    "kl_minimisation": kl_minimisation,
    "npo": npo,
    "random_labels": random_labels,
    "finetune_retain": finetune_retain,
    "salun": salun,
    "salun_noise": salun_noise,
}


def register_method(name: str, method: Method) -> None:
    """Make a method known by name in this process.

    Raises
    ------
    ArgumentError
        The name is taken.
    """
    if name in METHODS:
        raise ArgumentError(f"There is an unlearning method {name!r} already; choose another name.")
    METHODS[name] = method


def get_method(name: str) -> Method:
    """Return a method by name, or by ``module:function`` for one of another package.

    Raises
    ------
    ArgumentError
        There is no such method.
    """
    if name in METHODS:
        return METHODS[name]
    module, colon, function = name.partition(":")
    if colon:
        import importlib

        try:
            found = getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError, ValueError) as error:
            raise ArgumentError(f"The unlearning method {name!r} was not found: {error}") from error
        chosen: Method = found
        return chosen
    raise unknown_name("unlearning method", name, METHODS)


def unlearn(
    backend: Trainable,
    loaded: LoadedModel,
    forget: Sequence[Sample],
    retain: Sequence[Sample],
    *,
    method: str | Method,
    schedule: Schedule,
    rng: np.random.Generator,
    options: Mapping[str, float] | None = None,
) -> None:
    """Make a model forget, in place.

    Parameters
    ----------
    backend : Trainable
        Backend that the model belongs to.
    loaded : LoadedModel
        Its weights that require gradients are changed.
    forget, retain : sequence of Sample
    method : str or callable
        A name out of ``METHODS``, ``module:function``, or a function that takes an ``Unlearning``.
    schedule : Schedule
    rng : Generator
    options : mapping, optional
        Further numbers that the method takes.

    Raises
    ------
    ArgumentError
        There is no such method.
    TrainingDiverged
        The loss is not finite.
    """
    chosen = get_method(method) if isinstance(method, str) else method
    chosen(
        Unlearning(
            backend,
            loaded,
            backend.encode(loaded, forget, end=True),
            backend.encode(loaded, retain, end=True),
            schedule,
            rng,
            dict(options or {}),
        )
    )


def relabelled(task: Unlearning) -> list[Encoded]:
    """Return the forget set, each sample with the answer of another, drawn at random.

    Raises
    ------
    ArgumentError
        All samples have one answer.
    """
    pool = [*task.forget, *task.retain]
    answers = sorted({tuple(s.gold) for s in pool})
    if len(answers) < 2:
        raise ArgumentError("All samples have the same answer: there is no other to draw.")
    changed = []
    for sample in task.forget:
        others = [a for a in answers if a != tuple(sample.gold)]
        changed.append(replace(sample, gold=list(others[task.rng.integers(len(others))])))
    return changed


def saliency(task: Unlearning) -> dict[str, Tensor]:
    """Return which weights have the largest gradients of the forget loss.

    Returns
    -------
    dict of str to Tensor of bool
        By parameter name; the share ``share`` of all weights is True, or fewer where fewer have a
        gradient.
    """
    share = task.option("share", 0.5)
    if not 0 < share <= 1:
        raise ArgumentError(f"share={share!r}: expected a number above 0, at most 1.")
    model = task.loaded.model
    sums = {name: torch.zeros_like(p) for name, p in _trained(model)}
    once = replace(task.schedule, epochs=1)
    model.zero_grad(set_to_none=True)
    for batch in epochs(task.forget, once, task.rng):
        task.nll(batch).backward()  # type: ignore[no-untyped-call]
    for name, p in _trained(model):
        if p.grad is not None:
            sums[name] = p.grad.abs()
    model.zero_grad(set_to_none=True)
    magnitudes = torch.cat([s.flatten().float() for s in sums.values()])
    count = max(round(share * len(magnitudes)), 1)
    threshold = magnitudes.kthvalue(len(magnitudes) - count + 1).values
    return {name: (s.float() >= threshold) & (s > 0) for name, s in sums.items()}


def _trained(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]


def _mask_gradients(model: nn.Module, masks: Mapping[str, Any]) -> None:
    for name, p in _trained(model):
        if p.grad is not None:
            p.grad.mul_(masks[name])
