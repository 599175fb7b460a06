"""What a LoRA adapter consists of: its settings, and which tensors belong to which module."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metareval.errors import LoadError
from metareval.results import printable, shorten
from metareval_backends.folder import Checkpoint
from metareval_backends.safetensors_header import TensorEntry, listed

# Values of init_lora_weights that leave the base as it is. Others subtract the adapter's start
# from the base, or read files of their own.
_PLAIN_STARTS = (None, True, False, "gaussian", "orthogonal", "eva")

# Settings that say nothing about the function of a trained adapter.
_IGNORED = frozenset(
    {
        "auto_mapping",
        "base_model_name_or_path",
        "eva_config",
        "exclude_modules",
        "inference_mode",
        "init_lora_weights",
        "layers_pattern",
        "layers_to_transform",
        "loftq_config",
        "lora_dropout",
        "megatron_core",
        "peft_type",
        "peft_version",
        "qalora_group_size",
        "revision",
        "runtime_config",
        "target_modules",
        "task_type",
    }
)
# Settings that are carried over.
CARRIED = ("r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "fan_in_fan_out")
# Settings with which an adapter changes more than products of two factors.
BEYOND = ("bias", "lora_bias", "modules_to_save", "use_dora", "trainable_token_indices")

# The factors of a linear layer and of an embedding; peft keeps the latter transposed.
_FACTOR = re.compile(r"(?P<module>.+)\.lora_(?P<embedding>embedding_)?(?P<side>[AB])(?:\.weight)?")
_PREFIX = "base_model.model."


@dataclass(frozen=True)
class Factors:
    """The two factors of one module, as they lie on disk.

    Parameters
    ----------
    module : str
        Name of the module in the model that was trained.
    a, b : TensorEntry
        Shapes (r, in) and (out, r).
    transposed : bool
        Whether the weight of the module is (in, out): embeddings, and layers with
        ``fan_in_fan_out``.
    embedding : bool
    scale : float
        Factor in front of the product.
    """

    module: str
    a: TensorEntry
    b: TensorEntry
    transposed: bool
    embedding: bool
    scale: float

    @property
    def rank(self) -> int:
        """Number of rows of A."""
        return self.a.shape[0]

    @property
    def weight_shape(self) -> tuple[int, int]:
        """Shape of the weight that the product is added to."""
        out, into = self.b.shape[0], self.a.shape[1]
        return (into, out) if self.transposed else (out, into)


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter, checked.

    Parameters
    ----------
    checkpoint : Checkpoint
    factors : mapping of str to Factors
        By the name of the module.
    others : mapping of str to TensorEntry
        Tensors that are not factors, by their name on disk without peft's prefix.
    """

    checkpoint: Checkpoint
    factors: Mapping[str, Factors]
    others: Mapping[str, TensorEntry]


def read_adapter(checkpoint: Checkpoint) -> Adapter:
    """Read the settings of an adapter and pair its factors; no tensor is loaded.

    Parameters
    ----------
    checkpoint : Checkpoint
        Of kind ``"adapter"``.

    Raises
    ------
    LoadError
        It is not a LoRA adapter, has settings that are not supported, a factor without its
        partner, or shapes that do not belong together.
    """
    config, name = checkpoint.config, checkpoint.name
    if checkpoint.kind != "adapter":
        raise LoadError(f"The checkpoint {name!r} holds full weights; expected an adapter.")
    _check_settings(config, name)
    sides: dict[tuple[str, bool], dict[str, TensorEntry]] = {}
    others = {}
    for key, entry in checkpoint.tensors().items():
        bare = key.removeprefix(_PREFIX)
        match = _FACTOR.fullmatch(bare)
        if match is None:
            others[bare] = entry
            continue
        if entry.dtype not in ("F64", "F32", "F16", "BF16"):
            raise LoadError(
                f"The adapter {name!r} keeps {listed([bare])} in {entry.dtype}; expected floating "
                "point numbers of 16 bits or more."
            )
        place = (match["module"], match["embedding"] is not None)
        side = sides.setdefault(place, {})
        if match["side"] in side:
            raise LoadError(f"The adapter {name!r} holds {listed([bare])} twice.")
        side[match["side"]] = entry
    factors: dict[str, Factors] = {}
    for (module, embedding), side in sorted(sides.items()):
        if module in factors:
            raise LoadError(f"The adapter {name!r} holds two pairs for {listed([module])}.")
        factors[module] = _pair(config, name, module, embedding, side)
    if not factors:
        raise LoadError(
            f"The adapter {name!r} holds no LoRA factors: found {listed(others)}; expected names "
            "that end in lora_A.weight and lora_B.weight."
        )
    return Adapter(checkpoint, factors, others)


def refuse_beyond(adapter: Adapter) -> None:
    """Refuse an adapter that changes more than products of two factors.

    Raises
    ------
    LoadError
        It trains biases, whole modules or magnitudes.
    """
    config, name = adapter.checkpoint.config, adapter.checkpoint.name
    used = [key for key in BEYOND if config.get(key) not in (None, False, "none", [], {})]
    if used or adapter.others:
        found = ", ".join(f"{k}={shorten(repr(config[k]), 60)}" for k in used)
        raise LoadError(
            f"The adapter {name!r} changes more than products of LoRA factors "
            f"({found or listed(adapter.others)}), which its distance would leave out. Merge it "
            "into its base (merge_and_unload, save_pretrained) and compare full weights."
        )


def _check_settings(config: Mapping[str, Any], name: str) -> None:
    kind = config.get("peft_type")
    if kind != "LORA":
        raise LoadError(
            f"The adapter {name!r} is of type {shorten(repr(kind), 60)}; LoRA alone is supported "
            "('LORA'). Merge it into its base and use the full weights."
        )
    start = config.get("init_lora_weights")
    if not any(start is value or start == value for value in _PLAIN_STARTS):
        raise LoadError(
            f"The adapter {name!r} was started with init_lora_weights={shorten(repr(start), 60)}, "
            "which changes the base too. Convert it to a plain LoRA adapter (peft: "
            "save_pretrained with path_initial_model_for_weight_conversion) or merge it."
        )
    for key, value in config.items():
        known = key in _IGNORED or key in CARRIED or key in BEYOND
        if not known and value not in (None, False, "none", [], {}):
            raise LoadError(
                f"The adapter {name!r} has the setting {shorten(printable(key), 60)}="
                f"{shorten(repr(value), 60)}, which is not supported: plain LoRA is. Merge it into "
                "its base and use the full weights."
            )
    for key in ("rank_pattern", "alpha_pattern"):
        value = config.get(key)
        if value is not None and not isinstance(value, dict):
            raise _bad(name, key, value, "an object of patterns and numbers")


def _pair(
    config: Mapping[str, Any],
    name: str,
    module: str,
    embedding: bool,
    side: Mapping[str, TensorEntry],
) -> Factors:
    what = f"The adapter {name!r}, module {listed([module])}"
    if len(side) != 2:
        raise LoadError(
            f"{what}: found the factor {next(iter(side))} alone; expected A and B. Save it again."
        )
    a, b = side["A"], side["B"]
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise LoadError(
            f"{what}: found shapes {a.shape} and {b.shape}; LoRA of linear layers and embeddings, "
            "with two dimensions, is supported. Merge it into its base."
        )
    rank = _number(name, "r", _setting(config, name, "rank_pattern", "r", 8, module))
    alpha = _number(
        name, "lora_alpha", _setting(config, name, "alpha_pattern", "lora_alpha", 8, module)
    )
    if rank < 1 or a.shape[0] != rank or b.shape[1] != rank:
        raise LoadError(
            f"{what}: found shapes {a.shape} and {b.shape}; expected the rank {rank:g} of "
            "adapter_config.json in between. Files of two adapters may be mixed up."
        )
    return Factors(
        module=module,
        a=a,
        b=b,
        transposed=embedding or bool(config.get("fan_in_fan_out")),
        embedding=embedding,
        scale=alpha / (math.sqrt(rank) if config.get("use_rslora") else rank),
    )


def _setting(
    config: Mapping[str, Any], name: str, patterns: str, default: str, otherwise: int, module: str
) -> object:
    """Look a setting up for one module as peft does: the first pattern that matches its end."""
    for pattern, value in (config.get(patterns) or {}).items():
        try:
            if re.match(rf"(.*\.)?({pattern})$", module):
                return value
        except re.error as error:
            raise _bad(name, patterns, pattern, f"a regular expression ({error})") from error
    return config.get(default, otherwise)


def _number(name: str, key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e9:
        raise _bad(name, key, value, "a number")
    return value


def _bad(name: str, key: str, value: object, expected: str) -> LoadError:
    return LoadError(
        f"The adapter {name!r} has {key}={shorten(repr(value), 60)} in adapter_config.json; "
        f"expected {expected}."
    )
