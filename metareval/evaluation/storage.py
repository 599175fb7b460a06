"""Where observations are kept, and when a stored one can be used again."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from metareval.errors import ObservationError, OutputError
from metareval.evaluation.identity import Identity
from metareval.files import safe_child
from metareval.observations import Observations
from metareval.results import printable

FOLDER = "observations"
_SAMPLES = "samples"


class Store:
    """The folder of an evaluation.

    Each checkpoint has a folder of its own for every setting of an ``Identity``, so that a short
    trial does not replace the observations of a long run.

    Parameters
    ----------
    out : path
        Made where it is not there.

    Raises
    ------
    OutputError
        The folder cannot be made.
    """

    def __init__(self, out: str | os.PathLike[str]) -> None:
        self.out = Path(out)
        _make(self.out)

    def folder(self, identity: Identity) -> Path:
        """Return the folder of a checkpoint, made where it is not there."""
        folder = safe_child(self.out, f"{FOLDER}/{slug(identity.names)}")
        _make(folder)
        return folder

    def path(self, identity: Identity, split: str) -> Path:
        """Return the file of a checkpoint's observations on a split."""
        return safe_child(self.out, f"{FOLDER}/{slug(identity.names)}/{split}.safetensors")

    def find(self, identity: Identity, split: str, samples: str) -> tuple[Observations | None, str]:
        """Return stored observations that can be used, or None and why those there cannot.

        Parameters
        ----------
        identity : Identity
            The checkpoint as it is now.
        split : str
        samples : str
            Hash of the samples.
        """
        path = self.path(identity, split)
        try:
            if not path.exists() and not path.is_symlink():
                return None, ""
            seen = Observations.load(path, max_bytes=None)
        except OSError as exc:
            return None, f"the stored file could not be used: {exc.strerror or exc}"
        except ObservationError as exc:
            return None, f"the stored file could not be used: {exc}"
        reason = identity.difference(seen.provenance)
        if not reason and seen.provenance.get(_SAMPLES) != samples:
            reason = "the samples changed"
        if not reason and seen.split != split:
            reason = f"the stored file holds the split {seen.split}"
        return (None, reason) if reason else (seen, "")

    def save(self, seen: Observations, identity: Identity, samples: str) -> Observations:
        """Keep observations with what ``find`` compares, whole or not at all."""
        told = {**seen.provenance, **identity.entries(), _SAMPLES: samples}
        kept = replace(seen, provenance=told)
        self.folder(identity)
        kept.save(self.path(identity, seen.split))
        return kept


def slug(names: Mapping[str, str]) -> str:
    """Return a folder name for a checkpoint: the end of its name, and a hash of all names.

    Examples
    --------
    >>> slug({"checkpoint": "../runs/GA seed=1", "backend": "toy"})
    'GA-seed-1-...'
    """
    last = names["checkpoint"].rstrip("/").rpartition("/")[2]
    short = re.sub(r"[^A-Za-z0-9._-]+", "-", last)[-40:].strip("-._")
    text = json.dumps(sorted(names.items()))
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()[:10]
    return f"{short}-{digest}" if short else digest


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise OutputError(
            f"The folder {printable(str(folder))} could not be made: {reason}. Name a folder that "
            "you may write to."
        ) from exc
