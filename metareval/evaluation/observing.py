"""Observe checkpoints one after another; use what is stored, and store what is new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from metareval.evaluation.identity import Identity, files_hash
from metareval.evaluation.models import BackendDoor, LazyModel
from metareval.evaluation.samples import Samples, samples_hash
from metareval.evaluation.storage import Store
from metareval.observations import SPLITS, Observations
from metareval.progress import stage
from metareval.results import printable, shorten

STORED, OBSERVED = "stored", "observed"
STORED_UNCOMPARED = f"{STORED}; the checkpoint's files are not here to be compared"


@dataclass(frozen=True)
class Seen:
    """What one model did.

    Parameters
    ----------
    identity : Identity
    observed : mapping of split to Observations
    sources : mapping of split to str
        Whether the observations were stored or are new, and what was wrong with stored ones.
    """

    identity: Identity
    observed: Mapping[str, Observations]
    sources: Mapping[str, str]


@dataclass
class Observer:
    """Observes checkpoints of one backend on one benchmark.

    Parameters
    ----------
    door : BackendDoor
    store : Store
    samples : mapping of split to samples
    setting : mapping of str to str
        What all identities share.
    base, batch_size, layer
        Passed to the backend.
    """

    door: BackendDoor
    store: Store
    samples: Mapping[str, Samples]
    setting: Mapping[str, str]
    base: str | None
    batch_size: int | None
    layer: str | None
    hashes: dict[str, str] = field(default_factory=dict)
    identities: dict[str, Identity] = field(default_factory=dict)

    def identity(self, checkpoint: str) -> Identity:
        """Return what the checkpoint is told by, looked up once.

        Raises
        ------
        LoadError
            A file of the checkpoint cannot be read.
        """
        if checkpoint not in self.identities:
            self.identities[checkpoint] = Identity(
                names={**self.setting, "checkpoint": checkpoint},
                contents={
                    "checkpoint files": files_hash(checkpoint, leave_out=self.store.out),
                    "base files": self._base_files,
                    "backend fingerprint": self.door.fingerprint(checkpoint, self.base),
                },
            )
        return self.identities[checkpoint]

    @cached_property
    def _base_files(self) -> str | None:
        return None if self.base is None else files_hash(self.base, leave_out=self.store.out)

    def see(self, checkpoint: str, splits: Iterable[str], *, label: str) -> Seen:
        """Return what a checkpoint does on some splits; the model is gone afterwards.

        Every split is stored as soon as it is done.

        Raises
        ------
        MetarevalError
            The checkpoint cannot be loaded or observed.
        """
        wanted = [split for split in SPLITS if split in set(splits)]
        identity = self.identity(checkpoint)
        observed: dict[str, Observations] = {}
        sources: dict[str, str] = {}
        for split in wanted:
            found, reason = self.store.find(identity, split, self._hash(split))
            if found is None:
                sources[split] = f"{OBSERVED} again: {reason}" if reason else OBSERVED
                continue
            observed[split] = found
            sources[split] = STORED if identity.compared else STORED_UNCOMPARED
        missing = [split for split in wanted if split not in observed]
        stage(f"{label} {_shown(checkpoint)}: {_what(missing, sources)}")
        model = LazyModel(self.door, checkpoint, self.base)
        try:
            for split in missing:
                seen = model.observe(
                    self.samples[split], split, batch_size=self.batch_size, layer=self.layer
                )
                if identity.contents["backend fingerprint"] is None:
                    # The backend has been imported by now.
                    identity = self._with_fingerprint(checkpoint, identity)
                observed[split] = self.store.save(seen, identity, self._hash(split))
        finally:
            model.close()
        return Seen(identity, {s: observed[s] for s in wanted}, sources)

    def _with_fingerprint(self, checkpoint: str, identity: Identity) -> Identity:
        own = self.door.fingerprint(checkpoint, self.base)
        whole = Identity(identity.names, {**identity.contents, "backend fingerprint": own})
        self.identities[checkpoint] = whole
        return whole

    def _hash(self, split: str) -> str:
        if split not in self.hashes:
            self.hashes[split] = samples_hash(self.samples[split])
        return self.hashes[split]


def _what(missing: list[str], sources: Mapping[str, str]) -> str:
    if not missing:
        return "stored"
    again = [f"{s} ({printable(sources[s])})" if ":" in sources[s] else s for s in missing]
    return f"observe {', '.join(again)}"


def _shown(name: str) -> str:
    return shorten(printable(name), 60)
