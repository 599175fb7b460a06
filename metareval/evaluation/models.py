"""The backend, and one model at a time, each got only when it is needed."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, cast

from metareval.errors import ArgumentError, LoadError, MetarevalError, ObservationError, PluginError
from metareval.observations import Observations
from metareval.plugins import get_backend
from metareval.protocols import Backend, Sample, faults
from metareval.results import printable, shorten


class BackendDoor:
    """A backend, imported when first asked for if it was given by name."""

    def __init__(self, given: str | Backend) -> None:
        if isinstance(given, str):
            self.name, self._backend = given, None
            return
        if wrong := faults("backend", given):
            raise PluginError(f"{_brief(given)} is not a backend. {' '.join(wrong)}")
        self.name, self._backend = given.name, cast("Backend | None", given)

    def get(self) -> Backend:
        """Return the backend; import it where that has not happened."""
        if self._backend is None:
            self._backend = get_backend(self.name)
        return self._backend

    def fingerprint(self, checkpoint: str, base: str | None) -> str | None:
        """Return the backend's own fingerprint of a checkpoint.

        None where the backend has not been imported, has none, or cannot find the checkpoint.
        """
        ask = getattr(self._backend, "fingerprint", None)
        if not callable(ask):
            return None
        try:
            return str(ask(checkpoint, base))
        # Whatever is wrong with the checkpoint is said when it is loaded.
        except Exception:
            return None

    def weight_distance(self) -> Callable[..., Any]:
        """Return the backend's distance of two checkpoints' weights, or raise ArgumentError."""
        measure = getattr(self.get(), "weight_distance", None)
        if not callable(measure):
            raise ArgumentError(
                f"The backend {self.name!r} offers no weight_distance, which distance='weights' "
                "asks for. Use distance='function'."
            )
        return cast("Callable[..., Any]", measure)


class LazyModel:
    """A model that is loaded when it is first asked something, and let go by ``close``."""

    def __init__(self, door: BackendDoor, checkpoint: str, base: str | None) -> None:
        self._door, self._checkpoint, self._base = door, checkpoint, base
        self._handle: Any = None
        self._loaded = False

    def observe(
        self,
        samples: tuple[Sample, ...],
        split: str,
        *,
        batch_size: int | None,
        layer: str | None,
    ) -> Observations:
        """Return what the model does; any failure becomes an error that says what failed.

        Raises
        ------
        MetarevalError
        """
        backend = self._door.get()
        if not self._loaded:
            with _Told("loading it", LoadError):
                self._handle = backend.load(self._checkpoint, base=self._base)
            self._loaded = True
        with _Told(f"observing {split}", ObservationError):
            seen: Any = backend.observe(
                self._handle, samples, split=split, batch_size=batch_size, layer=layer
            )
        self._check(seen, samples, split)
        return cast(Observations, seen)

    def close(self) -> None:
        """Let the model go, so that the next finds room."""
        if self._loaded:
            self._handle, self._loaded = None, False
            # Models hold cycles, which would keep their memory for a while.
            gc.collect()

    def _check(self, seen: object, samples: tuple[Sample, ...], split: str) -> None:
        what = f"The backend {self._door.name!r}"
        if not isinstance(seen, Observations):
            raise ObservationError(
                f"{what} returned a {type(seen).__name__} from observe, not Observations."
            )
        facts: list[tuple[str, object, object]] = [
            ("split", seen.split, split),
            ("sample ids", seen.sample_ids, tuple(s.sample_id for s in samples)),
            ("gold answers", seen.gold, tuple(s.answer for s in samples)),
        ]
        for name, found, expected in facts:
            if found != expected:
                raise ObservationError(
                    f"{what} returned other {name} than it was given for {split}: {_brief(found)} "
                    f"for {_brief(expected)}. metareval.testing.check_backend shows what else is "
                    "amiss."
                )


class _Told:
    """Turn whatever other packages raise inside the block into one of our errors."""

    def __init__(self, what: str, kind: type[MetarevalError]) -> None:
        self._what, self._kind = what, kind

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, MetarevalError):
            text = shorten(printable(" ".join(f"{type(error).__name__}: {error}".split())), 300)
            raise self._kind(f"{self._what} raised {text}") from error


def _brief(value: object) -> str:
    return shorten(repr(value), 80)
