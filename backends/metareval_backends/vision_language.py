"""What the vision-language backends share: loading, encoding, observing and scoring."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from metareval.errors import LoadError, ObservationError, unknown_name
from metareval.observations import Observations
from metareval.protocols import Sample
from metareval.results import shorten
from metareval_backends.batching import in_batches
from metareval_backends.checkpoints import Checkpoint, find_checkpoint, fingerprint
from metareval_backends.distance import weight_distance
from metareval_backends.encoding import Batch, Encoded, collate, tokenize
from metareval_backends.fused import Decoder, Seen, fused_pass
from metareval_backends.handle import LoadedModel, evaluating
from metareval_backends.images import rgb_image
from metareval_backends.loading import load_weights, resolve_device, resolve_dtype

# What images look like to the language model is kept for a split up to this size.
MOST_FEATURE_BYTES = 2**30


class VisionLanguageBackend(ABC):
    """Asks a vision-language model questions about images, and records what it does.

    A subclass says how its architecture is loaded, prompted and decoded.
    """

    name: ClassVar[str]
    model_class: ClassVar[type[nn.Module]]
    processor_class: ClassVar[type[Any]]
    # Tokens of an answer at most: benchmarks of visual questions have short answers.
    max_new_tokens: ClassVar[int] = 32

    @abstractmethod
    def tiny(self, seed: int = 0) -> LoadedModel:
        """Return a model small enough for tests, made offline from a seed."""

    @abstractmethod
    def prompt(self, question: str, *, image: bool) -> str:
        """Return the prompt of a question; the answer follows after a space."""

    @abstractmethod
    def image_tokens(self, model: nn.Module) -> tuple[int, int]:
        """Return the placeholder's token id, and how many placeholders an image takes."""

    @abstractmethod
    def image_features(self, model: nn.Module, pixels: Tensor) -> Tensor:
        """Return the vectors that stand for images, shape (images, tokens, width)."""

    @abstractmethod
    def decoder(self, model: nn.Module) -> Decoder:
        """Return the language model with its head, as what takes embedded inputs."""

    @abstractmethod
    def layers(self, model: nn.Module) -> str:
        """Return the name of the list of layers of the language model."""

    def check_config(self, config: Mapping[str, Any], name: str) -> None:
        """Refuse a checkpoint of another architecture.

        Raises
        ------
        LoadError
        """
        wanted = self.model_class.__name__
        found = config.get("architectures") or [f"model type {config.get('model_type')!r}"]
        if wanted not in found:
            raise LoadError(
                f"The checkpoint {name!r} is a {', '.join(map(str, found))}; the backend "
                f"{self.name} runs {wanted}. Choose the backend that belongs to it."
            )

    def load(
        self,
        checkpoint: str,
        *,
        base: str | None = None,
        dtype: str | None = None,
        device: str | None = None,
        device_map: str | None = None,
    ) -> LoadedModel:
        """Load full weights, or a LoRA adapter on its base.

        Parameters
        ----------
        checkpoint : str
            A local folder or a hub id (``owner/name``, or ``owner/name@revision``). Weights are
            read from safetensors files only, and no code of the checkpoint is run.
        base : str, optional
            The model an adapter belongs to. For full weights, where the processor comes from if
            the checkpoint has none.
        dtype : {"float32", "bfloat16", "float16"}, optional
            By default bfloat16 on a GPU and float32 on a CPU.
        device : str, optional
            By default the GPU where there is one.
        device_map : str, optional
            ``"auto"`` spreads a model that is larger than one card; needs accelerate.

        Returns
        -------
        LoadedModel

        Raises
        ------
        LoadError
            Something is missing, damaged, a pickle, of another architecture or for another base.
        """
        found = find_checkpoint(checkpoint)
        place = resolve_device(device)
        options = {"dtype": resolve_dtype(dtype, place), "device": place, "device_map": device_map}
        model, root = load_weights(
            found, base, self.model_class, check=self.check_config, options=options
        )
        processor = self._processor(found, root, base)
        return LoadedModel(model, processor, {"checkpoint": checkpoint, "base": base or ""})

    def _processor(self, checkpoint: Checkpoint, root: Checkpoint, base: str | None) -> Any:
        places = [checkpoint, root, *([find_checkpoint(base, what="base")] if base else [])]
        for place in places:
            if place.kind == "full" and (place.folder / "tokenizer_config.json").is_file():
                try:
                    return self.processor_class.from_pretrained(place.folder, local_files_only=True)
                # Whatever a damaged processor makes transformers raise.
                except Exception as error:
                    raise LoadError(
                        f"The processor in {str(place.folder)!r} could not be read: "
                        f"{shorten(str(error), 300)} Save it again with save_pretrained."
                    ) from error
        raise LoadError(
            f"The checkpoint {checkpoint.name!r} has no processor (tokenizer_config.json). Name "
            "the model it was made from with base=, or save the processor beside the weights."
        )

    def encode(
        self, loaded: LoadedModel, samples: Sequence[Sample], *, end: bool = False
    ) -> list[Encoded]:
        """Turn samples into token ids and pixels; samples that share an image share its pixels.

        Parameters
        ----------
        loaded : LoadedModel
        samples : sequence of Sample
        end : bool
            Whether gold answers get the token that ends a text, as they do for training.

        Raises
        ------
        ObservationError
            There is no sample, an image or an answer cannot be used, a sample is too long, or the
            processor does not fit the model.
        """
        if not samples:
            raise ObservationError("There are no samples to observe: pass at least one.")
        self._refuse_placeholders(loaded, samples)
        prompts = [self.prompt(s.question, image=s.image is not None) for s in samples]
        tokens = tokenize(loaded.processor.tokenizer, prompts, samples, end=end)
        pixels = self._pixels(loaded, samples)
        encoded = [
            self._with_image(loaded, sample, prompt, gold, pixels.get(id(sample.image)))
            for sample, (prompt, gold) in zip(samples, tokens, strict=True)
        ]
        self._refuse_long(loaded, encoded, answered=not end)
        return encoded

    def _refuse_placeholders(self, loaded: LoadedModel, samples: Sequence[Sample]) -> None:
        # The tokenizer would take the text for the place of an image.
        mark = str(loaded.processor.image_token)
        for sample in samples:
            for part in ("question", "answer"):
                if mark in getattr(sample, part):
                    raise ObservationError(
                        f"The {part} of sample {sample.sample_id!r} holds {mark!r}, which stands "
                        "for an image in the model's input. Remove it from the text: the image of "
                        "a sample is put into the prompt by the backend."
                    )

    def _refuse_long(
        self, loaded: LoadedModel, samples: Sequence[Encoded], *, answered: bool
    ) -> None:
        """Refuse samples for which the model has no positions; it would fail in mid-batch."""
        config: Any = loaded.model.config
        limit = getattr(config.get_text_config(), "max_position_embeddings", None)
        # The last token of an answer is not read again.
        most = self.max_new_tokens - 1 if answered else 0
        for each in samples:
            length = len(each.prompt) + max(len(each.gold), most)
            if limit is not None and length > limit:
                raise ObservationError(
                    f"Sample {each.sample.sample_id!r} takes up to {length} tokens (a prompt of "
                    f"{len(each.prompt)}, a gold answer of {len(each.gold)}"
                    f"{f', answers of at most {most + 1}' if answered else ''}), and the model has "
                    f"positions for {limit}. Shorten the text, or leave the sample out."
                )

    def _pixels(self, loaded: LoadedModel, samples: Sequence[Sample]) -> dict[int, Tensor]:
        """Return the pixels of every distinct image, by the identity of the image."""
        firsts = {id(s.image): s for s in samples if s.image is not None}
        if not firsts:
            return {}
        images = [rgb_image(s) for s in firsts.values()]
        made = loaded.processor.image_processor(images, return_tensors="pt")["pixel_values"]
        return dict(zip(firsts, made, strict=True))

    def _with_image(
        self,
        loaded: LoadedModel,
        sample: Sample,
        prompt: list[int],
        gold: list[int],
        pixels: Tensor | None,
    ) -> Encoded:
        if pixels is None:
            return Encoded(sample, prompt, gold, None)
        token, count = self.image_tokens(loaded.model)
        ids = self.image_prompt(loaded, prompt, pixels)
        placeholders = ids.count(token)
        if placeholders != count:
            raise ObservationError(
                f"The processor puts {placeholders} image placeholders into the prompt of sample "
                f"{sample.sample_id!r}, and the model expects {count}: the image would be lost. "
                f"{self.placeholder_advice}"
            )
        return Encoded(sample, ids, gold, pixels)

    placeholder_advice: ClassVar[str] = "Use the processor that belongs to the checkpoint."

    @abstractmethod
    def image_prompt(self, loaded: LoadedModel, prompt: list[int], pixels: Tensor) -> list[int]:
        """Return the tokens of a prompt with as many placeholders as the processor puts there."""

    def collate(self, loaded: LoadedModel, samples: Sequence[Encoded]) -> Batch:
        """Pad samples to one shape, on the model's device."""
        tokenizer = loaded.processor.tokenizer
        pad = tokenizer.pad_token_id
        return collate(
            samples,
            pad=tokenizer.eos_token_id if pad is None else pad,
            device=loaded.device,
            dtype=loaded.dtype,
        )

    def embed(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the inputs of the language model, with the images in their places."""
        embeds: Tensor = model.get_input_embeddings()(batch.ids)  # type: ignore[operator]
        features = batch.features
        if features is None and batch.pixels is not None:
            features = self.image_features(model, batch.pixels)
        if features is None:
            return embeds
        token, _ = self.image_tokens(model)
        features = features.to(device=embeds.device, dtype=embeds.dtype)[batch.image_of]
        return embeds.masked_scatter((batch.ids == token)[..., None], features)

    def gold_logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the logits at the gold tokens, shape (batch, gold, vocabulary); for training."""
        out = self.decoder(model)(
            inputs_embeds=self.embed(model, batch),
            attention_mask=batch.mask,
            position_ids=batch.positions,
            use_cache=False,
            logits_to_keep=batch.gold.shape[1] + 1,
        )
        logits: Tensor = out.logits[:, :-1]
        return logits

    def layer(self, model: nn.Module, name: str | None) -> tuple[str, nn.Module]:
        """Return a layer by name; by default the last but one of the language model.

        Raises
        ------
        ArgumentError
            The model has no module of this name.
        """
        parent = self.layers(model)
        count = len(model.get_submodule(parent))  # type: ignore[arg-type]
        if name is None:
            name = f"{parent}.{max(count - 2, 0)}"
        modules = dict(model.named_modules())
        if name not in modules or not name:
            raise unknown_name("layer", name, [f"{parent}.{i}" for i in range(count)])
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
        """Record what a model does on samples of one split, with one forward pass.

        Parameters
        ----------
        model : LoadedModel
        samples : sequence of Sample
        split : str
        batch_size : int, optional
            Halved from 32 until a batch fits where None. It does not change the result beyond
            rounding.
        layer : str, optional
            Name of a module, as in ``model.named_modules()``; by default the last layer but one
            of the language model. Its output is averaged over the tokens of the prompt, those of
            the image included.

        Returns
        -------
        Observations
            ``answers`` are greedy, ``token_logprobs`` those of the gold answer without a token
            that ends it.

        Raises
        ------
        ObservationError, ArgumentError
        """
        layer_name, module = self.layer(model.model, layer)
        encoded = self.encode(model, samples)
        stops = self._stops(model)
        with evaluating(model.model):
            seen = in_batches(
                partial(self._see, model, (layer_name, module), stops),
                self._with_features(model, encoded, batch_size),
                length=_sort_key,
                batch_size=batch_size,
                label=f"observe {split}",
            )
        answers = model.processor.tokenizer.batch_decode(
            [s.answer for s in seen], skip_special_tokens=True
        )
        return Observations(
            split=split,
            sample_ids=tuple(s.sample_id for s in samples),
            gold=tuple(s.answer for s in samples),
            answers=tuple(answer.strip() for answer in answers),
            token_logprobs=np.concatenate([s.token_logprobs for s in seen]),
            token_counts=np.array([len(s.token_logprobs) for s in seen]),
            next_logprobs=np.stack([s.next_logprobs for s in seen]),
            hidden=np.stack([s.hidden for s in seen]),
            layer=layer_name,
            provenance=model.describe(self.name),
        )

    def _with_features(
        self, loaded: LoadedModel, samples: list[Encoded], batch_size: int | None
    ) -> list[Encoded]:
        """Look at images that several samples share once, if the result fits into memory."""
        images = list({id(s.pixels): s.pixels for s in samples if s.pixels is not None}.values())
        width = loaded.model.get_input_embeddings().weight.shape[1]  # type: ignore[operator]
        _, count = self.image_tokens(loaded.model)
        size = len(images) * count * width * loaded.dtype.itemsize
        if len(images) == len(samples) or size > MOST_FEATURE_BYTES:
            return samples

        def look(chosen: list[Tensor]) -> list[Tensor]:
            pixels = torch.stack(chosen).to(device=loaded.device, dtype=loaded.dtype)
            return list(self.image_features(loaded.model, pixels))

        found = in_batches(look, images, length=len, batch_size=batch_size, label="look at images")
        features = dict(zip(map(id, images), found, strict=True))
        return [replace(s, features=features.get(id(s.pixels))) for s in samples]

    def _see(
        self,
        loaded: LoadedModel,
        layer: tuple[str, nn.Module],
        stops: frozenset[int],
        samples: list[Encoded],
    ) -> list[Seen]:
        # Samples with an image and samples about text alone are run apart.
        groups = {
            kind: [i for i, s in enumerate(samples) if (s.pixels is None) is kind]
            for kind in (False, True)
        }
        results: dict[int, Seen] = {}
        for rows in groups.values():
            if not rows:
                continue
            batch = self.collate(loaded, [samples[i] for i in rows])
            seen = fused_pass(
                self.decoder(loaded.model),
                loaded.model.get_input_embeddings(),  # type: ignore[operator]
                self.embed(loaded.model, batch),
                batch,
                layer=layer[1],
                layer_name=layer[0],
                stops=stops,
                max_new_tokens=self.max_new_tokens,
            )
            results.update(zip(rows, seen, strict=True))
        return [results[i] for i in range(len(samples))]

    def _stops(self, loaded: LoadedModel) -> frozenset[int]:
        own = getattr(loaded.model.generation_config, "eos_token_id", None)
        listed = own if isinstance(own, (list, tuple)) else [own]
        tokens = {*listed, loaded.processor.tokenizer.eos_token_id} - {None}
        return frozenset(int(t) for t in tokens)

    def fingerprint(self, checkpoint: str, base: str | None = None) -> str:
        """Return a text that changes when the files of the checkpoint or its base do."""
        return fingerprint(checkpoint, base)

    def weight_distance(self, checkpoint: str, oracle: str, *, base: str | None = None) -> float:
        """Return the Frobenius distance of a checkpoint's weights from the oracle's."""
        return weight_distance(checkpoint, oracle, base=base).distance


def _sort_key(sample: Encoded) -> int:
    return len(sample)
