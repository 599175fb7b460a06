"""How a check says which rule was broken."""

from __future__ import annotations

from typing import Any

from metareval.errors import CheckFailed
from metareval.protocols import faults


def failed(what: str, rule: str, *, found: str, expected: str, mend: str) -> CheckFailed:
    """Build the error for a broken rule."""
    return CheckFailed(
        f"{what} breaks the rule '{rule}'. Found: {found}. Expected: {expected}. {mend}"
    )


def check_protocol(kind: str, plugin: Any) -> str:
    """Hold an object against its protocol; return what to call it in messages."""
    if isinstance(plugin, type):
        raise failed(
            f"The {kind} {plugin.__name__}",
            "protocol",
            found="a class",
            expected="an object",
            mend=f"Pass {plugin.__name__}().",
        )
    wrong = faults(kind, plugin)
    if wrong:
        raise CheckFailed(
            f"{shown(plugin)} breaks the rule 'protocol' of a {kind}. {' '.join(wrong)} "
            f"See metareval.protocols.{kind.capitalize()}."
        )
    return f"The {kind} {plugin.name!r}"


def shown(value: object) -> str:
    """Show a value on one line of bounded length."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def raised(error: BaseException) -> str:
    """Say which error was raised, in one bounded line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}".rstrip(": ")
