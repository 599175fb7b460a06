"""Errors that metareval raises on purpose.

Every message names what was looked at, what was found, what was expected and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# A message lists at most this many names.
MOST_NAMES = 40
# Among more, near ones are not looked for: it would take minutes.
_MOST_COMPARED = 2000


class MetarevalError(Exception):
    """Base of every error that metareval raises on purpose."""


class TableError(MetarevalError, ValueError):
    """A table that cannot be analysed as it stands: the message names the column or row."""


class LoadError(MetarevalError, ValueError):
    """A file that cannot be read as a table: the message names the file."""


class ArgumentError(MetarevalError, ValueError):
    """An argument with a value that the function does not take."""


class ObservationError(MetarevalError, ValueError):
    """What a model did, in a form that cannot be measured: the message names the field or file."""


class OutputError(MetarevalError, OSError):
    """A result that could not be written: the message names the path."""


class MissingDependencyError(MetarevalError, ImportError):
    """An optional part that is not installed: the message gives the pip command."""


class PluginError(MetarevalError, ImportError):
    """A plug-in that is installed but cannot be used: the message names it and its package."""


class CheckFailed(MetarevalError, AssertionError):
    """A plug-in that breaks a rule of ``metareval.testing``: the message says which."""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> ArgumentError:
    """Build the error for a name that is not registered, with near matches and all that exist."""
    names = sorted(map(str, known))
    compared = names if len(names) <= _MOST_COMPARED else []
    near = difflib.get_close_matches(_text(name)[:200], compared, n=2)
    hint = f" Did you mean {' or '.join(map(_brief, near))}?" if near else ""
    listed = ", ".join(map(_brief, names[:MOST_NAMES])) or "none"
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ArgumentError(f"Unknown {kind} {_brief(name)}.{hint} Known: {listed}{more}.")


def _text(name: object) -> str:
    return name if isinstance(name, str) else _brief(name)


def _brief(name: object) -> str:
    """Quote a name so that it stays on one line of bounded length."""
    try:
        text = repr(name)
    except ValueError:  # an integer of thousands of digits
        return "a huge number"
    return text if len(text) <= 60 else f"{text[:57]}..."
