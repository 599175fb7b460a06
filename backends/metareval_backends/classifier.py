"""Image classifiers: the unimodal side. An answer is a class, and its one token is the class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)

from metareval.errors import ArgumentError, LoadError, ObservationError, unknown_name
from metareval.observations import Observations
from metareval.protocols import Sample
from metareval.results import shorten
from metareval.testing import example_samples
from metareval_backends.batching import in_batches
from metareval_backends.checkpoints import find_checkpoint, fingerprint
from metareval_backends.distance import weight_distance
from metareval_backends.encoding import Batch, Encoded, collate
from metareval_backends.handle import LoadedModel, evaluating
from metareval_backends.images import rgb_image
from metareval_backends.loading import load_weights, resolve_device, resolve_dtype

FloatArray = NDArray[np.float32]

# Places of an image by the number of dimensions: convolutions give (images, channels, height,
# width), transformers (images, tokens, width), and the last layers one vector.
AVERAGED: Mapping[int, tuple[int, ...]] = {2: (), 3: (1,), 4: (2, 3)}


class Classifier:
    """Image classifiers of transformers (``AutoModelForImageClassification``).

    The question of a sample is ignored, and its gold answer is the name of a class.

    Examples
    --------
    >>> from metareval.testing import example_samples
    >>> from metareval_backends.classifier import classifier
    >>> seen = classifier.observe(classifier.tiny(), example_samples(3), split="forget")
    >>> seen.token_counts
    array([1, 1, 1])
    """

    name = "classifier"

    def check_config(self, config: Mapping[str, Any], name: str) -> None:
        """Refuse checkpoints that are not image classifiers.

        Raises
        ------
        LoadError
        """
        found = config.get("architectures") or []
        if not any(str(each).endswith("ForImageClassification") for each in found):
            raise LoadError(
                f"The checkpoint {name!r} is a {', '.join(map(str, found)) or 'model of no class'};"
                " the backend classifier runs those ending in ForImageClassification."
            )

    def load(
        self,
        checkpoint: str,
        *,
        base: str | None = None,
        dtype: str | None = None,
        device: str | None = None,
    ) -> LoadedModel:
        """Load full weights, or a LoRA adapter on its base.

        Parameters
        ----------
        checkpoint : str
            A local folder or a hub id; safetensors only.
        base : str, optional
            The model an adapter belongs to.
        dtype : {"float32", "bfloat16", "float16"}, optional
            By default bfloat16 on a GPU and float32 on a CPU.
        device : str, optional
            By default the GPU where there is one.

        Returns
        -------
        LoadedModel

        Raises
        ------
        LoadError
            Something is missing, damaged, a pickle, no classifier, or for another base.
        """
        found = find_checkpoint(checkpoint)
        place = resolve_device(device)
        model, root = load_weights(
            found,
            base,
            AutoModelForImageClassification,
            check=self.check_config,
            options={"dtype": resolve_dtype(dtype, place), "device": place},
        )
        try:
            processor = AutoImageProcessor.from_pretrained(
                root.folder, local_files_only=True, trust_remote_code=False, backend="pil"
            )
        # Whatever a missing or damaged processor makes transformers raise.
        except Exception as error:
            raise LoadError(
                f"The image processor of {root.name!r} could not be read: "
                f"{shorten(str(error), 300)} Save it beside the weights with save_pretrained."
            ) from error
        return LoadedModel(model, processor, {"checkpoint": checkpoint, "base": base or ""})

    def labels(self, model: nn.Module) -> list[str]:
        """Return the names of the model's classes, in order.

        Raises
        ------
        ObservationError
            The numbers of the classes are not those from 0 on.
        """
        names: Mapping[int, str] = model.config.id2label  # type: ignore[union-attr,assignment]
        if set(names) != set(range(len(names))):
            raise ObservationError(
                f"id2label of the model has the numbers {shorten(str(sorted(names)), 60)}; "
                f"expected those from 0 to {len(names) - 1}, one for each class. Correct "
                "config.json."
            )
        return [str(names[i]) for i in range(len(names))]

    def encode(
        self, loaded: LoadedModel, samples: Sequence[Sample], *, end: bool = False
    ) -> list[Encoded]:
        """Turn samples into pixels; the one gold token of each is the number of its class.

        Parameters
        ----------
        loaded : LoadedModel
        samples : sequence of Sample
        end : bool
            Of no effect: a class is not followed by anything.

        Raises
        ------
        ObservationError
            There is no sample, a sample has no image, or its answer is no class of the model, or
            the name of several.
        """
        del end
        gold = self._gold(loaded, samples)
        made = loaded.processor([rgb_image(s) for s in samples], return_tensors="pt")
        pixels = list(made["pixel_values"])
        return [
            Encoded(sample, [], [number], own)
            for sample, number, own in zip(samples, gold, pixels, strict=True)
        ]

    def _gold(self, loaded: LoadedModel, samples: Sequence[Sample]) -> list[int]:
        """Return the number of each sample's class."""
        if not samples:
            raise ObservationError("There are no samples to observe: pass at least one.")
        names = self.labels(loaded.model)
        numbers: dict[str, list[int]] = {}
        for i, name in enumerate(names):
            numbers.setdefault(name, []).append(i)
        for sample in samples:
            if sample.image is None:
                raise ObservationError(
                    f"Sample {sample.sample_id!r} has no image; a classifier needs one."
                )
            if sample.answer not in numbers:
                shown = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
                raise ObservationError(
                    f"The gold answer {shorten(repr(sample.answer), 60)} of sample "
                    f"{sample.sample_id!r} is no class of the model; its classes are {shown}. "
                    "Set id2label in config.json to the names that the benchmark uses."
                )
            if len(numbers[sample.answer]) > 1:
                raise ObservationError(
                    f"The gold answer {shorten(repr(sample.answer), 60)} of sample "
                    f"{sample.sample_id!r} is the name of the classes "
                    f"{', '.join(map(str, numbers[sample.answer]))} of the model. Give each class "
                    "a name of its own in id2label of config.json."
                )
        return [numbers[sample.answer][0] for sample in samples]

    def collate(self, loaded: LoadedModel, samples: Sequence[Encoded]) -> Batch:
        """Stack samples, on the model's device."""
        return collate(samples, pad=0, device=loaded.device, dtype=loaded.dtype)

    def gold_logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the logits of the classes, shape (batch, 1, classes)."""
        assert batch.pixels is not None
        logits: Tensor = model(pixel_values=batch.pixels).logits[batch.image_of]
        return logits[:, None]

    def layer(self, model: nn.Module, name: str | None) -> tuple[str, nn.Module]:
        """Return a layer by name; by default the last but one of the longest list of layers.

        Raises
        ------
        ArgumentError
            The model has no module of this name.
        """
        modules = dict(model.named_modules())
        lists = {n: m for n, m in modules.items() if isinstance(m, nn.ModuleList) and len(m) > 0}
        if name is None:
            if not lists:
                raise unknown_name("layer", name, [n for n in modules if n])
            parent = max(lists, key=lambda n: len(lists[n]))
            name = f"{parent}.{max(len(lists[parent]) - 2, 0)}"
        if name not in modules or not name:
            raise unknown_name("layer", name, [n for n in modules if n])
        return name, modules[name]

    def observe(
        self,
        model: LoadedModel,
        samples: Sequence[Sample],
        *,
        split: str,
        batch_size: int | None = None,
        layer: str | None = None,
    ) -> Observations:
        """Record what a classifier does on samples of one split.

        Parameters
        ----------
        model : LoadedModel
        samples : sequence of Sample
        split : str
        batch_size : int, optional
            Halved from 32 until a batch fits where None.
        layer : str, optional
            Name of a module. Its output is averaged over tokens or places, so that one vector is
            left for each image.

        Returns
        -------
        Observations
            ``next_logprobs`` is over classes; ``token_logprobs`` has the gold class's.

        Raises
        ------
        ObservationError, ArgumentError
        """
        layer_name, module = self.layer(model.model, layer)
        gold = np.array(self._gold(model, samples))
        with evaluating(model.model):
            # Images are prepared batch by batch: those of a large split would fill the memory.
            seen = in_batches(
                partial(self._see, model, (layer_name, module)),
                samples,
                length=lambda _: 1,
                batch_size=batch_size,
                label=f"observe {split}",
            )
        logprobs = np.stack([scores for scores, _ in seen])
        names = self.labels(model.model)
        return Observations(
            split=split,
            sample_ids=tuple(s.sample_id for s in samples),
            gold=tuple(s.answer for s in samples),
            answers=tuple(names[i] for i in logprobs.argmax(axis=1)),
            token_logprobs=logprobs[np.arange(len(gold)), gold],
            token_counts=np.ones(len(gold), dtype=np.int64),
            next_logprobs=logprobs,
            hidden=np.stack([state for _, state in seen]),
            layer=layer_name,
            provenance=model.describe(self.name),
        )

    def _see(
        self, loaded: LoadedModel, layer: tuple[str, nn.Module], samples: list[Sample]
    ) -> list[tuple[FloatArray, FloatArray]]:
        kept: list[Tensor] = []

        def keep_mean(_module: nn.Module, _inputs: Any, output: Any) -> None:
            states = output[0] if isinstance(output, tuple) else output
            if not isinstance(states, Tensor) or states.ndim not in AVERAGED:
                raise _no_states(layer[0], states)
            kept.append(
                states.float().mean(dim=AVERAGED[states.ndim]) if states.ndim > 2 else states
            )

        batch = self.collate(loaded, self.encode(loaded, samples))
        hook = layer[1].register_forward_hook(keep_mean)
        try:
            logits = self.gold_logits(loaded.model, batch)[:, 0]
        finally:
            hook.remove()
        scores = torch.log_softmax(logits.float(), dim=-1).cpu().numpy()
        # Layers inside windows of an image have more rows than there are images.
        if not kept or len(kept[0]) != len(logits):
            raise _no_states(layer[0], kept[0] if kept else None)
        states = kept[0].float().cpu().numpy()
        return list(zip(scores, states, strict=True))

    def tiny(self, seed: int = 0) -> LoadedModel:
        """Return an untrained vision transformer for images of 32 x 32."""
        return tiny_classifier(sorted({s.answer for s in example_samples()}), seed=seed)

    def fingerprint(self, checkpoint: str, base: str | None = None) -> str:
        """Return a text that changes when the files of the checkpoint or its base do."""
        return fingerprint(checkpoint, base)

    def weight_distance(self, checkpoint: str, oracle: str, *, base: str | None = None) -> float:
        """Return the Frobenius distance of a checkpoint's weights from the oracle's."""
        return weight_distance(checkpoint, oracle, base=base).distance


def _no_states(layer_name: str, found: Any) -> ArgumentError:
    shape = f"of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
    gave = "is not run on the images" if found is None else f"gives an output {shape}"
    return ArgumentError(
        f"layer={layer_name!r} {gave}; expected a module with an array of states for each image, "
        "such as one of its layers."
    )


def tiny_classifier(
    labels: Sequence[str],
    *,
    seed: int = 0,
    image_size: int = 32,
    patch_size: int = 8,
    width: int = 32,
    layers: int = 2,
) -> LoadedModel:
    """Build a small vision transformer with the real classes, offline.

    Parameters
    ----------
    labels : sequence of str
        Names of the classes.
    seed : int
        Seed of the weights.
    image_size, patch_size : int
        In pixels.
    width : int
        A multiple of 4.
    layers : int

    Returns
    -------
    LoadedModel
        On the CPU, in float32.
    """
    config = ViTConfig(
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        image_size=image_size,
        patch_size=patch_size,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )
    processor = ViTImageProcessorPil(size={"height": image_size, "width": image_size})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ViTForImageClassification(config)
    return LoadedModel(model.eval(), processor, {"checkpoint": f"tiny classifier, seed {seed}"})


classifier = Classifier()
