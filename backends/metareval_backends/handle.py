"""A loaded model with what is needed to ask it: its processor, and where it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

PACKAGES = ("metareval", "torch", "transformers", "peft")


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """What ``load`` and ``tiny`` of a backend return, and ``observe`` takes.

    Parameters
    ----------
    model : torch.nn.Module
        The model; the layers of an adapter, if there is one, stand inside it, unmerged.
    processor : object
        Turns texts and images into the model's inputs: the processor or image processor of
        transformers that belongs to the model.
    provenance : mapping of str to str
        Where it came from: checkpoint, base.
    """

    model: nn.Module
    processor: Any
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """Where the model's inputs belong."""
        return self._entrance.device

    @property
    def dtype(self) -> torch.dtype:
        """The type in which the model computes; some parts may be kept in a wider one."""
        return self._entrance.dtype

    @property
    def _entrance(self) -> Tensor:
        # A model may be spread over devices; inputs go to where the tokens are embedded.
        try:
            embeddings = self.model.get_input_embeddings()  # type: ignore[operator]
        # Models of images alone have none.
        except (AttributeError, NotImplementedError):
            embeddings = None
        weight = getattr(embeddings, "weight", None)
        return weight if isinstance(weight, Tensor) else next(self.model.parameters())

    def describe(self, backend: str) -> dict[str, str]:
        """Return the provenance of what a backend observes with this model."""
        return {
            **self.provenance,
            "backend": backend,
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": self.device.type,
            **_versions(),
        }


@cache
def _versions() -> dict[str, str]:
    return {f"{package} version": version(package) for package in PACKAGES}


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Run without dropout and gradients, and put the model's mode back afterwards."""
    was_training = model.training
    if was_training:
        model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        if was_training:
            model.train()
