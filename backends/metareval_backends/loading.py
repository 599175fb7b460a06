"""Where and in which precision a model is loaded, and its weights with or without an adapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from metareval.errors import ArgumentError, LoadError, unknown_name
from metareval_backends.checkpoints import Checkpoint, find_checkpoint, load_adapter, load_full

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def resolve_device(device: str | None) -> torch.device:
    """Return the device asked for, or the GPU where there is one.

    Raises
    ------
    ArgumentError
        There is no such device.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ArgumentError(f"device={device!r} cannot be used: {reason}") from error
    return chosen


def resolve_dtype(dtype: str | None, device: torch.device) -> torch.dtype:
    """Return the type asked for; by default bfloat16 on a GPU and float32 elsewhere."""
    if dtype is None:
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if dtype not in DTYPES:
        raise unknown_name("dtype", dtype, DTYPES)
    return DTYPES[dtype]


def load_weights(
    checkpoint: Checkpoint,
    base: str | None,
    model_class: type[Any],
    *,
    check: Callable[[Mapping[str, Any], str], None],
    options: Mapping[str, Any],
) -> tuple[nn.Module, Checkpoint]:
    """Load a checkpoint's model in evaluation mode; return the full checkpoint it rests on too.

    Parameters
    ----------
    checkpoint : Checkpoint
    base : str, optional
        Folder or hub id of the model that an adapter belongs to.
    model_class : type
        Class of transformers that the full weights are for.
    check : callable
        Takes the full checkpoint's configuration and name; raises for another architecture.
    options : mapping
        ``dtype``, ``device`` and ``device_map`` of the model.

    Raises
    ------
    LoadError
    """
    if checkpoint.kind == "full":
        check(checkpoint.config, checkpoint.name)
        return load_full(checkpoint, model_class, **options), checkpoint
    if base is None:
        named = checkpoint.config.get("base_model_name_or_path")
        raise LoadError(
            f"The checkpoint {checkpoint.name!r} is an adapter and needs the model it was trained "
            f"on: pass base={named!r}, or the folder where that model is."
        )
    root = find_checkpoint(base, what="base")
    if root.kind != "full":
        raise LoadError(f"The base {base!r} is an adapter itself; expected full weights.")
    check(root.config, root.name)
    model = load_full(root, model_class, **options)
    adapted = load_adapter(model, checkpoint, base_name=base)
    # The layers of the adapter stand inside the model; the wrapper only adds bookkeeping.
    return adapted.get_base_model(), root
