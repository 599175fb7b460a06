"""The file of a study: what it may hold, checked before anything is trained."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from metareval.errors import LoadError
from metareval.observations import SPLITS
from metareval.plugins import list_plugins, metric_names
from metareval.results import printable, shorten
from metareval_backends.study import known, presets
from metareval_backends.study.reader import Reader

DISTANCES = ("function", "weights")
STANDARD = "standard"

Settings = dict[str, Any]
Start = Literal["shared", "own"]


@dataclass(frozen=True)
class Architecture:
    """A kind of model, and how it is made and trained.

    Parameters
    ----------
    name, backend : str
    tiny : mapping or None
        Keywords of a small model that is built offline.
    base : str or None
        Folder or hub id of the model that training starts from. One of ``tiny`` and ``base`` is
        given.
    train : mapping
        Fields of a ``Schedule``, for bases and oracles.
    adapter : mapping or None
        ``r``, ``alpha`` and ``dropout`` of a LoRA adapter; all weights are trained where None.
    batch_size, dtype, device, layer
        Of observing and loading, as the backend takes them.
    """

    name: str
    backend: str
    tiny: Mapping[str, int] | None
    base: str | None
    train: Mapping[str, float]
    adapter: Mapping[str, float] | None
    batch_size: int | None
    dtype: str | None
    device: str | None
    layer: str | None


@dataclass(frozen=True)
class BenchmarkChoice:
    """A benchmark with its options.

    Parameters
    ----------
    name : str
        Name of the plug-in.
    label : str
        Name in the table.
    options : mapping
    architectures : tuple of str
        Architectures that are trained on it.
    """

    name: str
    label: str
    options: Mapping[str, Any]
    architectures: tuple[str, ...]


@dataclass(frozen=True)
class Strength:
    """A method with its numbers, for one architecture.

    Parameters
    ----------
    label : str
    schedule : mapping
        Fields of a ``Schedule``.
    options : mapping of str to float
        Further numbers that the method takes.
    """

    label: str
    schedule: Mapping[str, float]
    options: Mapping[str, float]


@dataclass(frozen=True)
class MethodChoice:
    """An unlearning method.

    Parameters
    ----------
    name : str
        As ``metareval_backends.unlearning.get_method`` takes it.
    label : str
        Name in the table.
    strengths : mapping of str to tuple of Strength
        By architecture.
    """

    name: str
    label: str
    strengths: Mapping[str, tuple[Strength, ...]]


@dataclass(frozen=True)
class Study:
    """A grid of architectures, benchmarks, methods, strengths and seeds.

    Build one with ``read_study``; the constructor itself does not validate.

    Parameters
    ----------
    name : str
    seed : int
        Of bases and oracles.
    seeds : tuple of int
        Of the runs of every method.
    oracles : int
        Models retrained without the forget split, in each block.
    oracle_start : {"shared", "own"}
        Whether oracles start from the initialisation of the base, or each from its own.
    keep_checkpoints : bool
        Whether the weights of unlearned models are kept; those of bases and oracles are.
    architectures, benchmarks, methods
    metrics : tuple of str or None
    distances : tuple of str
        The first is the table's distance to the oracle.
    probe : str or None
        Split of the distance in function space.
    data : mapping
        What stands in the file.
    source : str
        The file, for messages.
    """

    name: str
    seed: int
    seeds: tuple[int, ...]
    oracles: int
    oracle_start: Start
    keep_checkpoints: bool
    architectures: tuple[Architecture, ...]
    benchmarks: tuple[BenchmarkChoice, ...]
    methods: tuple[MethodChoice, ...]
    metrics: tuple[str, ...] | None
    distances: tuple[str, ...]
    probe: str | None
    data: Mapping[str, Any]
    source: str


def read_study(name: str) -> Study:
    """Read a study from a file, or by the name of a preset.

    Parameters
    ----------
    name : str
        Path of a TOML file, or one of ``presets.names()``. A file goes before a preset.

    Returns
    -------
    Study

    Raises
    ------
    LoadError
        There is no such file or preset, or it is not TOML.
    ArgumentError
        A key is unknown, missing or of another type, or a name is not known; the message names
        the file and the key.

    Examples
    --------
    >>> study = read_study("smoke")
    >>> study.name, study.oracles
    ('smoke', 2)
    """
    source, text = presets.find(name)
    try:
        data = tomllib.loads(text)
    # Deeply nested arrays exhaust the parser's recursion.
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        what = shorten(printable(str(error)), 200)
        raise LoadError(f"{source}: not a TOML file: {what}. docs/study.md shows one.") from error
    return study_of(data, source=source)


def study_of(data: Mapping[str, Any], *, source: str) -> Study:
    """Check what stands in a file.

    Parameters
    ----------
    data : mapping
    source : str
        The file, for messages.

    Raises
    ------
    ArgumentError
    """
    top = Reader(data, file=source)
    name = top.name("name")
    seed = top.whole("seed", 0, low=0)
    seeds = top.wholes("seeds", low=0)
    oracles = top.whole("oracles", low=1)
    oracle_start: Start = top.choice("oracle_start", ("shared", "own"), "shared")
    keep = top.flag("keep_checkpoints", False)
    readers = top.tables("architecture")
    architectures = tuple(_architecture(each) for each in readers)
    _refuse_same("architecture", readers, [a.name for a in architectures], "name")
    named = tuple(a.name for a in architectures)
    readers = top.tables("benchmark")
    benchmarks = tuple(_benchmark(each, named) for each in readers)
    _refuse_same("benchmark", readers, [b.label for b in benchmarks], "label")
    readers = top.tables("method")
    methods = tuple(_method(each, named) for each in readers)
    _refuse_same("method", readers, [m.label for m in methods], "label")
    measure = top.table("measure")
    metrics = measure.texts("metrics", None)
    for metric in metrics or ():
        if metric not in metric_names():
            raise measure.unknown("metrics", "metric", metric, metric_names())
    distances = measure.texts("distances", ("function",))
    for distance in distances:
        if distance not in DISTANCES:
            raise measure.unknown("distances", "distance", distance, DISTANCES)
    probe = measure.choice("probe", SPLITS, None)
    measure.close()
    top.close()
    idle = [a for a in named if not any(a in b.architectures for b in benchmarks)]
    if idle:
        raise top.error(
            "benchmark", f"no benchmark is for the architecture {idle[0]!r}; add it to one's list."
        )
    return Study(
        name=name,
        seed=seed,
        seeds=seeds,
        oracles=oracles,
        oracle_start=oracle_start,
        keep_checkpoints=keep,
        architectures=architectures,
        benchmarks=benchmarks,
        methods=methods,
        metrics=metrics,
        distances=distances,
        probe=probe,
        data=data,
        source=source,
    )


def _architecture(reader: Reader) -> Architecture:
    name = reader.name("name")
    backend = reader.text("backend")
    if backend not in _plugin_names("backend"):
        raise reader.unknown("backend", "backend", backend, _plugin_names("backend"))
    base = reader.text("base", None)
    tiny = _tiny(reader, backend) if "tiny" in reader else None
    if (base is None) == (tiny is None):
        found = "both" if base is not None else "neither"
        raise reader.error("base", f"found {found} of 'base' and 'tiny'; expected one of them.")
    adapter = None
    if "adapter" in reader:
        if base is None:
            raise reader.error("adapter", "an adapter belongs to a model on disk: give 'base'.")
        given = reader.table("adapter")
        adapter = {
            "r": given.whole("r", 8, low=1),
            "alpha": given.number("alpha", 16.0, low=0, closed=False),
            "dropout": given.number("dropout", 0.0, low=0),
        }
        if adapter["dropout"] >= 1:
            raise given.error("dropout", f"found {adapter['dropout']}; expected less than 1.")
        given.close()
    train = reader.table("train", required=True)
    schedule = _schedule(train)
    _require_schedule(train, schedule)
    made = Architecture(
        name=name,
        backend=backend,
        tiny=tiny,
        base=base,
        train=schedule,
        adapter=adapter,
        batch_size=reader.whole("batch_size", None, low=1),
        dtype=reader.choice("dtype", known.DTYPES, None),
        device=reader.text("device", None),
        layer=reader.text("layer", None),
    )
    reader.close()
    return made


def _tiny(reader: Reader, backend: str) -> dict[str, int]:
    if backend not in known.TINY:
        raise reader.error(
            "tiny",
            f"small models are built for {', '.join(known.TINY)}; for the backend {backend!r} "
            "give 'base'.",
        )
    given = reader.table("tiny")
    tiny = {key: given.whole(key, None, low=1) for key in known.TINY[backend]}
    given.close()
    return {key: value for key, value in tiny.items() if value is not None}


def _benchmark(reader: Reader, architectures: Sequence[str]) -> BenchmarkChoice:
    name = reader.text("name")
    if name not in _plugin_names("benchmark"):
        raise reader.unknown("name", "benchmark", name, _plugin_names("benchmark"))
    label = reader.name("label", name)
    options = reader.table("options").scalars()
    only = reader.texts("architectures", tuple(architectures))
    for each in only:
        if each not in architectures:
            raise reader.unknown("architectures", "architecture", each, architectures)
    reader.close()
    return BenchmarkChoice(name, label, options, tuple(a for a in architectures if a in only))


def _method(reader: Reader, architectures: Sequence[str]) -> MethodChoice:
    name = reader.text("name")
    # A method of another package is imported where it runs.
    if name not in known.METHODS and ":" not in name:
        raise reader.unknown("name", "unlearning method", name, known.METHODS)
    label = reader.name("label") if ":" in name else reader.name("label", name)
    schedule = _schedule(reader.table("schedule"))
    options = reader.table("options").numbers()
    given = reader.tables("strengths", required=False)
    overrides = reader.table("architecture")
    others = overrides.named_tables()
    for each in others:
        if each not in architectures:
            raise overrides.unknown(each, "architecture", each, architectures)
    found: dict[str, tuple[Strength, ...]] = {}
    for architecture in architectures:
        own, strengths = others.get(architecture), given
        base = Strength(STANDARD, schedule, options)
        if own is not None:
            base = _over(base, own)
            strengths = own.tables("strengths", required=False) or given
            own.close()
        found[architecture] = _strengths(base, strengths, own or reader)
    labels = {architecture: [s.label for s in each] for architecture, each in found.items()}
    for architecture, here in labels.items():
        first = labels[architectures[0]]
        if here != first:
            raise reader.error(
                "architecture",
                f"the strengths are {', '.join(first)} for {architectures[0]!r} and "
                f"{', '.join(here)} for {architecture!r}; expected the same labels in one order.",
            )
    reader.close()
    return MethodChoice(name, label, found)


def _strengths(base: Strength, given: Sequence[Reader], owner: Reader) -> tuple[Strength, ...]:
    if not given:
        _require_schedule(owner, base.schedule, "schedule")
        return (base,)
    found = []
    for reader in given:
        made = _over(Strength(reader.name("label"), base.schedule, base.options), reader)
        reader.close()
        _require_schedule(reader, made.schedule, "schedule")
        found.append(made)
    _refuse_same("strengths", given, [s.label for s in found], "label")
    return tuple(found)


def _over(base: Strength, reader: Reader) -> Strength:
    return Strength(
        base.label,
        {**base.schedule, **_schedule(reader.table("schedule"))},
        {**base.options, **reader.table("options").numbers()},
    )


def _schedule(reader: Reader) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, (kind, low, closed) in known.SCHEDULE.items():
        value = (
            reader.whole(key, None, low=int(low))
            if kind is int
            else reader.number(key, None, low=low, closed=closed)
        )
        if value is not None:
            found[key] = value
    reader.close()
    return found


def _require_schedule(reader: Reader, schedule: Mapping[str, float], place: str = "") -> None:
    for key in known.SCHEDULE_REQUIRED:
        if key not in schedule:
            full = f"{place}.{key}" if place else key
            raise reader.error(full, "is missing; a training needs it.")


def _refuse_same(kind: str, readers: Sequence[Reader], names: Sequence[str], key: str) -> None:
    seen: dict[str, str] = {}
    for reader, name in zip(readers, names, strict=True):
        # Folders of both names would be one where case does not count.
        other = seen.setdefault(name.casefold(), name)
        if names.count(name) > 1 or other != name:
            raise reader.error(
                key, f"{kind} {name!r} is there already as {other!r}; give each its own {key}."
            )


@cache
def _plugin_names(kind: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(list_plugins(kind)["name"]))
