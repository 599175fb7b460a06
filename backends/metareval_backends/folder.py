"""Find a checkpoint and check its files; nothing of it is loaded, and no torch is needed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from metareval.errors import LoadError, MissingDependencyError
from metareval.results import printable, shorten
from metareval_backends.safetensors_header import (
    TensorEntry,
    listed,
    read_header,
    read_json,
    shown,
)

CONFIG, ADAPTER_CONFIG = "config.json", "adapter_config.json"
WEIGHTS, ADAPTER_WEIGHTS = "model.safetensors", "adapter_model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")

# What is fetched from the hub: weights, configurations, tokenizers; neither pickles nor code.
SAFE_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files have been checked.

    Parameters
    ----------
    name : str
        As it was asked for: a folder, or a hub id.
    folder : Path
        Where its files are.
    kind : {"full", "adapter"}
        All weights of a model, or a PEFT adapter on a base.
    weights : tuple of Path
        Its safetensors files.
    config : mapping
        What ``config.json`` or ``adapter_config.json`` holds.
    revision : str
        Commit on the hub; empty for a folder of one's own.
    """

    name: str
    folder: Path
    kind: Literal["full", "adapter"]
    weights: tuple[Path, ...]
    config: Mapping[str, Any]
    revision: str = ""

    def tensors(self) -> dict[str, TensorEntry]:
        """Return where each tensor lies, by its name on disk.

        Raises
        ------
        LoadError
            A file is damaged, or two files hold a tensor of one name.
        """
        found: dict[str, TensorEntry] = {}
        for path in self.weights:
            for name, entry in read_header(path).items():
                if name in found:
                    raise LoadError(
                        f"The tensor {listed([name])} is in {shown(found[name].path)} and in "
                        f"{shown(path)}; expected it in one."
                    )
                found[name] = entry
        return found


def find_checkpoint(name: str, *, what: str = "checkpoint") -> Checkpoint:
    """Find a checkpoint in a folder or on the hub, and check its files.

    Parameters
    ----------
    name : str
        A local folder, or a hub id ``"org/name"``, with ``"@revision"`` behind it for a branch,
        tag or commit. A path that exists wins over a hub id.
    what : str
        What it is to be, for messages.

    Returns
    -------
    Checkpoint

    Raises
    ------
    LoadError
        There is no such folder or id, or no network and no copy in the cache; the weights are
        missing, damaged, outside the folder or kept only as a pickle, or the configuration is
        damaged or asks for code of its own.
    MissingDependencyError
        A hub id needs ``huggingface_hub``, which is not installed.

    Examples
    --------
    >>> find_checkpoint("no-such-folder")
    Traceback (most recent call last):
    ...
    metareval.errors.LoadError: There is no checkpoint 'no-such-folder': no such folder, and it is
    not a hub id (org/name or org/name@revision). Check the path.
    """
    if not isinstance(name, (str, os.PathLike)) or not str(name):
        raise LoadError(f"The {what} is {name!r}; expected a folder or a hub id.")
    name = os.fspath(name)
    folder = Path(name)
    try:
        exists = folder.exists()
    except (OSError, ValueError):
        exists = False
    if not exists:
        folder = _from_hub(name, what)
    elif not folder.is_dir():
        raise LoadError(
            f"The {what} {_quoted(name)} is a file; expected the folder that holds "
            f"{CONFIG} and the weights."
        )
    try:
        return _checked(name, folder, what)
    except OSError as error:
        raise LoadError(
            f"The {what} {_quoted(name)} could not be read: {error.strerror or error}."
        ) from error


def side_files(folder: Path) -> Iterator[Path]:
    """Yield configurations and tokenizer files, which change what a model answers."""
    for pattern in SAFE_FILES[1:]:
        for path in folder.glob(pattern):
            if path.is_file() and _stays(folder, path):
                yield path


def _checked(name: str, folder: Path, what: str) -> Checkpoint:
    revision = folder.name if _cache_of(folder) else ""
    if _file(folder, ADAPTER_CONFIG) is not None:
        if _file(folder, WEIGHTS) or _file(folder, INDEX):
            raise LoadError(
                f"The {what} {_quoted(name)} holds an adapter ({ADAPTER_CONFIG}) and full weights. "
                "Move one of them to a folder of its own."
            )
        config = read_json(folder / ADAPTER_CONFIG, what="the configuration of an adapter")
        weights = _file(folder, ADAPTER_WEIGHTS)
        if weights is None:
            raise _no_weights(name, folder, what, ADAPTER_WEIGHTS)
        files, kind = [weights], "adapter"
    else:
        files, kind = _full_weights(name, folder, what), "full"
        if _file(folder, CONFIG) is None:
            raise LoadError(
                f"The {what} {_quoted(name)} has no {CONFIG}, which says what model the weights "
                "are of. Copy it from the model that was trained."
            )
        config = read_json(folder / CONFIG, what="the configuration of a model")
    _refuse_code(config, f"The {what} {_quoted(name)}")
    checkpoint = Checkpoint(
        name, folder, "adapter" if kind == "adapter" else "full", tuple(files), config, revision
    )
    if not checkpoint.tensors():
        raise LoadError(f"The {what} {_quoted(name)} holds no tensors.")
    return checkpoint


def _full_weights(name: str, folder: Path, what: str) -> list[Path]:
    single = _file(folder, WEIGHTS)
    if single is not None:
        return [single]
    index = _file(folder, INDEX)
    if index is None:
        if _file(folder, ADAPTER_WEIGHTS):
            raise LoadError(
                f"The {what} {_quoted(name)} holds an adapter without its {ADAPTER_CONFIG}. Copy "
                "that file from where the adapter was trained."
            )
        raise _no_weights(name, folder, what, WEIGHTS)
    weight_map = read_json(index, what="an index of weights").get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise LoadError(f"{shown(index)} has no weight_map; expected tensor names and files.")
    held: dict[str, set[str]] = {}
    for tensor, file in weight_map.items():
        held.setdefault(_shard_name(index, tensor, file), set()).add(tensor)
    files = []
    for file, tensors in sorted(held.items()):
        path = _file(folder, file)
        if path is None:
            raise LoadError(
                f"{shown(index)} names the file {listed([file])}, which is missing. Fetch the "
                f"{what} again."
            )
        lost = tensors - read_header(path).keys()
        if lost:
            raise LoadError(
                f"{shown(path)} does not hold the tensors {listed(lost)} that {shown(index)} says "
                "are in it. Fetch both again."
            )
        files.append(path)
    return files


def _shard_name(index: Path, tensor: str, file: object) -> str:
    if isinstance(file, str) and re.fullmatch(r"[\w-][\w.-]{,200}\.safetensors", file):
        return file
    raise LoadError(
        f"{shown(index)} places the tensor {listed([tensor])} in {shorten(repr(file), 120)}; "
        "expected the plain name of a .safetensors file in the same folder."
    )


def _file(folder: Path, name: str) -> Path | None:
    """Return a file of the folder where there is one; refuse a link that leaves the folder."""
    path = folder / name
    if not path.exists() and not path.is_symlink():
        return None
    if not _stays(folder, path):
        raise LoadError(
            f"{shown(path)} is a link that leaves the folder. Put the file itself there."
        )
    return path if path.exists() else None


def _stays(folder: Path, path: Path) -> bool:
    # In the hub's cache, the files of a revision are links to blobs beside it.
    root = _cache_of(folder) or folder
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):
        return False


def _cache_of(folder: Path) -> Path | None:
    """Return the cached repository that a revision's folder belongs to, if it is one."""
    root = folder.absolute().parent.parent
    cached = folder.absolute().parent.name == "snapshots" and (root / "blobs").is_dir()
    return root if cached else None


def _refuse_code(config: Mapping[str, Any], who: str) -> None:
    """Refuse a configuration that asks for code of its own, at any depth."""
    todo: list[Any] = [config]
    while todo:
        value = todo.pop()
        if isinstance(value, list):
            todo += value
        if not isinstance(value, dict):
            continue
        if value.get("auto_map"):
            raise LoadError(
                f"{who} needs code of its own (auto_map in its configuration), which is never run. "
                "Use a checkpoint for a model class of transformers."
            )
        for key, chosen in value.items():
            # transformers takes a name with a slash for a kernel to fetch from the hub and run.
            if key.endswith("_implementation") and "/" in str(chosen):
                raise LoadError(
                    f"{who} needs a kernel from the hub ({key} {shorten(repr(chosen), 80)}), which "
                    "is code and never run. Remove the entry from its configuration."
                )
        todo += value.values()


def _no_weights(name: str, folder: Path, what: str, expected: str) -> LoadError:
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if pickles:
        return LoadError(
            f"The {what} {_quoted(name)} holds weights only as pickle ({listed(pickles)}), which "
            "runs code when it is opened and is never read. Convert with safetensors: load it "
            "where you trust it and save_pretrained() it again."
        )
    found = listed(path.name for path in folder.iterdir()) or "nothing"
    return LoadError(
        f"The {what} {_quoted(name)} holds no weights: found {found}; expected {expected}."
    )


def _from_hub(name: str, what: str) -> Path:
    match = re.fullmatch(r"([\w.-]{1,96}/[\w.-]{1,96})(?:@([\w./-]{1,200}))?", name)
    if match is None or name.startswith((".", "/", "~")) or ".." in name:
        raise LoadError(
            f"There is no {what} {_quoted(name)}: no such folder, and it is not a hub id "
            "(org/name or org/name@revision). Check the path."
        )
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingDependencyError(
            f"The {what} {_quoted(name)} is on the hub, and huggingface_hub is not installed. "
            "Install it: pip install 'metareval[vlm]'"
        ) from error
    try:
        folder = snapshot_download(
            match[1],
            revision=match[2],
            allow_patterns=list(SAFE_FILES),
            # A repository may keep other models in folders of their own.
            ignore_patterns=["*/*"],
        )
    # Its errors are of many types, those of the network library among them.
    except Exception as error:
        reason = shorten(printable(" ".join(str(error).split())), 200)
        raise LoadError(
            f"There is no folder {_quoted(name)}, and the {what} could not be had from the hub as "
            f"{match[1]} ({type(error).__name__}: {reason}). Check the path or the id, or download "
            "it where there is a network and name its folder."
        ) from error
    return Path(folder)


def _quoted(name: str) -> str:
    return repr(shorten(printable(name), 200))
