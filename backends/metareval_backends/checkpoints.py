"""Load checkpoints into models: safetensors only, checked first, no code of theirs run."""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from peft import LoraConfig, PeftModel, set_peft_model_state_dict
from torch import nn
from transformers.utils import logging

from metareval.errors import LoadError
from metareval.results import printable, shorten
from metareval_backends.adapter import BEYOND, Adapter, Factors, read_adapter
from metareval_backends.fingerprints import fingerprint
from metareval_backends.folder import Checkpoint, find_checkpoint
from metareval_backends.safetensors_header import listed
from metareval_backends.weights import canonical_name, read_tensor

__all__ = ["Checkpoint", "find_checkpoint", "fingerprint", "load_adapter", "load_full"]

_PREFIX = "base_model.model."


def load_full(
    checkpoint: Checkpoint,
    model_class: type[nn.Module],
    *,
    dtype: torch.dtype,
    device: torch.device | str,
    device_map: str | Mapping[str, Any] | None = None,
) -> nn.Module:
    """Load full weights into a model in evaluation mode.

    Parameters
    ----------
    checkpoint : Checkpoint
        Of kind ``"full"``.
    model_class : type
        Class of transformers with ``from_pretrained``.
    dtype : torch.dtype
    device : torch.device or str
        Ignored with ``device_map``.
    device_map : str or mapping, optional
        Spreads a model over devices; as in transformers.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    LoadError
        The checkpoint is an adapter or of another architecture, or its tensors are not those of
        the model: the message names a few that are missing, left over or of another shape.
    """
    who = f"The checkpoint {checkpoint.name!r}"
    if checkpoint.kind != "full":
        raise LoadError(f"{who} is an adapter; expected full weights. Pass its base as well.")
    _check_type(checkpoint, model_class, who)
    device = torch.device(device)
    placed: str | dict[str, Any] | None = None
    if device_map is not None:
        placed = device_map if isinstance(device_map, str) else dict(device_map)
    elif device.type != "cpu" and importlib.util.find_spec("accelerate"):
        # Straight to the device, without a second copy in the memory of the host.
        placed = {"": device}
    try:
        with _quiet():
            model, info = model_class.from_pretrained(  # type: ignore[attr-defined]
                str(checkpoint.folder),
                dtype=dtype,
                device_map=placed,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                # Reported below, with both shapes, like everything else that does not fit.
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except torch.OutOfMemoryError:
        raise
    # A configuration or a model class may fail in any way.
    except Exception as error:
        raise LoadError(
            f"{who} could not be loaded as {model_class.__name__}: {_line(error)}"
        ) from error
    faults = []
    for key, saying in (("missing_keys", "missing"), ("unexpected_keys", "not of the model")):
        if info.get(key):
            faults.append(f"{saying}: {listed(map(str, info[key]))}")
    if info.get("mismatched_keys"):
        shapes = sorted((str(n), tuple(f), tuple(w)) for n, f, w in info["mismatched_keys"])
        name, found, wanted = shapes[0]
        more = f" and {len(shapes) - 1} more" if len(shapes) > 1 else ""
        faults.append(f"{listed([name])} has the shape {found}, expected {wanted}{more}")
    if info.get("error_msgs"):
        faults.append(shorten(printable(" ".join(map(str, info["error_msgs"]))), 200))
    if faults:
        raise LoadError(
            f"{who} does not hold the tensors of {model_class.__name__} with its config.json: "
            f"{'; '.join(faults)}. Save the model again, with its own configuration."
        )
    if placed is None:
        model = model.to(device)
    model.requires_grad_(False)
    loaded: nn.Module = model.eval()
    return loaded


def load_adapter(model: nn.Module, checkpoint: Checkpoint, *, base_name: str) -> PeftModel:
    """Put a LoRA adapter into a model, unmerged, in evaluation mode.

    The model is changed in place. peft reads no file: the settings and tensors are read and checked
    here. Which base the adapter's configuration names is not held against it, since folders are
    renamed; modules and shapes must fit.

    Parameters
    ----------
    model : torch.nn.Module
        The base, as ``load_full`` returned it.
    checkpoint : Checkpoint
        Of kind ``"adapter"``.
    base_name : str
        Name of the base, for messages.

    Returns
    -------
    peft.PeftModel

    Raises
    ------
    LoadError
        It is not a LoRA adapter, has settings that are not supported, or was trained on another
        base: the message names the first module that does not fit, with both shapes.
    """
    adapter = read_adapter(checkpoint)
    if hasattr(model, "peft_config"):
        raise LoadError(
            f"The model {base_name!r} carries an adapter already. Load the base again for "
            f"{checkpoint.name!r}."
        )
    modules = {name: module for name, module in model.named_modules() if name}
    plain: dict[str, list[str]] = {}
    for name in modules:
        plain.setdefault(canonical_name(name), []).append(name)
    places = {name: _place(modules, plain, name) for name in adapter.factors}
    for name, place in places.items():
        _check_fit(adapter, adapter.factors[name], modules.get(place), base_name)
    state = {}
    for name, factors in adapter.factors.items():
        for side, entry in (("A", factors.a), ("B", factors.b)):
            end = f"lora_embedding_{side}" if factors.embedding else f"lora_{side}.weight"
            state[f"{_PREFIX}{places[name]}.{end}"] = read_tensor(name, entry)
    for key, entry in adapter.others.items():
        module, _, end = key.rpartition(".")
        state[f"{_PREFIX}{_place(modules, plain, module)}.{end}"] = read_tensor(key, entry)
    who = f"The adapter {checkpoint.name!r} does not fit the base {base_name!r}"
    try:
        with _quiet():
            adapted = PeftModel(model, _settings(adapter, places))
            tensors = {key: torch.from_numpy(values.copy()) for key, values in state.items()}
            result: Any = set_peft_model_state_dict(adapted, tensors)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise LoadError(f"{who}: {_line(error)}") from error
    left = [key for key in result.missing_keys if "lora_" in key or ".modules_to_save." in key]
    if left or result.unexpected_keys:
        raise LoadError(
            f"{who}: it lacks {listed(left) or 'nothing'}, and "
            f"{listed(result.unexpected_keys) or 'nothing'} of it has no place there. Name the "
            "base that it was trained on."
        )
    adapted.requires_grad_(False)
    return adapted.eval()


def _check_type(checkpoint: Checkpoint, model_class: type[nn.Module], who: str) -> None:
    # Auto classes have no type of their own.
    expected = getattr(getattr(model_class, "config_class", None), "model_type", "")
    found = checkpoint.config.get("model_type")
    if expected and found != expected:
        raise LoadError(
            f"{who} has model_type {shorten(repr(found), 60)} in config.json; expected "
            f"{expected!r} for {model_class.__name__}. Choose the backend for its architecture."
        )


def _place(modules: Mapping[str, nn.Module], plain: Mapping[str, list[str]], name: str) -> str:
    """Return the module's name in this model, where files keep a name of another version."""
    if name in modules:
        return name
    same = plain.get(canonical_name(name), [])
    return same[0] if len(same) == 1 else name


def _check_fit(
    adapter: Adapter, factors: Factors, module: nn.Module | None, base_name: str
) -> None:
    trained = adapter.checkpoint.config.get("base_model_name_or_path")
    advice = f"It was trained on {shorten(repr(trained), 120)}; name that as the base."
    who = f"The adapter {adapter.checkpoint.name!r} does not fit the base {base_name!r}"
    weight = getattr(module, "weight", None)
    if not isinstance(weight, torch.Tensor):
        raise LoadError(
            f"{who}, which has no module {listed([factors.module])} with a weight of shape "
            f"{factors.weight_shape}. {advice}"
        )
    if tuple(weight.shape) != factors.weight_shape:
        raise LoadError(
            f"{who}: for the module {listed([factors.module])} it changes a weight of shape "
            f"{factors.weight_shape}, and in the base it has the shape {tuple(weight.shape)}. "
            f"{advice}"
        )


def _settings(adapter: Adapter, places: Mapping[str, str]) -> LoraConfig:
    """Build the configuration by exact modules, whatever patterns the file chose them by."""
    config = adapter.checkpoint.config
    # Longest names first: peft takes the first pattern that matches the end of a name.
    ordered = sorted(adapter.factors, key=lambda name: -len(places[name]))
    factors = {re.escape(places[name]): adapter.factors[name] for name in ordered}
    ranks = {pattern: f.rank for pattern, f in factors.items()}
    root = 0.5 if config.get("use_rslora") else 1.0
    alphas = {pattern: f.scale * f.rank**root for pattern, f in factors.items()}
    extra = {key: config[key] for key in BEYOND if config.get(key) is not None}
    return LoraConfig(
        target_modules=list(places.values()),
        rank_pattern=ranks,
        alpha_pattern=alphas,
        use_rslora=bool(config.get("use_rslora")),
        fan_in_fan_out=bool(config.get("fan_in_fan_out")),
        inference_mode=True,
        **extra,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep reports and bars of transformers off the screen: faults are raised as errors."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # peft still asks for it by the old name.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated")
            # About merging an adapter on a tied embedding; nothing is merged here.
            warnings.filterwarnings("ignore", "Model has `tie_word_embeddings=True`")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _line(error: Exception) -> str:
    """Show an error of another library on one line."""
    return f"{type(error).__name__}: {shorten(printable(' '.join(str(error).split())), 300)}"
