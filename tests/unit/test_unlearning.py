"""Training and unlearning on tiny models."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from metareval.errors import ArgumentError
from metareval.protocols import Sample
from metareval_backends import unlearning
from metareval_backends.classifier import classifier, tiny_classifier
from metareval_backends.handle import LoadedModel
from metareval_backends.training import Schedule, TrainingDiverged, epochs, train
from metareval_backends.unlearning import (
    METHODS,
    Unlearning,
    get_method,
    relabelled,
    saliency,
    unlearn,
)


def cards() -> list[Sample]:
    """Forty images in four classes that no rule tells apart: they must be learnt by heart."""
    rng = np.random.default_rng(1)
    return [
        Sample(
            f"card-{i}",
            f"card-{i}",
            "Which suit?",
            ("hearts", "spades", "clubs", "diamonds")[i % 4],
            np.kron(rng.integers(0, 256, (4, 4, 3)), np.ones((8, 8, 1))).astype(np.uint8),
        )
        for i in range(40)
    ]


FORGET, RETAIN = cards()[:10], cards()[10:]


@pytest.fixture(scope="module")
def base() -> LoadedModel:
    loaded = tiny_classifier(["clubs", "diamonds", "hearts", "spades"])
    loss = train(classifier, loaded, cards(), Schedule(120, 3e-3, 10), rng=np.random.default_rng(0))
    assert loss < 0.1
    return loaded


def accuracy(loaded: LoadedModel, samples: Sequence[Sample]) -> float:
    seen = classifier.observe(loaded, samples, split="forget")
    return float(np.mean([a == g for a, g in zip(seen.answers, seen.gold, strict=True)]))


def likelihood(loaded: LoadedModel, samples: Sequence[Sample]) -> float:
    return float(classifier.observe(loaded, samples, split="forget").mean_logprob.mean())


def clone(loaded: LoadedModel) -> LoadedModel:
    return LoadedModel(copy.deepcopy(loaded.model), loaded.processor)


def forgotten(base: LoadedModel, method: Any, *, seed: int = 0, **options: float) -> LoadedModel:
    made = clone(base)
    unlearn(
        classifier,
        made,
        FORGET,
        RETAIN,
        method=method,
        schedule=Schedule(15, 3e-3, 10),
        rng=np.random.default_rng(seed),
        options=options,
    )
    return made


def test_training_learns_by_heart(base: LoadedModel) -> None:
    assert accuracy(base, cards()) == 1.0


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"finetune_retain", "salun_noise"}))
def test_forget_set_loses_and_retain_set_keeps(base: LoadedModel, method: str) -> None:
    made = forgotten(base, method)
    drop = likelihood(base, FORGET) - likelihood(made, FORGET)
    assert drop > 1.0
    # By how much depends on the processor: training multiplies differences in the last bit.
    assert drop > likelihood(base, RETAIN) - likelihood(made, RETAIN)
    assert accuracy(made, RETAIN) > accuracy(made, FORGET)


@pytest.mark.parametrize("method", ["finetune_retain", "salun_noise"])
def test_methods_that_never_push_the_forget_set_away_keep_the_retain_set(
    base: LoadedModel, method: str
) -> None:
    made = forgotten(base, method)
    assert accuracy(made, RETAIN) > 0.9
    assert likelihood(made, FORGET) < likelihood(base, FORGET)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_seed_gives_one_model(base: LoadedModel, method: str) -> None:
    first, again, other = (forgotten(base, method, seed=s) for s in (3, 3, 4))
    pairs = zip(first.model.parameters(), again.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    pairs = zip(first.model.parameters(), other.model.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)


def test_salun_changes_salient_weights_alone(base: LoadedModel) -> None:
    made = clone(base)
    schedule = Schedule(3, 3e-3, 10, weight_decay=0.1)
    task = Unlearning(
        classifier,
        made,
        classifier.encode(made, FORGET),
        classifier.encode(made, RETAIN),
        schedule,
        np.random.default_rng(0),
        {"share": 0.25},
    )
    masks = saliency(task)
    share = sum(int(m.sum()) for m in masks.values()) / sum(m.numel() for m in masks.values())
    assert share == pytest.approx(0.25, abs=0.01)
    unlearning.salun(task)
    before = dict(base.model.named_parameters())
    for name, weight in made.model.named_parameters():
        assert torch.equal(weight[~masks[name]], before[name][~masks[name]])
    assert any(
        not torch.equal(weight, before[name]) for name, weight in made.model.named_parameters()
    )


def test_weights_without_a_gradient_are_never_salient(base: LoadedModel) -> None:
    made = clone(base)
    # With the head alone in the graph, most weights have no gradient.

    class Cut:
        encode, collate = classifier.encode, classifier.collate

        def gold_logits(self, model: torch.nn.Module, batch: Any) -> torch.Tensor:
            with torch.no_grad():
                states = model.get_submodule("vit")(pixel_values=batch.pixels)[0][:, 0]
            logits: torch.Tensor = model.get_submodule("classifier")(states)[batch.image_of]
            return logits[:, None]

    task = Unlearning(
        Cut(),
        made,
        classifier.encode(made, FORGET),
        [],
        Schedule(1, 1e-3, 10),
        np.random.default_rng(0),
        {"share": 0.5},
    )
    masks = saliency(task)
    salient = {name for name, mask in masks.items() if mask.any()}
    assert salient == {"classifier.weight", "classifier.bias"}


def test_random_labels_are_never_the_right_ones(base: LoadedModel) -> None:
    forget = classifier.encode(base, FORGET)
    task = Unlearning(classifier, base, forget, [], Schedule(1, 1e-3), np.random.default_rng(0))
    for old, new in zip(forget, relabelled(task), strict=True):
        assert old.gold != new.gold
        assert old.pixels is new.pixels
    same = [s for s in forget if s.gold == forget[0].gold]
    with pytest.raises(ArgumentError, match="the same answer"):
        relabelled(Unlearning(classifier, base, same, [], Schedule(1, 1e-3), task.rng))


def test_methods_of_others(base: LoadedModel) -> None:
    def zero(task: Unlearning) -> None:
        with torch.no_grad():
            for weight in task.loaded.model.parameters():
                weight.zero_()

    made = forgotten(base, zero)
    assert all(not w.any() for w in made.model.parameters())
    assert get_method("metareval_backends.unlearning:npo") is unlearning.npo
    with pytest.raises(ArgumentError, match=r"Unknown unlearning method 'nop'\. Did you mean"):
        get_method("nop")
    with pytest.raises(ArgumentError, match="was not found"):
        get_method("metareval_backends.unlearning:nothing")
    with pytest.raises(ArgumentError, match="There is an unlearning method 'npo' already"):
        unlearning.register_method("npo", zero)


def test_options_reach_the_method(base: LoadedModel) -> None:
    strong = forgotten(base, "gradient_ascent", retain_weight=0.0)
    weak = forgotten(base, "gradient_ascent", retain_weight=5.0)
    assert accuracy(strong, RETAIN) < accuracy(weak, RETAIN)
    with pytest.raises(ArgumentError, match="share=0"):
        forgotten(base, "salun", share=0.0)


def test_a_training_that_diverges_says_so(base: LoadedModel) -> None:
    made = clone(base)
    with torch.no_grad():
        next(made.model.parameters()).fill_(float("inf"))
    with pytest.raises(TrainingDiverged, match=r"learning rate below 0\.001"):
        train(classifier, made, RETAIN, Schedule(1, 1e-3), rng=np.random.default_rng(0))


def test_every_sample_comes_once_an_epoch() -> None:
    schedule = Schedule(2, 1e-3, batch_size=4)
    batches = list(epochs(range(10), schedule, np.random.default_rng(0)))
    assert [len(b) for b in batches] == [4, 4, 2] * 2
    assert sorted(i for b in batches[:3] for i in b) == list(range(10))
    assert batches[:3] != batches[3:]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("epochs", 1.5),
        ("batch_size", True),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("clip", float("inf")),
        ("weight_decay", -1.0),
        ("learning_rate", "fast"),
    ],
)
def test_schedules_are_checked(field: str, value: Any) -> None:
    with pytest.raises(ArgumentError, match=f"{field}={value!r}"):
        Schedule(**{"epochs": 1, "learning_rate": 1e-3, field: value})
