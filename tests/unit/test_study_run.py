"""Studies run to their end: cells, tables, failures, resuming."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metareval as mr
from metareval.errors import ArgumentError, LoadError, ObservationError
from metareval.observations import Observations
from metareval_backends.study import run_study, study_status, study_table
from metareval_backends.study.lock import locked
from tests.study_files import micro, stamps, write


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A file, and the folder of its study, run to the end."""
    folder = tmp_path_factory.mktemp("study")
    path = str(write(folder))
    done = run_study(path, folder / "out")
    assert (done.total, done.made, done.failed) == (8, 8, {})
    study_table(path, folder / "out")
    return path, folder / "out"


def test_every_cell_is_whole(made: tuple[str, Path]) -> None:
    _, out = made
    cells = sorted(p.name for p in (out / "cells/vit/digits").iterdir())
    assert cells == [
        "ascent+strong+0",
        "ascent+strong+1",
        "ascent+weak+0",
        "ascent+weak+1",
        "base",
        "oracle-1",
        "oracle-2",
        "reference-distances",
    ]
    record = json.loads((out / "cells/vit/digits/ascent+weak+0/cell.json").read_text())
    assert set(record["weight_distances"]) == {"oracle-1", "oracle-2"}
    assert record["settings"]["cell"]["schedule"]["learning_rate"] == 1e-4
    assert {"torch", "transformers", "metareval"} <= set(record["versions"])
    assert (out / "cells/vit/digits/base/checkpoint/model.safetensors").is_file()
    assert not (out / "cells/vit/digits/ascent+weak+0/checkpoint").exists()
    seen = Observations.load(out / "cells/vit/digits/base/observations/forget.safetensors")
    assert seen.provenance["checkpoint"] == "micro/vit/digits/base"


def test_table_has_roles_and_distances(made: tuple[str, Path]) -> None:
    _, out = made
    table = mr.read_table(out / "table.json")
    assert table.metrics == ("FA", "RA", "JS")
    assert table.oracle_repeats == ("distance_1", "distance_2")
    assert table.oracle_shared == ("JS",)
    assert table.levels("block") == ["vit digits"]
    assert table.levels("item") == ["ascent / weak", "ascent / strong"]
    frame = pd.read_csv(out / "table.csv")
    assert list(frame.columns) == [
        *("architecture", "benchmark", "block", "method", "strength", "seed", "FA", "RA", "JS"),
        *("distance_1", "distance_2", "weight_distance_1", "weight_distance_2"),
    ]
    assert frame.notna().to_numpy().all()
    weak = frame["strength"] == "weak"
    assert (frame[weak]["weight_distance_1"].min()) > 0
    references = pd.read_csv(out / "references.csv").set_index("reference")
    assert references.loc["oracle-1", "distance_1"] == 0
    assert references.loc["oracle-1", "weight_distance_1"] == 0
    floor = references.loc["oracle-1", "distance_2"]
    assert references["noise_floor"].eq(floor).all()
    assert floor > 0


def test_the_table_needs_no_torch(made: tuple[str, Path]) -> None:
    path, out = made
    code = (
        "import sys; from metareval_backends.study import study_status, study_table;"
        f"s = study_status({path!r}, {str(out)!r}); t = study_table({path!r}, {str(out)!r});"
        "print(repr(s), repr(t));"
        "bad = {'torch', 'transformers', 'peft'} & set(sys.modules); assert not bad, bad"
    )
    before = (out / "table.csv").read_bytes()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert (out / "table.csv").read_bytes() == before


def test_a_second_run_makes_nothing(made: tuple[str, Path]) -> None:
    path, out = made
    before = stamps(out)
    done = run_study(path, out)
    assert (done.stored, done.made) == (8, 0)
    assert stamps(out) == before


def test_the_same_seeds_give_the_same_table(made: tuple[str, Path], tmp_path: Path) -> None:
    _, out = made
    data = micro()
    data["seeds"].reverse()
    data["method"][0]["strengths"].reverse()
    path = str(write(tmp_path, data))
    run_study(path, tmp_path / "out", workers=2)
    study_table(path, tmp_path / "out")
    one, two = (
        pd.read_csv(folder / "table.csv").sort_values(["strength", "seed"], ignore_index=True)
        for folder in (out, tmp_path / "out")
    )
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_a_folder_of_other_settings_is_refused(made: tuple[str, Path], tmp_path: Path) -> None:
    _, out = made
    data = micro()
    data["architecture"][0]["train"]["epochs"] = 3
    path = str(write(tmp_path, data))
    for ask in (run_study, study_table, study_status):
        with pytest.raises(
            ArgumentError,
            match=r"vit/digits/base .*architecture.train.epochs is 2 there and 3 in .*--out",
        ):
            ask(path, out)


def damage(out: Path, name: str, key: str, value: object) -> None:
    path = out / "cells/vit/digits" / name / "cell.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, key: value}))


@pytest.mark.parametrize("value", ["abc", [1], True, -1, 10**400, float("nan"), None])
def test_times_that_are_none(made: tuple[str, Path], tmp_path: Path, value: object) -> None:
    path, out = made[0], tmp_path / "out"
    shutil.copytree(made[1], out)
    damage(out, "base", "seconds", value)
    with pytest.raises(LoadError, match=r"base/cell\.json.*Remove the folder .*base"):
        study_status(path, out)


@pytest.mark.parametrize("name", ["ascent+weak+0", "reference-distances"])
@pytest.mark.parametrize("value", [{}, 0.5, {"oracle-1": "x"}, {"oracle-2": {}}, [], None])
def test_distances_that_are_none(
    made: tuple[str, Path], tmp_path: Path, name: str, value: object
) -> None:
    path, out = made[0], tmp_path / "out"
    shutil.copytree(made[1], out)
    damage(out, name, "weight_distances", value)
    with pytest.raises(LoadError, match=rf"{re.escape(name)}/cell\.json.*Remove the folder"):
        study_table(path, out)


def test_more_seeds_reuse_what_is_there(made: tuple[str, Path], tmp_path: Path) -> None:
    out = shutil.copytree(made[1], tmp_path / "out")
    path = str(write(tmp_path, micro(seeds=[0, 1, 2], keep_checkpoints=True)))
    status = study_status(path, out)
    assert (status.done, status.total) == (8, 10)
    assert status.seconds_left is not None
    # One cell is damaged, one is lost, one failed in another run.
    with pytest.raises(LoadError, match="holds no unlearned model"):
        study_table(path, tmp_path / "empty")
    table = study_table(path, out)
    assert any("2 of 6 unlearned models are not there yet" in note for note in table.notes)
    done = run_study(path, out)
    assert (done.stored, done.made) == (8, 2)
    checkpoint = out / "cells/vit/digits/ascent+weak+2/checkpoint"
    assert (checkpoint / "model.safetensors").is_file()
    damaged = out / "cells/vit/digits/base/observations/forget.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-4])
    with pytest.raises(ObservationError, match=r"Remove the folder .*base and run the study again"):
        study_table(path, out)
    shutil.rmtree(out / "cells/vit/digits/base")
    before = {k: v for k, v in stamps(out).items() if not k.endswith("/base")}
    run_study(path, out)
    assert {k: v for k, v in stamps(out).items() if not k.endswith("/base")} == before
    study_table(path, out)


def test_failed_cells_do_not_stop_the_others(tmp_path: Path) -> None:
    data = micro(seeds=[0])
    bad = {"label": "mad", "schedule": {"learning_rate": 1e30, "epochs": 4}}
    data["method"][0]["strengths"].append(bad)
    path = str(write(tmp_path, data))
    done = run_study(path, tmp_path / "out")
    assert list(done.failed) == ["vit/digits/ascent+mad+0"]
    assert "learning rate below" in done.failed["vit/digits/ascent+mad+0"]
    assert done.made == 6
    status = study_status(path, tmp_path / "out")
    assert status.failed == dict(done.failed)
    assert len(study_table(path, tmp_path / "out").table) == 2
    # What needs a failed cell is not tried.
    data["architecture"][0]["train"]["learning_rate"] = 1e30
    data["architecture"][0]["train"]["epochs"] = 10
    path = str(write(tmp_path, data))
    done = run_study(path, tmp_path / "again")
    assert done.made == 0
    assert done.failed["vit/digits/ascent+weak+0"] == "it needs base, which failed"


def test_one_run_at_a_time(made: tuple[str, Path]) -> None:
    path, out = made
    with locked(out):
        with pytest.raises(ArgumentError, match=r"Another run \(process \d+\) is working"):
            run_study(path, out)
        assert study_status(path, out).running
    assert not study_status(path, out).running


def test_a_benchmark_that_changed_is_noticed(tmp_path: Path) -> None:
    rows = [
        {"split": split, "id": f"{split}{i}", "question": "Which?", "answer": str(i % 2)}
        for split in ("forget", "retain")
        for i in range(4)
    ]
    source = tmp_path / "rows.jsonl"

    def put(answer: str) -> None:
        rows[0]["answer"] = answer
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))

    put("0")
    data = micro(seeds=[0], oracles=1)
    data["architecture"] = [
        {
            "name": "llava",
            "backend": "llava",
            "tiny": {"width": 8, "vision_layers": 1, "text_layers": 1},
            "train": {"epochs": 1, "learning_rate": 1e-3},
        }
    ]
    data["benchmark"] = [
        {
            "name": "columns",
            "options": {"path": str(source), "sample": "id", "subject": "id", "image": ""},
        }
    ]
    data["method"] = data["method"][:1]
    data["measure"] = {"metrics": ["FA"], "probe": "retain"}
    path = str(write(tmp_path, data))
    done = run_study(path, tmp_path / "out")
    assert not done.failed, done.failed
    shutil.rmtree(tmp_path / "out/cells/llava/columns/ascent+weak+0")
    put("1")
    done = run_study(path, tmp_path / "out")
    assert "gives other samples" in done.failed["llava/columns/ascent+weak+0"]


def test_adapters_on_a_base_on_disk(tmp_path: Path) -> None:
    from metareval_backends.llava import tiny_llava
    from metareval_benchmarks.portraits import Portraits

    options: dict[str, Any] = {"n_identities": 4, "size": 16, "n_trained": 2, "n_held_out": 1}
    splits = Portraits("faces", **options).splits()
    texts = [t for s in splits.values() for x in s for t in (x.question, f" {x.answer}")]
    loaded = tiny_llava(texts, width=16, image_size=16, vision_layers=1, text_layers=1)
    for part in (loaded.model, loaded.processor):
        part.save_pretrained(tmp_path / "base")
    data = micro(seeds=[0], keep_checkpoints=True, oracle_start="own")
    data["architecture"] = [
        {
            "name": "lora",
            "backend": "llava",
            "base": str(tmp_path / "base"),
            "adapter": {"r": 2, "alpha": 4},
            "train": {"epochs": 2, "learning_rate": 1e-2, "batch_size": 4},
        }
    ]
    data["benchmark"] = [{"name": "portraits-faces", "label": "faces", "options": options}]
    path = str(write(tmp_path, data))
    done = run_study(path, tmp_path / "out")
    assert not done.failed, done.failed
    first = study_table(path, tmp_path / "out").table.frame
    assert (first["weight_distance_1"] > 0).all()
    cells = tmp_path / "out/cells/lora/faces"
    from safetensors.numpy import load_file

    names = load_file(cells / "ascent+weak+0/checkpoint/adapter_model.safetensors")
    assert names
    assert all("language_model" in n and "self_attn" in n for n in names)
    assert {n.split(".")[-3] for n in names} == {"q_proj", "k_proj", "v_proj", "o_proj"}
    # A kept checkpoint does what was observed, and a resumed run what an uninterrupted one does.
    from metareval_backends.llava import llava

    again = llava.observe(
        llava.load(str(cells / "ascent+strong+0/checkpoint"), base=str(tmp_path / "base")),
        splits["forget"],
        split="forget",
    )
    stored = Observations.load(cells / "ascent+strong+0/observations/forget.safetensors")
    np.testing.assert_allclose(again.next_logprobs, stored.next_logprobs, atol=1e-5)
    shutil.rmtree(cells / "ascent+strong+0")
    run_study(path, tmp_path / "out")
    second = study_table(path, tmp_path / "out").table.frame
    pd.testing.assert_frame_equal(first, second, check_exact=True)
