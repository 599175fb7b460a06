"""Find, list and load metrics, backends and benchmarks, built in or installed by others.

All of them come through entry points of installed packages, metareval's own among them. Listing
reads the packages' metadata; a plug-in's code is imported when it is asked for by name.
"""

from __future__ import annotations

import contextlib
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any, TypeVar, cast

import pandas as pd

from metareval.errors import (
    ArgumentError,
    MetarevalError,
    MissingDependencyError,
    PluginError,
    unknown_name,
)
from metareval.protocols import Backend, Benchmark, Metric, faults
from metareval.results import TEXT_WIDTH, printable

KINDS = ("metric", "backend", "benchmark")
COLUMNS = ("kind", "name", "status", "package", "version", "reason")

# Where metrics registered for this session are said to come from.
SESSION = "(this session)"

# Packages whose distribution has another name than their module.
_DISTRIBUTIONS = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "cv2": "opencv-python",
}

_registered: dict[str, Metric] = {}

AnyMetric = TypeVar("AnyMetric")


@dataclass(frozen=True)
class _Entry:
    """One line of a package's entry points."""

    kind: str
    name: str
    target: str
    package: str
    version: str
    requires: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        return f"{self.package} {self.version}".strip()


def list_plugins(kind: str | None = None, *, check: bool = False) -> pd.DataFrame:
    """List metrics, backends and benchmarks that are installed or registered.

    Parameters
    ----------
    kind : {"metric", "backend", "benchmark"}, optional
        All kinds where None.
    check : bool
        Import each plug-in and say whether it can be used. Without it nothing is imported.

    Returns
    -------
    DataFrame
        Columns ``kind``, ``name``, ``status``, ``package``, ``version`` and ``reason``. The status
        is ``installed``, or with ``check`` one of ``ok``, ``broken`` and ``missing dependency``;
        two packages that claim one name are a ``conflict``. The reason is empty where all is well.

    Raises
    ------
    ArgumentError
        There is no such kind.

    Examples
    --------
    >>> list_plugins("metric").columns.tolist()
    ['kind', 'name', 'status', 'package', 'version', 'reason']
    """
    if kind is not None and kind not in KINDS:
        raise unknown_name("kind of plug-in", kind, KINDS)
    rows = []
    for each in KINDS if kind is None else (kind,):
        entries = _entries(each)
        for entry in entries:
            status, reason = "installed", ""
            try:
                _refuse_conflict([e for e in entries if e.name == entry.name])
                if check:
                    status = "ok"
                    _load(entry)
            except MissingDependencyError as error:
                status, reason = "missing dependency", str(error)
            except _ConflictError as error:
                status, reason = "conflict", str(error)
            except PluginError as error:
                status, reason = "broken", str(error)
            rows.append((each, entry.name, status, entry.package, entry.version, reason))
        if each == "metric":
            status = "ok" if check else "installed"
            rows += [(each, name, status, SESSION, "", "") for name in _registered]
    rows.sort(key=lambda row: (KINDS.index(row[0]), row[1], row[3]))
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)


def plugins_text(frame: pd.DataFrame) -> str:
    """Lay out what ``list_plugins`` returned as text of at most 80 columns.

    Examples
    --------
    >>> row = ("metric", "mine", "broken", "toy", "1.0", "No module named 'x'.")
    >>> print(plugins_text(pd.DataFrame([row], columns=COLUMNS)))
    metrics
      mine  broken  toy 1.0
        No module named 'x'.
    """
    blocks = []
    for kind in KINDS:
        part = frame[frame["kind"] == kind]
        if part.empty:
            continue
        cells = [
            [
                printable(str(text))
                for text in (row["name"], row["status"], f"{row['package']} {row['version']}")
            ]
            for _, row in part.iterrows()
        ]
        wide = [max(len(row[i]) for row in cells) for i in (0, 1)]
        lines = [f"{kind}s"]
        for row, reason in zip(cells, part["reason"], strict=True):
            line = f"  {row[0].ljust(wide[0])}  {row[1].ljust(wide[1])}  {row[2]}".rstrip()
            # Names and packages are other people's: a line that is too long continues below.
            lines += (
                textwrap.wrap(line, TEXT_WIDTH, subsequent_indent="    ", drop_whitespace=True)
                if len(line) > TEXT_WIDTH
                else [line]
            )
            lines += textwrap.wrap(
                printable(str(reason)), TEXT_WIDTH, initial_indent="    ", subsequent_indent="    "
            )
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) or "No plug-ins are installed."


def metric_names() -> list[str]:
    """Return the names of all metrics, whether or not they can be loaded.

    Examples
    --------
    >>> names = metric_names()
    >>> names == sorted(names)
    True
    """
    return _names("metric")


def get_metric(name: str) -> Metric:
    """Return a metric by name.

    Parameters
    ----------
    name : str
        One of ``metric_names()``.

    Raises
    ------
    ArgumentError
        There is no metric of that name.
    MissingDependencyError
        It needs a package that is not installed; the message has the pip command.
    PluginError
        It is installed but cannot be used, or two packages claim the name.
    """
    return cast(Metric, _get("metric", name))


def get_backend(name: str) -> Backend:
    """Return a backend by name; errors are those of ``get_metric``."""
    return cast(Backend, _get("backend", name))


def get_benchmark(name: str) -> Benchmark:
    """Return a benchmark by name; errors are those of ``get_metric``."""
    return cast(Benchmark, _get("benchmark", name))


def get_command(name: str) -> Any:
    """Return what a command of the command line does; errors are those of ``get_metric``.

    Commands that need backends are entry points, so that the core does not import them.

    Returns
    -------
    object
        Its method ``run`` takes the parsed options and returns the exit code.
    """
    return _get("command", name)


def register_metric(metric: AnyMetric) -> AnyMetric:
    """Make a metric known by its name until Python ends, without packaging it.

    Registering the same name again replaces the metric, so that a notebook cell can be run twice.

    Parameters
    ----------
    metric : Metric, or a class of one
        A class is called without arguments. The function can stand above a class as a decorator.

    Returns
    -------
    object
        What was given.

    Raises
    ------
    PluginError
        It is not a metric; the message says what is missing or wrong.
    ArgumentError
        An installed package has a metric of that name.

    Examples
    --------
    >>> @register_metric
    ... class AnswerLength:
    ...     name = "answer_length"
    ...     direction, low, high = "lower", 0.0, float("inf")
    ...     reads, fields, needs_oracle = ("forget",), ("answers",), False
    ...
    ...     def __call__(self, observed, oracle=None):
    ...         return sum(map(len, observed["forget"].answers)) / observed["forget"].n
    >>> get_metric("answer_length").direction
    'lower'
    >>> unregister_metric("answer_length")
    """
    made = _made(metric, "The metric")
    wrong = faults("metric", made)
    if wrong:
        raise PluginError(f"{_short(metric)} is not a metric. {' '.join(wrong)}")
    for entry in _entries("metric"):
        if entry.name == made.name:
            raise ArgumentError(
                f"The metric {made.name!r} is already installed by {entry.origin}. "
                "Give yours another name."
            )
    _registered[made.name] = made
    return metric


def unregister_metric(name: str) -> None:
    """Forget a metric that ``register_metric`` made known."""
    if name not in _registered:
        raise unknown_name("registered metric", name, _registered)
    del _registered[name]


class _ConflictError(PluginError):
    """Two packages that claim one name."""


def _names(kind: str) -> list[str]:
    names = {entry.name for entry in _entries(kind)}
    return sorted(names | set(_registered) if kind == "metric" else names)


def _get(kind: str, name: str) -> Any:
    entries = [entry for entry in _entries(kind) if entry.name == name]
    if entries:
        _refuse_conflict(entries)
        return _load(entries[0])
    if kind == "metric" and name in _registered:
        return _registered[name]
    raise unknown_name(kind, name, _names(kind))


def _refuse_conflict(entries: list[_Entry]) -> None:
    packages = sorted({entry.package for entry in entries})
    if len(entries) > 1:
        kind, name = entries[0].kind, entries[0].name
        claimed = " and ".join(packages) if len(packages) > 1 else f"{packages[0]} twice"
        advice = f"Uninstall one: pip uninstall {packages[-1]}." if len(packages) > 1 else ""
        raise _ConflictError(f"The {kind} {name!r} is claimed by {claimed}. {advice}".rstrip())


def _entries(kind: str) -> list[_Entry]:
    """Read the entry points of one kind from the metadata of every installed package."""
    group = f"metareval.{kind}s"
    found: dict[str, list[_Entry]] = {}
    for distribution in distributions():
        # importlib's own parser gives up on all packages where one has a bad line.
        try:
            text = distribution.read_text("entry_points.txt") or ""
        except (OSError, ValueError):
            continue
        if group not in text:
            continue
        package, version = _identity(distribution)
        # The first on the path is the one that is imported; a second copy is not a conflict.
        key = _normal(package)
        if key not in found:
            requires = tuple(distribution.requires or ())
            found[key] = [
                _Entry(kind, name, target, package, version, requires)
                for name, target in _lines(text, group)
            ]
    return [entry for entries in found.values() for entry in entries]


def _lines(text: str, group: str) -> Iterator[tuple[str, str]]:
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip()
        elif section == group and line and not line.startswith(("#", ";")):
            name, _, target = (part.strip() for part in line.partition("="))
            yield name, target


def _identity(distribution: Distribution) -> tuple[str, str]:
    metadata = distribution.metadata
    return str(metadata["Name"] or "(unnamed package)"), str(metadata["Version"] or "")


def _load(entry: _Entry) -> Any:
    """Import a plug-in and hold it against its protocol."""
    what = f"The {entry.kind} {entry.name!r} of {entry.origin}"
    point = EntryPoint(entry.name, entry.target, f"metareval.{entry.kind}s")
    if not re.fullmatch(r"[\w.]+\s*:\s*[\w.]+", entry.target.partition("[")[0].strip()):
        raise PluginError(
            f"{what} is broken: its entry point is {entry.target!r}; expected 'module:object'. "
            f"Tell the authors of {entry.package}."
        )
    # What a plug-in prints on import must not end in the output of a program that prints JSON.
    try:
        with contextlib.redirect_stdout(sys.stderr):
            plugin = _made(point.load(), what)
            wrong = faults(entry.kind, plugin)
    except MissingDependencyError as error:
        raise MissingDependencyError(f"{what} cannot be used: {_line(error)}") from error
    except PluginError:
        raise
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or missing == point.module.partition(".")[0] or missing == "metareval":
            raise _broken(what, entry, error) from error
        raise MissingDependencyError(
            f"{what} needs the package {missing!r}, which is not installed. "
            f"Install it: {_pip(entry, missing)}"
        ) from error
    # A module that ends Python on import must not end its user's programme.
    except (Exception, SystemExit) as error:
        raise _broken(what, entry, error) from error
    if not wrong and plugin.name != entry.name:
        wrong = [f"Its name is {plugin.name!r}; expected that of its entry point."]
    if wrong:
        raise PluginError(
            f"{what} is broken: {' '.join(wrong)} Tell the authors of {entry.package}."
        )
    return plugin


def _made(plugin: Any, what: str) -> Any:
    if not isinstance(plugin, type):
        return plugin
    try:
        return plugin()
    except MetarevalError:
        raise
    except Exception as error:
        raise PluginError(
            f"{what} is the class {plugin.__name__}, which could not be called without arguments "
            f"({_line(error)}). Give every argument a default, or name an object instead."
        ) from error


def _broken(what: str, entry: _Entry, error: BaseException) -> PluginError:
    return PluginError(
        f"{what} is broken: loading {entry.target} raised {_line(error)}. Update it "
        f"(pip install --upgrade {entry.package}) or tell its authors."
    )


def _pip(entry: _Entry, module: str) -> str:
    """Return the pip command for a module: by way of the package's own extra where it has one."""
    wanted = _normal(_DISTRIBUTIONS.get(module, module))
    for requirement in entry.requires:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", requirement)
        if name and extra and _normal(name.group()) == wanted:
            return f"pip install '{entry.package}[{extra.group(1)}]'"
    return f"pip install {_DISTRIBUTIONS.get(module, module)}"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _line(error: BaseException) -> str:
    """Show an error on one line of bounded length, with its type unless it is our own."""
    text = " ".join(str(error).split())
    text = text if len(text) <= 300 else f"{text[:297]}..."
    if isinstance(error, MetarevalError):
        return text
    return f"{type(error).__name__}: {text}".rstrip(": ")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
