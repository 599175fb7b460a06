"""Models of a study: built or loaded, with or without an adapter, and put back into a state."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers.utils import logging

from metareval.errors import ArgumentError, LoadError, OutputError
from metareval.protocols import Sample
from metareval.results import shorten
from metareval_backends.handle import LoadedModel
from metareval_backends.loading import resolve_device
from metareval_backends.study.config import Architecture
from metareval_backends.study.known import TINY

# Attention of the language model alone: LLaVA's vision tower has layers of the same names.
LORA_TARGETS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|out_proj)"
_ADAPTER_WEIGHTS = "adapter_model.safetensors"

State = Mapping[str, Tensor]


@dataclass
class StudyModel:
    """A model whose weights are trained, one state after another.

    Parameters
    ----------
    architecture : Architecture
    backend : object
        Loads, trains and observes the model.
    loaded : LoadedModel
        What the backend takes; the layers of an adapter stand inside the model.
    adapted : PeftModel or None
        The wrapper of the same model, where an adapter is trained.
    """

    architecture: Architecture
    backend: Any
    loaded: LoadedModel
    adapted: Any | None

    def state(self) -> State:
        """Return a copy of all that training changes."""
        return {name: t.detach().to("cpu", copy=True) for name, t in self._changing()}

    def restore(self, state: State) -> None:
        """Put the model back into a state that ``state`` returned."""
        with torch.no_grad():
            for name, tensor in self._changing():
                tensor.copy_(state[name])

    def _changing(self) -> Iterator[tuple[str, Tensor]]:
        model = self.loaded.model
        yield from ((n, p) for n, p in model.named_parameters() if p.requires_grad)
        if self.adapted is None:
            # Statistics of normalisation layers.
            yield from model.named_buffers()

    def reinitialise(self, seed: int) -> None:
        """Draw the adapter anew, where there is one; other weights are those of the base."""
        if self.adapted is None:
            return
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for module in self.adapted.modules():
                if hasattr(module, "reset_lora_parameters"):
                    module.reset_lora_parameters("default", True)

    def save(self, folder: Path) -> None:
        """Write the weights as safetensors, with the processor where they are full.

        Raises
        ------
        OutputError
        """
        try:
            with quiet():
                if self.adapted is not None:
                    self.adapted.save_pretrained(str(folder), save_embedding_layers=False)
                else:
                    self.loaded.model.save_pretrained(folder)  # type: ignore[operator]
                    self.loaded.processor.save_pretrained(folder)
        except OSError as error:
            raise OutputError(f"The checkpoint {folder} could not be written: {error}") from error

    def read(self, folder: Path) -> None:
        """Put the model into the state that ``save`` wrote.

        Raises
        ------
        LoadError
            The checkpoint is damaged or of another model.
        """
        if self.adapted is None:
            found = self.backend.load(str(folder), dtype=_dtype_name(self.loaded), device="cpu")
            states = found.model.state_dict()
            self.loaded.model.load_state_dict(states)
            return
        try:
            tensors = load_file(folder / _ADAPTER_WEIGHTS)
            with quiet():
                result: Any = set_peft_model_state_dict(self.adapted, tensors)
        # Whatever a damaged file makes its reader raise.
        except Exception as error:
            raise LoadError(
                f"The adapter {folder} could not be read: {shorten(str(error), 300)}"
            ) from error
        if result.unexpected_keys:
            raise LoadError(f"The adapter {folder} is for another model.")


def build(
    architecture: Architecture, backend: Any, samples: Sequence[Sample], *, seed: int
) -> StudyModel:
    """Return the model that training starts from.

    Parameters
    ----------
    architecture : Architecture
    backend : object
    samples : sequence of Sample
        All samples of the benchmark: small models are built for their texts or classes.
    seed : int
        Of weights that are drawn.

    Raises
    ------
    MetarevalError
        The base cannot be loaded, or has no language model for the adapter.
    """
    wanted = ("encode", "collate", "gold_logits")
    lacking = [name for name in wanted if not callable(getattr(backend, name, None))]
    if lacking:
        raise ArgumentError(
            f"The backend {architecture.backend!r} cannot train: it has no {', '.join(lacking)}. "
            "Use llava, blip2 or classifier, or give it what they have."
        )
    if architecture.tiny is not None:
        return StudyModel(architecture, backend, _tiny(architecture, samples, seed), None)
    options = {"dtype": architecture.dtype, "device": architecture.device}
    given = {key: value for key, value in options.items() if value is not None}
    loaded = backend.load(architecture.base, **given)
    if architecture.adapter is None:
        for weight in loaded.model.parameters():
            weight.requires_grad_(weight.is_floating_point())
        return StudyModel(architecture, backend, loaded, None)
    return _adapted(architecture, backend, loaded, seed)


def _tiny(architecture: Architecture, samples: Sequence[Sample], seed: int) -> LoadedModel:
    name = architecture.backend
    assert name in TINY
    assert architecture.tiny is not None
    make: Callable[..., LoadedModel] = getattr(
        importlib.import_module(f"metareval_backends.{name}"), f"tiny_{name}"
    )
    answers = [s.answer for s in samples]
    texts = (
        sorted(set(answers))
        if name == "classifier"
        else [text for s in samples for text in (s.question, f" {s.answer}")]
    )
    loaded = make(texts, seed=seed, **architecture.tiny)
    device = resolve_device(architecture.device or "cpu")
    model = loaded.model.to(device)
    if architecture.dtype is not None:
        model = model.to(getattr(torch, architecture.dtype))
    return LoadedModel(model, loaded.processor, loaded.provenance)


def _adapted(
    architecture: Architecture, backend: Any, loaded: LoadedModel, seed: int
) -> StudyModel:
    assert architecture.adapter is not None
    settings = LoraConfig(
        r=int(architecture.adapter["r"]),
        lora_alpha=architecture.adapter["alpha"],  # type: ignore[arg-type]
        lora_dropout=architecture.adapter["dropout"],
        target_modules=LORA_TARGETS,
    )
    try:
        with quiet(), torch.random.fork_rng():
            torch.manual_seed(seed)
            adapted: Any = get_peft_model(loaded.model, settings)
    except ValueError as error:
        raise ArgumentError(
            f"The base {architecture.base!r} takes no adapter: {shorten(str(error), 300)} The "
            "attention of a language model is adapted; leave 'adapter' out to train all weights."
        ) from error
    inside: nn.Module = adapted.get_base_model()
    return StudyModel(
        architecture, backend, LoadedModel(inside, loaded.processor, loaded.provenance), adapted
    )


def _dtype_name(loaded: LoadedModel) -> str:
    return str(loaded.dtype).removeprefix("torch.")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep bars of transformers and remarks of peft out of the log."""
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if bars:
            logging.enable_progress_bar()
