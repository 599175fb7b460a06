"""How far two checkpoints are apart in their weights, read in blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from metareval.errors import LoadError
from metareval_backends.adapter import Factors
from metareval_backends.folder import Checkpoint, find_checkpoint
from metareval_backends.safetensors_header import TensorEntry, listed
from metareval_backends.weights import (
    Array,
    Delta,
    adapter_factors,
    blocks,
    canonical,
    is_integer,
    is_quantised,
    read_delta,
)

_HEAD = "lm_head.weight"
# Constants that older versions saved; they are computed from the configuration.
_CONSTANTS = ("rotary_emb.inv_freq",)

Kind = Literal["adapters", "full", "merged"]


@dataclass(frozen=True)
class WeightDistance:
    """How far two checkpoints are apart.

    Parameters
    ----------
    distance : float
        Frobenius norm of the difference of all weights.
    relative : float
        The distance divided by the norm of the second checkpoint (of what it adds to its base,
        for two adapters); NaN where that is 0.
    kind : {"adapters", "full", "merged"}
        What was compared: what two adapters add, two sets of full weights, or an adapter merged
        into its base and full weights.
    n_tensors : int
        Weights compared; for two adapters, weights that either of them changes.
    """

    distance: float
    relative: float
    kind: Kind
    n_tensors: int


def weight_distance(
    a: str | Checkpoint, b: str | Checkpoint, *, base: str | Checkpoint | None = None
) -> WeightDistance:
    """Return the Frobenius distance of two checkpoints' weights.

    An adapter counts as what it computes, ``scale * B @ A`` added to its base, so that adapters
    that write the same function differently are at distance 0. Sums are in float64; files are read
    in blocks, so that memory does not grow with the model.

    Parameters
    ----------
    a, b : str or Checkpoint
        Folders or hub ids. The relative distance is relative to ``b``, usually the oracle.
    base : str or Checkpoint, optional
        The model that adapters belong to. Two adapters are taken to share it, and it is not read;
        an adapter and full weights need it.

    Returns
    -------
    WeightDistance

    Raises
    ------
    LoadError
        A checkpoint is missing or damaged; names or shapes do not match; an adapter is not plain
        LoRA; weights are quantised or not finite.

    Examples
    --------
    The same product from other factors:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from safetensors.numpy import save_file
    >>> def write(folder: str, a: list[float], b: list[float]) -> str:
    ...     path = Path(folder)
    ...     path.mkdir()
    ...     settings = '{"peft_type": "LORA", "r": 1, "lora_alpha": 1}'
    ...     _ = (path / "adapter_config.json").write_text(settings)
    ...     factors = {"q.lora_A.weight": np.array([a]), "q.lora_B.weight": np.array([b]).T}
    ...     save_file(factors, path / "adapter_model.safetensors")
    ...     return folder
    >>> with tempfile.TemporaryDirectory() as root:
    ...     one = write(f"{root}/one", [1.0, 2.0], [4.0, 4.0])
    ...     two = write(f"{root}/two", [4.0, 8.0], [1.0, 1.0])
    ...     round(weight_distance(one, two).distance, 9), round(factor_distance(one, two), 3)
    (0.0, 5.475)
    """
    first, second = _found(a, "checkpoint"), _found(b, "checkpoint")
    if first.kind == second.kind == "adapter":
        return _between_adapters(first, second)
    kind: Kind = "full" if first.kind == second.kind else "merged"
    root: Checkpoint | None = None
    if kind == "merged":
        adapter = first if first.kind == "adapter" else second
        if base is None:
            raise LoadError(
                f"The checkpoint {adapter.name!r} is an adapter and the other holds full weights: "
                f"pass base={adapter.config.get('base_model_name_or_path')!r}, or the folder where "
                "the model is that the adapter was trained on."
            )
        root = _found(base, "base")
        if root.kind != "full":
            raise LoadError(f"The base {root.name!r} is an adapter itself; expected full weights.")
    return _between_models(_Model(first, root), _Model(second, root), kind)


def factor_distance(a: str | Checkpoint, b: str | Checkpoint) -> float:
    """Return the mean L2 distance of two adapters' tensors A and B, as published.

    Not a distance of what the adapters do: for any invertible M, the factors ``B @ M`` and
    ``inv(M) @ A`` compute the same as B and A and lie arbitrarily far from them. Two trainings
    start from different A, so this measures the start as much as the result; it also leaves out
    the scale. It is here so that published numbers can be reproduced; use ``weight_distance``.

    Parameters
    ----------
    a, b : str or Checkpoint
        Two LoRA adapters with the same modules and ranks.

    Returns
    -------
    float

    Raises
    ------
    LoadError
        They are not plain LoRA adapters, or their modules or shapes differ.
    """
    first, second = _found(a, "checkpoint"), _found(b, "checkpoint")
    ours, theirs = adapter_factors(first), adapter_factors(second)
    if ours.keys() != theirs.keys():
        raise LoadError(
            f"The adapters {first.name!r} and {second.name!r} differ in the modules "
            f"{listed(ours.keys() ^ theirs.keys())}; factors can only be compared module by "
            "module. Use weight_distance."
        )
    total = 0.0
    for module in sorted(ours):
        p, q = read_delta(module, ours[module]), read_delta(module, theirs[module])
        if p.a.shape != q.a.shape or p.b.shape != q.b.shape:
            raise LoadError(
                f"Module {listed([module])}: factors of shapes {p.b.shape}, {p.a.shape} in "
                f"{first.name!r} and {q.b.shape}, {q.a.shape} in {second.name!r} cannot be "
                "subtracted. Use weight_distance, which takes different ranks."
            )
        total += float(np.linalg.norm(p.a - q.a)) + float(np.linalg.norm(p.b - q.b))
    return _finite(total / (2 * len(ours)), first, second)


def _between_adapters(first: Checkpoint, second: Checkpoint) -> WeightDistance:
    ours, theirs = adapter_factors(first), adapter_factors(second)
    modules = sorted(ours.keys() | theirs.keys())
    squares, size = 0.0, 0.0
    for module in modules:
        p, q = _delta(module, ours), _delta(module, theirs)
        if p and q and (len(p.b) != len(q.b) or p.a.shape[1] != q.a.shape[1]):
            raise LoadError(
                f"Module {listed([module])} has the shape {ours[module].weight_shape} in "
                f"{first.name!r} and {theirs[module].weight_shape} in {second.name!r}. Expected "
                "adapters for one base."
            )
        squares += _norm_of_products(p, q) ** 2
        size += _norm_of_products(None, q) ** 2
    distance = _finite(math.sqrt(squares), first, second)
    return WeightDistance(distance, _ratio(distance, math.sqrt(size)), "adapters", len(modules))


def _delta(module: str, factors: dict[str, Factors]) -> Delta | None:
    return read_delta(module, factors[module]) if module in factors else None


def _norm_of_products(p: Delta | None, q: Delta | None) -> float:
    """Return the norm of ``p.scale * p.b @ p.a - q.scale * q.b @ q.a``; an absent one is 0.

    The product of the stacked factors is never formed: with [B_p, -B_q] = Q R, its norm is that of
    R @ [A_p; A_q], a matrix of a few rows.
    """
    parts = [(s, d) for s, d in ((1.0, p), (-1.0, q)) if d is not None]
    if not parts:
        return 0.0
    left = np.hstack([sign * d.scale * d.b for sign, d in parts])
    right = np.vstack([d.a for _, d in parts])
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        return math.nan
    triangle = np.linalg.qr(left).R
    return float(np.linalg.norm(triangle @ right))


class _Model:
    """Full weights, or an adapter merged into its base block by block."""

    def __init__(self, checkpoint: Checkpoint, base: Checkpoint | None) -> None:
        self.checkpoint = checkpoint
        adapted = checkpoint.kind == "adapter"
        source = base if adapted and base is not None else checkpoint
        if is_quantised(source):
            raise LoadError(
                f"The checkpoint {source.name!r} holds quantised weights, which are codes and "
                "cannot be subtracted. Use one that is not quantised."
            )
        entries = source.tensors()
        names = canonical(entries, who=f"The checkpoint {source.name!r}")
        self.entries = {
            plain: entries[name]
            for plain, name in names.items()
            if not is_integer(entries[name]) and not plain.endswith(_CONSTANTS)
        }
        self.factors = adapter_factors(checkpoint) if adapted else {}
        for module, factors in self.factors.items():
            entry = self.entries.get(f"{module}.weight")
            if entry is None:
                raise LoadError(
                    f"The adapter {checkpoint.name!r} changes the module {listed([module])}, which "
                    f"the base {source.name!r} does not have. Name the base that it was trained on."
                )
            if entry.shape != factors.weight_shape:
                raise LoadError(
                    f"The adapter {checkpoint.name!r} changes a weight of shape "
                    f"{factors.weight_shape} in the module {listed([module])}; in the base "
                    f"{source.name!r} it has the shape {entry.shape}. Name the base that it was "
                    "trained on."
                )

    def blocks(self, name: str) -> Iterator[Array]:
        """Yield one weight in blocks of rows."""
        module = name.removesuffix(".weight")
        change = None
        if name.endswith(".weight") and module in self.factors:
            change = read_delta(module, self.factors[module])
        for first, values in blocks(name, self.entries[name], rows=change is not None):
            if change is not None:
                rows = change.b[first : first + len(values)]
                values += (change.scale * rows) @ change.a
            yield values.reshape(-1)

    def repeats_embedding(self, other: TensorEntry | None) -> bool:
        """Whether the output head is a second copy of the input embedding ``other``."""
        head = self.entries[_HEAD]
        if other is None or head.shape != other.shape or head.dtype != other.dtype:
            return False
        pairs = zip(blocks(_HEAD, head), blocks(_HEAD, other), strict=True)
        return all(np.array_equal(x, y) for (_, x), (_, y) in pairs)


def _between_models(first: _Model, second: _Model, kind: Kind) -> WeightDistance:
    for model, other in ((first, second), (second, first)):
        _drop_tied_head(model, other)
    names = first.entries.keys()
    if names != second.entries.keys():
        ours, theirs = names - second.entries.keys(), second.entries.keys() - names
        raise LoadError(
            f"The checkpoints {first.checkpoint.name!r} and {second.checkpoint.name!r} hold "
            f"different tensors: {listed(ours) or 'none'} in the first alone, "
            f"{listed(theirs) or 'none'} in the second alone. Expected two of one architecture."
        )
    for name in names:
        shapes = first.entries[name].shape, second.entries[name].shape
        if shapes[0] != shapes[1]:
            raise LoadError(
                f"The tensor {listed([name])} has the shape {shapes[0]} in "
                f"{first.checkpoint.name!r} and {shapes[1]} in {second.checkpoint.name!r}. "
                "Expected two checkpoints of one architecture."
            )
    squares, size = 0.0, 0.0
    for name in sorted(names):
        for x, y in _aligned(first.blocks(name), second.blocks(name)):
            size += float(y @ y)
            x = x - y
            squares += float(x @ x)
    distance = _finite(math.sqrt(squares), first.checkpoint, second.checkpoint)
    return WeightDistance(distance, _ratio(distance, math.sqrt(size)), kind, len(names))


def _drop_tied_head(model: _Model, other: _Model) -> None:
    """Leave out an output head that is the embedding once more, where the other file omits it."""
    if _HEAD not in model.entries or _HEAD in other.entries:
        return
    embeddings = [e for name, e in model.entries.items() if name.endswith("embed_tokens.weight")]
    if len(embeddings) == 1 and model.repeats_embedding(embeddings[0]):
        del model.entries[_HEAD]


def _aligned(left: Iterator[Array], right: Iterator[Array]) -> Iterator[tuple[Array, Array]]:
    """Pair up two cuts of one length into blocks, of which one side may be cut finer."""
    x = y = np.empty(0)
    while True:
        x = x if len(x) else next(left, x)
        y = y if len(y) else next(right, y)
        n = min(len(x), len(y))
        if n == 0:
            return
        yield x[:n], y[:n]
        x, y = x[n:], y[n:]


def _found(name: str | Checkpoint, what: str) -> Checkpoint:
    return name if isinstance(name, Checkpoint) else find_checkpoint(name, what=what)


def _ratio(distance: float, size: float) -> float:
    return distance / size if size > 0 else math.nan


def _finite(distance: float, first: Checkpoint, second: Checkpoint) -> float:
    if math.isfinite(distance):
        return distance
    raise LoadError(
        f"The weights of {first.name!r} or {second.name!r} are not finite numbers. Train again, or "
        "leave the checkpoint out."
    )
