"""What is taken for a checkpoint, what is refused, and when a fingerprint changes."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from metareval.errors import LoadError, MissingDependencyError
from metareval_backends import fingerprints
from metareval_backends.fingerprints import fingerprint
from metareval_backends.folder import find_checkpoint
from tests.tiny_checkpoints import PAYLOAD, set_config, write_examples


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_examples(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture
def copied(stored: Path, tmp_path: Path) -> Callable[[str], Path]:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(stored / name, tmp_path / name))

    return copy


def refused(name: Path | str, *parts: str) -> str:
    with pytest.raises(LoadError) as caught:
        find_checkpoint(str(name))
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message
    return message


def edit_header(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


def edit_index(folder: Path, file: object) -> Path:
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    first = sorted(content["weight_map"])[0]
    content["weight_map"][first] = file
    index.write_text(json.dumps(content))
    return folder


def test_full_weights_in_one_file(stored: Path) -> None:
    found = find_checkpoint(str(stored / "llava"))
    assert (found.kind, found.revision) == ("full", "")
    assert [p.name for p in found.weights] == ["model.safetensors"]
    assert found.config["model_type"] == "llava"


def test_full_weights_in_shards(stored: Path) -> None:
    found = find_checkpoint(str(stored / "sharded"))
    assert len(found.weights) == 3
    assert found.tensors().keys() == find_checkpoint(str(stored / "llava")).tensors().keys()


def test_adapter(stored: Path) -> None:
    found = find_checkpoint(str(stored / "lora"))
    assert (found.kind, found.config["r"]) == ("adapter", 4)


def test_pickle_alone_is_refused_and_not_opened(tmp_path: Path, stored: Path) -> None:
    mark = tmp_path / "executed"
    folder = tmp_path / "pickled"
    folder.mkdir()
    shutil.copy(stored / "llava" / "config.json", folder)
    for name in ("pytorch_model.bin", "model.pt"):
        (folder / name).write_text(PAYLOAD.format(mark=mark))
    refused(folder, "pickled", "only as pickle", "'pytorch_model.bin'", "Convert with safetensors")
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    refused(folder, "only as pickle")
    assert not mark.exists()


@pytest.mark.parametrize(
    "file",
    ["../secret.safetensors", "/etc/secret.safetensors", "a/../../secret.safetensors",
     "sub/model.safetensors", "..\\secret.safetensors", "model.bin", "", 7, None, ["x"],
     "a\nb.safetensors", "x" * 300 + ".safetensors"],
)  # fmt: skip
def test_index_that_names_other_places(copied: Callable[[str], Path], file: object) -> None:
    folder = edit_index(copied("sharded"), file)
    shutil.copy(folder / "model-00001-of-00003.safetensors", folder.parent / "secret.safetensors")
    refused(folder, "model.safetensors.index.json", "plain name")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_link_that_leaves_the_folder(copied: Callable[[str], Path], name: str) -> None:
    folder = copied("llava")
    outside = folder.parent / "outside"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)
    refused(folder, name, "link that leaves the folder")
    (folder / name).unlink()
    (folder / name).symlink_to(folder.parent / "nowhere")
    refused(folder, name, "link that leaves the folder")


def test_shard_that_is_a_link_out_of_the_folder(copied: Callable[[str], Path]) -> None:
    folder = copied("sharded")
    shard = folder / "model-00002-of-00003.safetensors"
    shard.rename(folder.parent / "outside")
    shard.symlink_to("../outside")
    refused(folder, shard.name, "link that leaves the folder")


def test_links_inside_the_folder_are_followed(copied: Callable[[str], Path]) -> None:
    folder = copied("llava")
    (folder / "model.safetensors").rename(folder / "weights")
    (folder / "model.safetensors").symlink_to("weights")
    assert find_checkpoint(str(folder)).tensors()


def test_revision_in_the_cache_of_the_hub(stored: Path, tmp_path: Path) -> None:
    root = tmp_path / "models--org--tiny"
    folder = root / "snapshots" / "0123abc"
    folder.mkdir(parents=True)
    (root / "blobs").mkdir()
    for number, path in enumerate(sorted((stored / "llava").iterdir())):
        shutil.copy(path, root / "blobs" / str(number))
        (folder / path.name).symlink_to(f"../../blobs/{number}")
    found = find_checkpoint(str(folder))
    assert (found.revision, len(found.weights)) == ("0123abc", 1)
    assert fingerprint(str(folder)) != fingerprint(str(stored / "llava"))
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(stored / "llava" / "model.safetensors")
    refused(folder, "link that leaves the folder")


def test_truncated_weights(copied: Callable[[str], Path]) -> None:
    path = copied("llava") / "model.safetensors"
    size = path.stat().st_size
    os.truncate(path, size - 100)
    refused(path.parent, str(path), "truncated", f"{size - 100:,} bytes", f"expected {size:,}")
    os.truncate(path, 100)
    refused(path.parent, "truncated", "100 bytes", "header")


@pytest.mark.parametrize(
    "data", [b"", b"\x01\x02", b"\x00" * 8, b"\x08" + b"\x00" * 7 + b"garbage!"]
)
def test_files_that_are_not_safetensors(copied: Callable[[str], Path], data: bytes) -> None:
    path = copied("llava") / "model.safetensors"
    path.write_bytes(data)
    refused(path.parent, str(path))


def test_huge_header_is_not_read(copied: Callable[[str], Path]) -> None:
    path = copied("llava") / "model.safetensors"
    with path.open("r+b") as stream:
        stream.write((2**62).to_bytes(8, "little"))
    refused(path.parent, "claims 4,611,686,018,427,387,904 bytes")


def span(start: int, stop: int) -> Callable[[dict[str, Any]], None]:
    def change(header: dict[str, Any]) -> None:
        header["multi_modal_projector.linear_1.bias"]["data_offsets"] = [start, stop]

    return change


def entry(**changes: object) -> Callable[[dict[str, Any]], None]:
    return lambda header: header["multi_modal_projector.linear_1.bias"].update(changes)


@pytest.mark.parametrize(
    ("change", "saying"),
    [
        (span(0, 64), "overlaps"),
        (span(0, 60), "spans 60 bytes"),
        (span(64, 0), "no valid shape and data_offsets"),
        (span(-64, 0), "no valid shape and data_offsets"),
        (span(10**9, 10**9 + 64), "leaves a gap"),
        (entry(shape=[2**40, 2**40]), "takes"),
        (entry(shape=[True, 16]), "no valid shape"),
        (entry(shape="16"), "no valid shape"),
        (entry(data_offsets=[0]), "no valid shape"),
        (entry(dtype="PICKLE"), "type 'PICKLE'"),
        (entry(dtype=["F32"]), "unknown"),
        (lambda header: header.update(extra=7), "not an object"),
        (lambda header: header.pop("multi_modal_projector.linear_1.bias"), "gap"),
    ],
)
def test_header_that_does_not_fit_the_file(
    copied: Callable[[str], Path], change: Callable[[dict[str, Any]], None], saying: str
) -> None:
    path = copied("llava") / "model.safetensors"
    edit_header(path, change)
    refused(path.parent, str(path), saying)


def test_header_with_bytes_behind_or_a_name_twice(copied: Callable[[str], Path]) -> None:
    path = copied("llava") / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data + b"\x00")
    refused(path.parent, "1 bytes follow its last tensor")
    text = b'{"a":{},"a":{}}'
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    refused(path.parent, "comes twice")
    deep = b"[" * 200_000
    path.write_bytes(len(deep).to_bytes(8, "little") + deep)
    refused(path.parent, "nested too deeply")


def test_weights_that_are_a_pipe_or_a_folder(copied: Callable[[str], Path]) -> None:
    path = copied("llava") / "model.safetensors"
    path.unlink()
    path.mkdir()
    refused(path.parent, "not a regular file")
    if hasattr(os, "mkfifo"):
        path.rmdir()
        os.mkfifo(path)
        refused(path.parent, "not a regular file")


def test_missing_files(copied: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copied("sharded")
    (folder / "model-00002-of-00003.safetensors").unlink()
    refused(folder, "'model-00002-of-00003.safetensors'", "missing")
    folder = copied("llava")
    (folder / "config.json").unlink()
    refused(folder, "has no config.json")
    (folder / "model.safetensors").unlink()
    refused(folder, "expected model.safetensors", "generation_config.json")
    folder = copied("lora")
    (folder / "adapter_config.json").unlink()
    refused(folder, "adapter without its adapter_config.json")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "found nothing")


def test_index_and_shards_that_disagree(copied: Callable[[str], Path]) -> None:
    folder = edit_index(copied("sharded"), "model-00003-of-00003.safetensors")
    refused(folder, "does not hold the tensors 'language_model.lm_head.weight'")
    index = folder / "model.safetensors.index.json"
    index.write_text('{"weight_map": []}')
    refused(folder, "has no weight_map")


def test_adapter_beside_full_weights(copied: Callable[[str], Path], stored: Path) -> None:
    folder = copied("llava")
    for path in (stored / "lora").iterdir():
        shutil.copy(path, folder)
    refused(folder, "holds an adapter", "full weights")


@pytest.mark.parametrize(
    ("text", "saying"),
    [("", "not the configuration"), ('{"model_type": "lla', "not the configuration"),
     ("[]", "holds a list"), ("\xff", "not the configuration"), ('{"a":1,"a":2}', "twice"),
     ('{"a": ' + "[" * 100_000, "nested too deeply")],
)  # fmt: skip
def test_damaged_configuration(copied: Callable[[str], Path], text: str, saying: str) -> None:
    for name, file in (("llava", "config.json"), ("lora", "adapter_config.json")):
        folder = copied(name)
        (folder / file).write_text(text, encoding="latin-1")
        refused(folder, file, saying)


@pytest.mark.parametrize(
    ("changes", "saying"),
    [
        ({"auto_map": {"AutoModel": "evil.Model"}}, "auto_map"),
        ({"text_config": {"auto_map": {"AutoConfig": "evil.Config"}}}, "auto_map"),
        ({"attn_implementation": "evil/kernel"}, "kernel"),
        ({"vision_config": {"_attn_implementation": {"x": "evil/kernel"}}}, "kernel"),
    ],
)
def test_configuration_that_asks_for_code(
    copied: Callable[[str], Path], changes: dict[str, Any], saying: str
) -> None:
    refused(set_config(copied("llava"), **changes), saying, "never run")


@pytest.mark.parametrize(
    "name",
    ["", "no-such-folder", "/no/such/folder", "../no-such", "a/b/c", "~/x", "org/na me", "x\x00y",
     "org/name@", "org/..", "x" * 5000],
)  # fmt: skip
def test_names_that_are_neither_folder_nor_id(name: str) -> None:
    refused(name)


def test_file_in_place_of_a_folder(stored: Path) -> None:
    refused(stored / "llava" / "config.json", "is a file")


def test_hub_id_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    started = time.monotonic()
    refused("no-such-org/no-such-model@main", "no-such-org/no-such-model", "Check the path or")
    assert time.monotonic() - started < 5


def test_hub_id_is_fetched_without_pickles_and_code(
    monkeypatch: pytest.MonkeyPatch, stored: Path
) -> None:
    asked: dict[str, Any] = {}

    def fetch(repository: str, **options: Any) -> str:
        asked.update(options, repository=repository)
        return str(stored / "llava")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    assert find_checkpoint("org/tiny@v1").name == "org/tiny@v1"
    assert (asked["repository"], asked["revision"]) == ("org/tiny", "v1")
    assert not {"*.bin", "*.pt", "*.py", "*"} & set(asked["allow_patterns"])


def test_hub_id_without_the_package_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'metareval\[vlm\]'"):
        find_checkpoint("org/tiny")


def test_folder_wins_over_a_hub_id(
    monkeypatch: pytest.MonkeyPatch, copied: Callable[[str], Path]
) -> None:
    folder = copied("llava")
    monkeypatch.chdir(folder.parent.parent)
    name = f"{folder.parent.name}/llava"
    assert find_checkpoint(name).folder == Path(name)


# Fingerprints


def test_fingerprint_follows_the_files(copied: Callable[[str], Path], stored: Path) -> None:
    folder = copied("llava")
    before = fingerprint(str(folder))
    assert fingerprint(str(stored / "llava")) == before
    assert fingerprint(str(folder), str(stored / "llava")) != before
    (folder / "notes.md").write_text("nothing that matters")
    assert fingerprint(str(folder)) == before
    (folder / "tokenizer_config.json").write_text("{}")
    assert fingerprint(str(folder)) != before


def test_fingerprint_of_large_files_sees_every_tensor(
    copied: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprints, "_WHOLE_BYTES", 1000)
    folder = copied("llava")
    before = fingerprint(str(folder))
    tensors = load_file(folder / "model.safetensors")
    for name in ("language_model.model.norm.weight", "multi_modal_projector.linear_2.bias"):
        changed = {**tensors, name: tensors[name] + 1}
        save_file(changed, folder / "model.safetensors", metadata={"format": "pt"})
        assert fingerprint(str(folder)) != before
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert fingerprint(str(folder)) == before
