"""Read weights tensor by tensor, in blocks, without holding a model; torch is not needed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metareval.errors import LoadError
from metareval_backends.adapter import Factors, read_adapter, refuse_beyond
from metareval_backends.folder import Checkpoint
from metareval_backends.safetensors_header import BITS, TensorEntry, listed, open_regular, shown

Array = NDArray[np.float64]

# Numbers held at once: 32 MiB in float64.
BLOCK = 2**22

# Types that hold numbers as they are; smaller ones need the scales of a quantisation.
_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_INTEGERS = frozenset({"BOOL", "U8", "I8", "I16", "U16", "I32", "U32", "I64", "U64"})

# Names inside the layers of vision transformers, older and newer, in this order.
_RENAMED = tuple(
    (re.compile(rf"(?<![^.]){older}(?![^.])"), newer)
    for older, newer in (
        (r"encoder\.layer", "layers"),
        (r"attention\.(?:attention|self)\.query", "attention.q_proj"),
        (r"attention\.(?:attention|self)\.key", "attention.k_proj"),
        (r"attention\.(?:attention|self)\.value", "attention.v_proj"),
        (r"attention\.output\.dense", "attention.o_proj"),
        (r"intermediate\.dense", "mlp.fc1"),
        (r"output\.dense", "mlp.fc2"),
    )
)


class Delta(NamedTuple):
    """The change that an adapter makes to one weight: ``scale * b @ a``.

    Parameters
    ----------
    module : str
        Name of the module, as ``canonical_name`` gives it.
    b : ndarray, shape (rows of the weight, r)
    a : ndarray, shape (r, columns of the weight)
    scale : float
    """

    module: str
    b: Array
    a: Array
    scale: float


def canonical_name(name: str) -> str:
    """Return a name that one tensor or module has in files of all versions of transformers.

    Files keep older names than the modules have, and versions differ in which: parts ``model``
    were moved or dropped, the head moved out of the language model, the tower of CLIP lost a level,
    and the layers of vision transformers were renamed.

    Examples
    --------
    >>> canonical_name("language_model.model.layers.0.mlp.up_proj.weight")
    'language_model.layers.0.mlp.up_proj.weight'
    >>> canonical_name("model.language_model.layers.0.mlp.up_proj.weight")
    'language_model.layers.0.mlp.up_proj.weight'
    >>> canonical_name("language_model.lm_head.weight")
    'lm_head.weight'
    >>> canonical_name("vit.encoder.layer.0.attention.attention.query.weight")
    'vit.layers.0.attention.q_proj.weight'
    """
    parts = [part for part in name.split(".") if part != "model"]
    if parts[:2] == ["language_model", "lm_head"]:
        parts = parts[1:]
    if parts[:2] == ["vision_tower", "vision_model"]:
        del parts[1]
    plain = ".".join(parts)
    for older, newer in _RENAMED:
        plain = older.sub(newer, plain)
    return plain


def canonical(names: Iterable[str], *, who: str) -> dict[str, str]:
    """Map canonical names to the given ones.

    Raises
    ------
    LoadError
        Two names become one.
    """
    out: dict[str, str] = {}
    for name in names:
        plain = canonical_name(name)
        if plain in out:
            raise LoadError(
                f"{who} holds {listed([out[plain]])} and {listed([name])}, which are names of one "
                "tensor in different versions of transformers. Save it again with one version."
            )
        out[plain] = name
    return out


def tensor_names(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return the names of a checkpoint's tensors on disk, sorted.

    Raises
    ------
    LoadError
        A file is damaged.
    """
    return tuple(sorted(checkpoint.tensors()))


def iterate(checkpoint: Checkpoint) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the tensors of floating-point numbers one by one, in the order of their names.

    Parameters
    ----------
    checkpoint : Checkpoint

    Yields
    ------
    str
        Name on disk.
    ndarray
        float64 where the file has float64, float32 otherwise.

    Raises
    ------
    LoadError
        A file is damaged or quantised.
    """
    entries = checkpoint.tensors()
    for name in sorted(entries):
        if entries[name].dtype not in _INTEGERS:
            yield name, read_tensor(name, entries[name])


def read_tensor(name: str, entry: TensorEntry) -> NDArray[Any]:
    """Read one tensor as float64 where the file has float64, as float32 otherwise.

    Raises
    ------
    LoadError
        It does not hold floating-point numbers, or the file is truncated.
    """
    return _read(name, entry, 0, math.prod(entry.shape)).reshape(entry.shape)


def blocks(name: str, entry: TensorEntry, *, rows: bool = False) -> Iterator[tuple[int, Array]]:
    """Yield a tensor in float64, a bounded number of values at a time.

    Parameters
    ----------
    name : str
    entry : TensorEntry
    rows : bool
        Cut between rows and keep the rows' shape; otherwise blocks are flat.

    Yields
    ------
    int
        Number of the first value, or of the first row.
    ndarray

    Raises
    ------
    LoadError
        As for ``read_tensor``.
    """
    total = math.prod(entry.shape)
    width = math.prod(entry.shape[1:]) if rows else 1
    step = max(BLOCK // max(width, 1), 1)
    for first in range(0, total // max(width, 1), step):
        values = _read(name, entry, first * width, min(step * width, total - first * width))
        shaped = values.reshape(-1, *entry.shape[1:]) if rows else values
        yield first, shaped.astype(np.float64)


def is_quantised(checkpoint: Checkpoint) -> bool:
    """Whether the numbers in the files are codes that need scales to be weights."""
    return bool(checkpoint.config.get("quantization_config"))


def is_integer(entry: TensorEntry) -> bool:
    """Whether a tensor holds counts or flags, such as position numbers, and no weights."""
    return entry.dtype in _INTEGERS


def delta_weights(checkpoint: Checkpoint) -> Iterator[Delta]:
    """Yield what a LoRA adapter adds to each weight, as factors.

    The scale is ``lora_alpha / r``, or ``lora_alpha / sqrt(r)`` with ``use_rslora``, by module
    where ``rank_pattern`` and ``alpha_pattern`` say so.

    Parameters
    ----------
    checkpoint : Checkpoint
        Of kind ``"adapter"``.

    Yields
    ------
    Delta
        In the order of the modules' canonical names.

    Raises
    ------
    LoadError
        It is not a plain LoRA adapter, or a file is damaged.
    """
    factors = adapter_factors(checkpoint)
    for module in sorted(factors):
        yield read_delta(module, factors[module])


def adapter_factors(checkpoint: Checkpoint) -> dict[str, Factors]:
    """Return the factors of a plain LoRA adapter by canonical module name, not yet loaded.

    Raises
    ------
    LoadError
        It is not a plain LoRA adapter.
    """
    adapter = read_adapter(checkpoint)
    refuse_beyond(adapter)
    names = canonical(adapter.factors, who=f"The adapter {checkpoint.name!r}")
    return {plain: adapter.factors[name] for plain, name in names.items()}


def read_delta(module: str, factors: Factors) -> Delta:
    """Read the factors of one module, turned so that their product has the weight's shape."""
    a = read_tensor(f"{factors.module}.lora_A", factors.a).astype(np.float64)
    b = read_tensor(f"{factors.module}.lora_B", factors.b).astype(np.float64)
    if factors.transposed:
        a, b = b.T, a.T
    return Delta(module, b, a, factors.scale)


def _read(name: str, entry: TensorEntry, first: int, count: int) -> NDArray[Any]:
    if entry.dtype not in _FLOATS:
        kind = "integers" if entry.dtype in _INTEGERS else "numbers that need scales"
        raise LoadError(
            f"{shown(entry.path)} holds {listed([name])} in {entry.dtype}, {kind}; expected "
            "floating-point weights of 16 bits or more. Use a checkpoint that is not quantised."
        )
    size = BITS[entry.dtype] // 8
    # Plain reads: the pages of a mapped file would count as memory of this process.
    with open_regular(entry.path) as stream:
        stream.seek(entry.start + first * size)
        data = stream.read(count * size)
    if len(data) != count * size:
        raise LoadError(
            f"{shown(entry.path)} is truncated: found {len(data):,} of {count * size:,} bytes of "
            f"{listed([name])}. It changed while it was read; fetch it again."
        )
    values = np.frombuffer(data, dtype=_FLOATS[entry.dtype])
    if entry.dtype == "BF16":
        # The upper half of a float32.
        values = (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return values if entry.dtype == "F64" else values.astype(np.float32, copy=False)
