"""Checks of the options that several questions share."""

from __future__ import annotations

from metareval.errors import ArgumentError, unknown_name
from metareval.stats.association import check_estimate
from metareval.stats.multiplicity import check_correction
from metareval.stats.resample import check_fraction, check_resamples

PROTOCOLS = ("published",)


def check_options(
    *,
    estimate: str = "stratified",
    correction: str = "holm",
    n_resamples: int = 1,
    confidence: float = 0.95,
) -> None:
    """Refuse option values that do not exist, before any work is done."""
    check_estimate(estimate)
    check_correction(correction)
    check_resamples(n_resamples)
    check_fraction(confidence, "confidence")


def check_protocol(protocol: str | None, **changed: object) -> bool:
    """Say whether the published protocol is asked for; it takes no further choices.

    Parameters
    ----------
    protocol : {None, "published"}
    **changed
        Options that the published protocol fixes; True where the caller changed one.
    """
    if protocol is None:
        return False
    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    for name, is_changed in changed.items():
        if is_changed:
            raise ArgumentError(
                f"protocol='published' fixes {name}; leave {name} out, or leave protocol out."
            )
    return True
