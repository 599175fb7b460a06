"""Distances of weights, which the backend measures, kept so that they are measured once."""

from __future__ import annotations

import json
import math
from typing import Any

from metareval.errors import LoadError, MetarevalError
from metareval.evaluation.identity import Identity
from metareval.evaluation.models import BackendDoor
from metareval.evaluation.storage import Store
from metareval.files import write_atomic
from metareval.reading.files import read_text
from metareval.reading.json_text import parse_json
from metareval.results import printable, shorten

_FILE = "weight_distances.json"
_MOST_BYTES = 16 * 2**20


class WeightDistances:
    """Distances between checkpoints' weights, read from the store or measured."""

    def __init__(self, store: Store, door: BackendDoor, base: str | None) -> None:
        self._store, self._door, self._base = store, door, base

    def between(self, model: Identity, oracle: Identity) -> float:
        """Return the distance of a checkpoint from an oracle.

        Raises
        ------
        ArgumentError
            The backend measures no distance of weights.
        MetarevalError
            It could not be measured for these two.
        """
        known = self.stored(model, oracle)
        if known is not None:
            return known
        measure = self._door.weight_distance()
        names = (model.names["checkpoint"], oracle.names["checkpoint"])
        try:
            value = float(measure(*names, base=self._base))
        except MetarevalError:
            raise
        except Exception as exc:
            text = shorten(printable(f"{type(exc).__name__}: {exc}"), 300)
            raise LoadError(f"weight_distance raised {text}") from exc
        if not math.isfinite(value) or value < 0:
            raise LoadError(
                f"The backend {self._door.name!r} returned the weight distance {value}; expected a "
                "finite number of at least 0."
            )
        entry = {"model": model.entries(), "oracle": oracle.entries(), "distance": value}
        others = [e for e in self._entries(model) if e["oracle"].get("checkpoint") != names[1]]
        self._save(model, [*others, entry])
        return value

    def stored(self, model: Identity, oracle: Identity) -> float | None:
        """Return a distance that was measured before; None where there is none."""
        for entry in self._entries(model):
            if not model.difference(entry["model"]) and not oracle.difference(entry["oracle"]):
                return float(entry["distance"])
        return None

    def _entries(self, model: Identity) -> list[dict[str, Any]]:
        path = self._store.folder(model) / _FILE
        if not path.is_file():
            return []
        try:
            entries = parse_json(read_text(path, limit=_MOST_BYTES))
        # What cannot be read is measured again.
        except (LoadError, ValueError):
            return []
        entries = entries if isinstance(entries, list) else []
        return [entry for entry in entries if _sound(entry)]

    def _save(self, model: Identity, entries: list[dict[str, Any]]) -> None:
        path = self._store.folder(model) / _FILE
        write_atomic(path, json.dumps(entries, indent=1, sort_keys=True) + "\n")


def _sound(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and all(isinstance(entry.get(key), dict) for key in ("model", "oracle"))
        and isinstance(entry.get("distance"), float)
        and math.isfinite(entry["distance"])
        and entry["distance"] >= 0
    )
